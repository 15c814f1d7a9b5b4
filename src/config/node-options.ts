import { availableParallelism } from "node:os";
import { checkKeys, finiteNumber, type NumberBounds, wholeNumber } from "./check-options.ts";

/** How one node runs its executors. */
export interface NodeOptions {
  /** Model executors, each one compute lane. Default: one for each core. */
  readonly lanes?: number;
  /** Executors shared by classes that only wait. Default 2, so that losing one loses no deployment with 2 replicas. */
  readonly codeExecutors?: number;
  /** Processes kept started and empty, to take over after a crash. Default 1. */
  readonly spares?: number;
  /**
   * Added to the niceness of executors that compute, 0 to 19: processes that only wait for a moment of the processor get
   * it at once, and a reply is not held up by the next batch. Default 5; 0 leaves all alike.
   */
  readonly laneNiceness?: number;
  /**
   * An executor that is silent for longer (and is not loading) is replaced; after a quarter of it, callers that have a
   * choice ask elsewhere. Default 1,000.
   */
  readonly heartbeatTimeoutMs?: number;
  /** The same while it loads models or imports the application. Default 120,000. */
  readonly loadingTimeoutMs?: number;
  /** Resident memory above which an executor is replaced, in MB. Default 4,096. */
  readonly executorMemoryLimitMb?: number;
  /** How long a shutdown may take to finish what was accepted. Default 20,000. */
  readonly drainTimeoutMs?: number;
}

export type ResolvedNodeOptions = Readonly<Required<NodeOptions>>;

/** Defaults, and what numbers may be, here and in a config file. */
export const NODE_BOUNDS = {
  lanes: { default: availableParallelism(), min: 1, max: 256, isWhole: true },
  codeExecutors: { default: 2, min: 1, max: 64, isWhole: true },
  spares: { default: 1, min: 0, max: 16, isWhole: true },
  laneNiceness: { default: 5, min: 0, max: 19, isWhole: true },
  heartbeatTimeoutMs: { default: 1000, min: 250, isWhole: false },
  loadingTimeoutMs: { default: 120_000, min: 1000, isWhole: false },
  executorMemoryLimitMb: { default: 4096, min: 128, isWhole: false },
  drainTimeoutMs: { default: 20_000, min: 0, isWhole: false },
} as const satisfies Record<keyof NodeOptions, NumberBounds & { readonly isWhole: boolean }>;

/** @throws TuttiError `InvalidOptions` naming the option, what was expected and what was found. */
export function resolveNodeOptions(options: NodeOptions = {}): ResolvedNodeOptions {
  checkKeys("node", options, Object.keys(NODE_BOUNDS));
  const number = (name: keyof NodeOptions): number => {
    const bounds = NODE_BOUNDS[name];
    return (bounds.isWhole ? wholeNumber : finiteNumber)(`node: ${name}`, options[name], bounds);
  };
  return Object.freeze({
    lanes: number("lanes"),
    codeExecutors: number("codeExecutors"),
    spares: number("spares"),
    laneNiceness: number("laneNiceness"),
    heartbeatTimeoutMs: number("heartbeatTimeoutMs"),
    loadingTimeoutMs: number("loadingTimeoutMs"),
    executorMemoryLimitMb: number("executorMemoryLimitMb"),
    drainTimeoutMs: number("drainTimeoutMs"),
  });
}
