import type { ErrorCode } from "../errors/codes.ts";

/**
 * A second attempt that was made while the first was out: because the first took longer than most (`hedge`), or because
 * its executor said nothing any more (`rescue`).
 */
export interface SecondAttemptNote {
  readonly why: "hedge" | "rescue";
  /** How long the first had been out. */
  readonly afterMs: number;
  /** Ids of the executors. */
  readonly first: string;
  readonly second: string;
  /** Whose end was the call's. */
  readonly decided: "first" | "second";
}

/** Where a call's last attempt went. A replica's own record of itself where the first attempt was the last. */
export interface CallPlace {
  /** Id of the executor. */
  readonly executor: string;
  /** Number of the replica there. */
  readonly target: number;
  readonly attempts: number;
  /** When the last attempt was sent, on the process's clock; 0 when that was at once. */
  readonly sentAtMs: number;
  /** Absent where no second attempt was made beside the first. */
  readonly secondAttempt?: SecondAttemptNote | undefined;
}

/** How one call that a request made has ended, as its caller saw it. Times are 0 for what did not happen. */
export interface CallSpan {
  /** The deployment called. */
  readonly name: string;
  readonly status: CallStatus;
  /** Why there is no answer; undefined when there is one. */
  readonly code: ErrorCode | undefined;
  /** From the call to its end. */
  readonly latencyMs: number;
  /** How much of that passed before its last attempt was sent: it waited for a replica, or an attempt failed. */
  readonly routedMs: number;
  /** How much of that it waited at its replica. */
  readonly queueMs: number;
  /** How much of that its lane was at work: another replica elsewhere might have spared it. Absent: all of it. */
  readonly laneMs?: number;
  /** How long the run took that it was part of. */
  readonly runMs: number;
  /** How much of that run it waited in its turn, for calls that it made. */
  readonly waitedMs?: number;
  /** Items in that run. */
  readonly batchSize: number;
  /** The executor that its last attempt was sent to; empty when none was. */
  readonly executor: string;
  readonly attempts: number;
  readonly secondAttempt?: SecondAttemptNote | undefined;
  /** It answered, but an ensemble below it had members missing. Absent: none had. */
  readonly degraded?: boolean;
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
