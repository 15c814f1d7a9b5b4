/** A logarithmic or linear axis: where a value lies, and which values get a label. Pure. */
export interface Scale {
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** @param values must be > 0 for a logarithmic axis; others are ignored. */
export function logScale(values: readonly number[], from: number, to: number): Scale {
  const usable = values.filter((value) => value > 0);
  const lowest = Math.min(...usable, Number.POSITIVE_INFINITY);
  const highest = Math.max(...usable, 0);
  if (highest === 0) return { at: () => from, ticks: [] };
  const steps = [1, 2, 5].flatMap((step) => Array.from({ length: 15 }, (_, n) => step * 10 ** (n - 6)));
  steps.sort((a, b) => a - b);
  const first = steps.findLast((step) => step <= lowest * 1.0001) ?? lowest;
  const last = steps.find((step) => step >= highest * 0.9999 && step > first) ?? highest;
  const inRange = steps.filter((step) => step >= first && step <= last);
  const ticks = inRange.length > 9 ? inRange.filter((step) => isPowerOfTen(step)) : inRange;
  const span = Math.log(last / first);
  // A value a hair beyond the outermost label lies on it: the axis ends there.
  const onAxis = (value: number) => Math.min(Math.max(value, first), last);
  return { at: (value) => from + ((to - from) * Math.log(onAxis(value) / first)) / span, ticks };
}

function isPowerOfTen(value: number): boolean {
  const exponent = Math.log10(value);
  return Math.abs(exponent - Math.round(exponent)) < 1e-9;
}

export function linearScale(highest: number, from: number, to: number): Scale {
  const rough = (highest > 0 ? highest : 1) / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10) * magnitude;
  const last = Math.ceil(highest / step - 1e-9) * step || step;
  const ticks = Array.from({ length: Math.round(last / step) + 1 }, (_, n) => n * step);
  return { at: (value) => from + ((to - from) * Math.min(value, last)) / last, ticks };
}
