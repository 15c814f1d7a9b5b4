import type { ErrorCode } from "../errors/codes.ts";
import type { CallSpan, CallStatus, SecondAttemptNote } from "../observe/call-group.ts";

export type MemberStatus = CallStatus;

/** How one member fared in one call. Times are 0 for what did not happen. */
export interface MemberReport extends CallSpan {
  readonly name: string;
  readonly status: MemberStatus;
  /** Why it did not answer; undefined when it did, or when it was given up for an answer without it. */
  readonly code: ErrorCode | undefined;
  /** What was selected of its answer for the combiner; undefined unless `ok`, also where a default stood in. */
  readonly output: unknown;
  /** From the ensemble's call to the member's end. */
  readonly latencyMs: number;
  /** How much of that passed before its last attempt was sent. */
  readonly routedMs: number;
  /** How much of that it waited at its replica. */
  readonly queueMs: number;
  /** How much of that its lane was at work, on this or on other models. */
  readonly laneMs: number;
  /** How long the run took that it was part of. */
  readonly runMs: number;
  /** Items in the run that it was part of. */
  readonly batchSize: number;
  /** The executor that it was last sent to; empty when it was not. */
  readonly executor: string;
  readonly attempts: number;
  /** It was asked a second time while the first attempt was out (hedged, or rescued from a silent executor). */
  readonly secondAttempt: SecondAttemptNote | undefined;
  /** It answered, but an ensemble that it asked itself had members missing. */
  readonly degraded: boolean;
  /**
   * Of the application that the member belongs to: a request is served by one version from edge to last member (D9).
   * Empty for handles that belong to none yet.
   */
  readonly version: string;
}

export interface EnsembleResult<R> {
  readonly value: R;
  /**
   * False when the answer is the whole ensemble's: every member answered, or those that did not were cancelled because
   * they could no longer change the decision. True when one was late, failed, refused or left out, also where a default
   * stood in for it, and when one answered from a degraded ensemble of its own.
   */
  readonly degraded: boolean;
  /** In the order in which the members were given. */
  readonly members: readonly MemberReport[];
  /** Share of all weight that answered, times the share of that which supports the value (for `vote`). 0 to 1. */
  readonly confidence: number;
}
