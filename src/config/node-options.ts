import { availableParallelism } from "node:os";
import { checkKeys, finiteNumber, wholeNumber } from "./check-options.ts";

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

const NAMES = [
  "lanes",
  "codeExecutors",
  "spares",
  "laneNiceness",
  "heartbeatTimeoutMs",
  "loadingTimeoutMs",
  "executorMemoryLimitMb",
  "drainTimeoutMs",
];

/** @throws TuttiError `InvalidOptions` naming the option, what was expected and what was found. */
export function resolveNodeOptions(options: NodeOptions = {}): ResolvedNodeOptions {
  checkKeys("node", options, NAMES);
  return Object.freeze({
    lanes: wholeNumber("node: lanes", options.lanes, { default: availableParallelism(), min: 1, max: 256 }),
    codeExecutors: wholeNumber("node: codeExecutors", options.codeExecutors, { default: 2, min: 1, max: 64 }),
    spares: wholeNumber("node: spares", options.spares, { default: 1, min: 0, max: 16 }),
    laneNiceness: wholeNumber("node: laneNiceness", options.laneNiceness, { default: 5, min: 0, max: 19 }),
    heartbeatTimeoutMs: finiteNumber("node: heartbeatTimeoutMs", options.heartbeatTimeoutMs, {
      default: 1000,
      min: 250,
    }),
    loadingTimeoutMs: finiteNumber("node: loadingTimeoutMs", options.loadingTimeoutMs, {
      default: 120_000,
      min: 1000,
    }),
    executorMemoryLimitMb: finiteNumber("node: executorMemoryLimitMb", options.executorMemoryLimitMb, {
      default: 4096,
      min: 128,
    }),
    drainTimeoutMs: finiteNumber("node: drainTimeoutMs", options.drainTimeoutMs, { default: 20_000, min: 0 }),
  });
}
