import type { LoadedPlan } from "./loaded-node.ts";
import type { Effort } from "./offers-plan.ts";

/** Both windows, without updates and with them, are as long as the updates take. */
export interface RolloutPlan extends LoadedPlan {
  readonly rounds: number;
  readonly updates: number;
  /** From the beginning of one to that of the next, at least. */
  readonly updateEveryMs: number;
  readonly warmUpMs: number;
}

export function rolloutPlan(options: {
  readonly effort: Effort;
  readonly rounds: number | undefined;
}): RolloutPlan {
  const isQuick = options.effort === "quick";
  return {
    rounds: options.rounds ?? (isQuick ? 1 : 3),
    updates: isQuick ? 10 : 50,
    // No sooner than the one before is over: its traffic takes three seconds to move.
    updateEveryMs: 4_000,
    ratePerSecond: 150,
    maxConnections: 512,
    warmUpMs: 5_000,
    rampMs: 500,
    // Longer than the deadline of a request.
    drainMs: 1_700,
    maxDisturbedFraction: 0.05,
    attempts: 3,
  };
}
