import type { QuietPlan } from "./loaded-node.ts";
import type { Effort } from "./offers-plan.ts";

export interface WatchPlan extends QuietPlan {
  readonly rounds: number;
  /** Of each kind, in a round. */
  readonly changes: number;
  /** Of the light stream: one request every so often. */
  readonly everyMs: number;
  readonly warmUpMs: number;
  /** Without any change, for comparison. */
  readonly steadyMs: number;
  /** After a change was seen: at least so long, and up to as much again. */
  readonly pauseMs: number;
  readonly seenWithinMs: number;
}

export function watchPlan(options: {
  readonly effort: Effort;
  readonly rounds: number | undefined;
}): WatchPlan {
  const isQuick = options.effort === "quick";
  return {
    rounds: options.rounds ?? (isQuick ? 1 : 2),
    changes: isQuick ? 4 : 10,
    everyMs: 10,
    warmUpMs: 3_000,
    steadyMs: isQuick ? 3_000 : 10_000,
    pauseMs: 800,
    seenWithinMs: 10_000,
    maxDisturbedFraction: 0.05,
    attempts: 3,
  };
}
