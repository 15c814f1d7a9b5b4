/**
 * Finds the most load that a system carries within a latency limit, by a handful of probes. Pure: the probes so far go
 * in, the next level (or the verdict) comes out. A level is a number of closed-loop connections or an arrival rate.
 */
export interface Probe {
  readonly level: number;
  /** Right answers per second. */
  readonly throughputRps: number;
  readonly p95Ms: number;
  /** False when answers were wrong, or more than a thousandth failed or were degraded: such a level never counts. */
  readonly sound: boolean;
}

export interface SearchOptions {
  readonly limitMs: number;
  readonly startLevel: number;
  readonly minLevel: number;
  readonly maxLevel: number;
  /** Factor from one level to the next until the limit is bracketed. */
  readonly growth: number;
  /** Done when the lowest bad level is at most this factor above the highest good one. */
  readonly precision: number;
  readonly maxProbes: number;
  /** True when levels are whole numbers (connections). */
  readonly whole: boolean;
}

export type SearchStep = { readonly next: number } | { readonly done: Probe | undefined };

export function meetsLimit(probe: Probe, limitMs: number): boolean {
  return probe.sound && probe.p95Ms <= limitMs;
}

/** The good probe with the highest throughput: past saturation more connections only add latency. */
export function bestProbe(probes: readonly Probe[], limitMs: number): Probe | undefined {
  let best: Probe | undefined;
  for (const probe of probes) {
    if (meetsLimit(probe, limitMs) && (best === undefined || probe.throughputRps > best.throughputRps))
      best = probe;
  }
  return best;
}

export function nextStep(probes: readonly Probe[], options: SearchOptions): SearchStep {
  const { limitMs, minLevel, maxLevel, growth, precision } = options;
  const fit = (level: number): number => {
    const bounded = Math.min(maxLevel, Math.max(minLevel, level));
    return options.whole ? Math.round(bounded) : bounded;
  };
  const done: SearchStep = { done: bestProbe(probes, limitMs) };
  if (probes.length === 0) return { next: fit(options.startLevel) };
  if (probes.length >= options.maxProbes) return done;

  const highestGood = Math.max(0, ...probes.filter((p) => meetsLimit(p, limitMs)).map((p) => p.level));
  // A bad level below a good one is noise: the bracket's upper end is the lowest bad level above every good one.
  const lowestBad = Math.min(
    Number.POSITIVE_INFINITY,
    ...probes.filter((p) => !meetsLimit(p, limitMs) && p.level > highestGood).map((p) => p.level),
  );
  let next: number;
  if (lowestBad === Number.POSITIVE_INFINITY) next = fit(highestGood * growth);
  else if (highestGood === 0) next = fit(lowestBad / growth);
  else if (lowestBad / highestGood <= precision) return done;
  else next = fit(Math.sqrt(lowestBad * highestGood));
  return probes.some((p) => p.level === next) ? done : { next };
}
