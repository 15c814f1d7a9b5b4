import type { Effort } from "./offers-plan.ts";

export interface RolloutPlan {
  readonly rounds: number;
  readonly updates: number;
  /** From the beginning of one to that of the next, at least. */
  readonly updateEveryMs: number;
  readonly ratePerSecond: number;
  readonly maxConnections: number;
  readonly warmUpMs: number;
  readonly rampMs: number;
  /** Without updates. */
  readonly steadyWindowMs: number;
  readonly drainMs: number;
  /** A visit in which other programs used more of the machine than this is taken again, so often at most. */
  readonly maxDisturbedFraction: number;
  readonly attempts: number;
}

export function rolloutPlan(options: {
  readonly effort: Effort;
  readonly rounds: number | undefined;
}): RolloutPlan {
  const isQuick = options.effort === "quick";
  return {
    rounds: options.rounds ?? (isQuick ? 1 : 3),
    updates: isQuick ? 10 : 50,
    updateEveryMs: 1_500,
    ratePerSecond: 150,
    maxConnections: 512,
    warmUpMs: 5_000,
    rampMs: 500,
    steadyWindowMs: isQuick ? 8_000 : 20_000,
    // Longer than the deadline of a request.
    drainMs: 1_700,
    maxDisturbedFraction: 0.05,
    attempts: 3,
  };
}
