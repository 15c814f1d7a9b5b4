import { type Arrival, modesOf, type Outcome, type Workload } from "./workload.ts";

/**
 * Rules with two numbers, on a virtual clock of their own: one lane, calls in the order of their arrival, and a call
 * whose deadline has passed is not run. What they are given by hand is what the self-tuning batcher has to find out.
 */
export interface FixedRule {
  readonly size: number;
  readonly waitMs: number;
}

/** Runs what waits, at most `size`, as soon as the lane is free and `size` wait or the oldest has waited `waitMs`. */
export function simulateFixedRule(workload: Workload, rule: FixedRule, seed: number): Outcome {
  const { arrivals } = workload;
  const lane = new SimulatedLane(workload, seed);
  let oldest = 0;
  while (oldest < arrivals.length) {
    const first = arrivals[oldest]!;
    let startMs = Math.max(lane.freeAtMs, first.atMs);
    const last = arrivals[oldest + rule.size - 1];
    const fullAtMs = last?.atMs ?? Number.POSITIVE_INFINITY;
    startMs = Math.max(startMs, Math.min(first.atMs + rule.waitMs, fullAtMs));
    if (first.deadlineAtMs <= startMs) {
      oldest += 1;
      continue;
    }
    let end = oldest;
    while (end < arrivals.length && end - oldest < rule.size && arrivals[end]!.atMs <= startMs) end += 1;
    lane.run(oldest, end, startMs);
    oldest = end;
  }
  return lane.outcome();
}

/**
 * Ray Serve's rule (2.58, `_BatchQueue`, one batch at a time): from its first call on a batch gathers until it has
 * `size` calls or `waitMs` have passed, is sealed then whether or not anything is free to run it, and queues. What has
 * been cancelled by the time it runs, here what has expired, is left out.
 */
export function simulateSealedRule(workload: Workload, rule: FixedRule, seed: number): Outcome {
  const { arrivals } = workload;
  const lane = new SimulatedLane(workload, seed);
  let oldest = 0;
  while (oldest < arrivals.length) {
    const untilMs = arrivals[oldest]!.atMs + rule.waitMs;
    let end = oldest + 1;
    while (end < arrivals.length && end - oldest < rule.size && arrivals[end]!.atMs <= untilMs) end += 1;
    const sealedAtMs = end - oldest === rule.size ? arrivals[end - 1]!.atMs : untilMs;
    lane.run(oldest, end, Math.max(sealedAtMs, lane.freeAtMs));
    oldest = end;
  }
  return lane.outcome();
}

class SimulatedLane {
  freeAtMs = 0;
  readonly #workload: Workload;
  readonly #mode: () => number;
  #good = 0;
  #batches = 0;
  #rows = 0;

  constructor(workload: Workload, seed: number) {
    this.#workload = workload;
    this.#mode = modesOf(seed);
  }

  /** The calls from `begin` up to `end`, without those that have expired. */
  run(begin: number, end: number, startMs: number): void {
    const { arrivals, curve, countedFrom } = this.#workload;
    const alive = (one: Arrival) => one.deadlineAtMs > startMs;
    let rows = 0;
    let longRows = 0;
    for (let i = begin; i < end; i++) {
      if (!alive(arrivals[i]!)) continue;
      rows += 1;
      if (arrivals[i]!.isLong) longRows += 1;
    }
    if (rows === 0) return;
    this.freeAtMs = startMs + curve.runMs(rows, longRows, this.#mode());
    this.#batches += 1;
    this.#rows += rows;
    for (let i = Math.max(begin, countedFrom); i < end; i++) {
      const one = arrivals[i]!;
      if (alive(one) && one.deadlineAtMs >= this.freeAtMs) this.#good += 1;
    }
  }

  outcome(): Outcome {
    const { arrivals, countedFrom } = this.#workload;
    return {
      goodFraction: this.#good / (arrivals.length - countedFrom),
      meanBatchRows: this.#rows / Math.max(1, this.#batches),
    };
  }
}

/** Sizes and waits as shares of the goal that the grid search tries. */
export const GRID_SIZES: readonly number[] = [1, 2, 4, 8, 16, 32, 64];
export const GRID_WAITS: readonly number[] = [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8];

export interface GridResult {
  readonly best: Outcome;
  readonly rule: FixedRule;
}

export function bestOfGrid(
  simulate: typeof simulateFixedRule,
  workload: Workload,
  goalMs: number,
  seed: number,
): GridResult {
  let found: GridResult | undefined;
  for (const size of GRID_SIZES) {
    for (const share of GRID_WAITS) {
      const rule = { size, waitMs: share * goalMs };
      const best = simulate(workload, rule, seed);
      if (found === undefined || best.goodFraction > found.best.goodFraction) found = { best, rule };
    }
  }
  return found!;
}
