import { seededRandom } from "../../src/policy/seeded-random.ts";
import type { CostCurve } from "./cost-curves.ts";

/** A call as a simulation sees it. */
export interface Arrival {
  readonly atMs: number;
  readonly deadlineAtMs: number;
  readonly isLong: boolean;
}

export interface Workload {
  readonly curve: CostCurve;
  readonly arrivals: readonly Arrival[];
  /** Only those from here on count: before, everybody is still finding out. */
  readonly countedFrom: number;
}

const WARM_UP_FRACTION = 0.1;

/** A Poisson process that is the same for whoever serves it. */
export function poissonWorkload(options: {
  readonly curve: CostCurve;
  readonly ratePerMs: number;
  readonly goalMs: number;
  readonly calls: number;
  readonly seed: number;
}): Workload {
  const { curve, ratePerMs, goalMs, calls, seed } = options;
  const random = seededRandom(seed);
  const arrivals: Arrival[] = [];
  let atMs = 0;
  for (let i = 0; i < calls; i++) {
    atMs -= Math.log(1 - random()) / ratePerMs;
    arrivals.push({ atMs, deadlineAtMs: atMs + goalMs, isLong: random() < curve.longFraction });
  }
  return { curve, arrivals, countedFrom: Math.floor(calls * WARM_UP_FRACTION) };
}

/** Draws the mode of each run. Not the arrivals' generator: two rules run different numbers of batches. */
export const modesOf = (seed: number): (() => number) => seededRandom(seed ^ 0x5bd1e995);

export interface Outcome {
  /** Share of the counted calls that were answered by their deadline. */
  readonly goodFraction: number;
  readonly meanBatchRows: number;
}
