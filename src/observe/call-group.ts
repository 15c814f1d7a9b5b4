/** How one call that a request made has ended, as its caller saw it. Times are 0 for what did not happen. */
export interface CallSpan {
  /** The deployment called. */
  readonly name: string;
  readonly status: CallStatus;
  /** From the call to its end. */
  readonly latencyMs: number;
  /** How much of that it waited at its replica. */
  readonly queueMs: number;
  /** How long the run took that it was part of. */
  readonly runMs: number;
  /** Items in that run. */
  readonly batchSize: number;
}

export type CallStatus = "ok" | "late" | "failed" | "shed" | "cancelled";

/** Calls that were made together: one by itself, or the members of an ensemble. */
export interface CallGroup {
  readonly method: string;
  /** On the process's clock. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly calls: readonly CallSpan[];
}
