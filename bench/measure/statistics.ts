export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** How many rounds the figure is made of. */
  readonly rounds: number;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("median: no values");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** `undefined` when there is nothing to summarise. */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  return {
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    rounds: values.length,
  };
}

/**
 * Spread of numerator / denominator, taken round by round: both of a pair ran minutes apart on the same machine, so
 * its drift over the hours cancels. Rounds that lack one of the two (or divide by zero) are left out.
 */
export function ratioSpread(
  numerators: ReadonlyMap<number, number>,
  denominators: ReadonlyMap<number, number>,
): Spread | undefined {
  const ratios: number[] = [];
  for (const [round, numerator] of numerators) {
    const denominator = denominators.get(round);
    if (denominator !== undefined && denominator > 0) ratios.push(numerator / denominator);
  }
  return spread(ratios);
}
