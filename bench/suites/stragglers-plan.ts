import type { Fault } from "../stragglers/fault.ts";
import type { LoadedPlan } from "./loaded-node.ts";
import type { Effort } from "./offers-plan.ts";

export interface StragglersPlan extends LoadedPlan {
  readonly rounds: number;
  readonly faults: readonly Fault[];
  readonly warmUpMs: number;
  /** Without the fault. */
  readonly healthyWindowMs: number;
  /** From the fault on. */
  readonly faultyWindowMs: number;
  /** Latencies are given from the fault on, and from this much later on. */
  readonly settleMs: number;
}

export function stragglersPlan(options: {
  readonly effort: Effort;
  readonly rounds: number | undefined;
}): StragglersPlan {
  const isQuick = options.effort === "quick";
  return {
    rounds: options.rounds ?? (isQuick ? 2 : 5),
    faults: [
      { kind: "slow-lane", times: 10 },
      { kind: "late-replica", byMs: 60 },
    ],
    ratePerSecond: 150,
    maxConnections: 512,
    warmUpMs: isQuick ? 2_500 : 3_000,
    rampMs: 500,
    healthyWindowMs: isQuick ? 3_000 : 5_000,
    faultyWindowMs: isQuick ? 8_000 : 12_000,
    settleMs: 2_000,
    // Longer than the deadline of a request.
    drainMs: 1_700,
    maxDisturbedFraction: 0.05,
    attempts: 4,
  };
}
