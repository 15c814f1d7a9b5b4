import type { Family } from "../reference/paths.ts";
import type { Effort } from "./offers-plan.ts";

export interface OverloadPlan {
  /** The p95 that a level of the closed loop must meet to count as capacity, as in the suite `offers`. */
  readonly limitMs: number;
  /** An answer is good when it comes within this time of the intended sending; also the bound on the p95 of the admitted. */
  readonly admittedLimitMs: number;
  readonly families: readonly Family[];
  readonly rounds: number;
  /** Arrival rates, as multiples of what was carried just before. */
  readonly multiples: readonly number[];
  /**
   * So many requests can be out at a time. With fewer than the service's limit and what is on its way to be refused, the
   * connections are the limit: all are busy, nobody is refused, and the queue stands in the generator.
   */
  readonly maxConnections: number;
  /** What of the arrivals may be sent together: a generator that wakes for each takes twice the processor time from the service. */
  readonly grainMs: number;
  readonly processes: number;
  readonly warmUpMs: number;
  readonly rampMs: number;
  /** Of the capacity search; windows of overload are `overloadWindowMs` long, after a ramp of `overloadRampMs`. */
  readonly windowMs: number;
  readonly overloadRampMs: number;
  readonly overloadWindowMs: number;
  /** What the machine carries at the capacity's level is looked at beside each step, after a ramp in which the limit finds back. */
  readonly carriedRampMs: number;
  readonly carriedWindowMs: number;
  readonly drainMs: number;
  readonly searchPrecision: number;
  readonly probes: number;
}

export function overloadPlan(options: {
  readonly effort: Effort;
  readonly families: readonly Family[];
  readonly rounds: number | undefined;
}): OverloadPlan {
  const isQuick = options.effort === "quick";
  return {
    limitMs: 50,
    admittedLimitMs: 100,
    families: options.families,
    rounds: options.rounds ?? (isQuick ? 1 : 5),
    multiples: [1, 2, 3, 4],
    maxConnections: 2048,
    grainMs: 2,
    processes: 2,
    warmUpMs: isQuick ? 2_500 : 5_000,
    rampMs: 500,
    windowMs: isQuick ? 1_600 : 2_500,
    // The rate rises in its first half, the limit is found in the second: what is measured is the overload that stands.
    overloadRampMs: isQuick ? 2_000 : 3_000,
    overloadWindowMs: isQuick ? 2_000 : 4_000,
    carriedRampMs: isQuick ? 1_000 : 2_000,
    carriedWindowMs: isQuick ? 1_000 : 2_000,
    drainMs: 1_500,
    searchPrecision: isQuick ? 1.3 : 1.15,
    probes: isQuick ? 4 : 6,
  };
}

/** Where the search for capacity begins: it only saves probes. */
export const firstConnections = (family: Family): number => (family === "trees" ? 128 : 48);
