import type { Clock } from "../clock/clock.ts";
import type { CallPlace } from "../observe/call-group.ts";
import type { StreamCredit } from "../policy/stream-credit.ts";
import type { CallOutcome, CallStats, RowsOfResult } from "../wire/messages.ts";

/** Which request a call belongs to; handed down from the edge to the last member. */
export interface RequestScope {
  readonly requestId: string;
  /** Absolute, on the port's clock; `Infinity` for none. */
  readonly deadlineAtMs: number;
  /** 0 is served first. */
  readonly priority: number;
  /** The edge is overloaded: members that an ensemble lists as optional are left out. */
  readonly lean: boolean;
}

/** A call on its way out of user code. */
export interface OutgoingCall extends RequestScope {
  readonly deployment: string;
  readonly method: string;
  readonly args: readonly unknown[];
  /** A second attempt on another replica may be made while the first is out. */
  readonly hedge: boolean;
  /**
   * Called exactly once (D1), at the latest when the deadline passes (D2).
   *
   * @param place where it was sent; undefined when it was not.
   */
  onEnd(outcome: CallOutcome, stats: CallStats, place?: CallPlace): void;
}

/** A call that may be answered by a stream; `onEnd` then comes after the last chunk, with what the stream returned. */
export interface OutgoingStreamCall extends OutgoingCall {
  /** @param bytes what the chunk used of the stream's credit, to be granted again once it is taken. */
  onChunk(value: unknown, bytes: number): void;
}

/** One call to each of many deployments, with the same arguments. */
export interface OutgoingFanout extends RequestScope {
  readonly deployments: readonly string[];
  readonly method: string;
  readonly args: readonly unknown[];
  /** A second attempt at a member, on another replica, may be made while the first is out. */
  readonly hedge: boolean;
  /** Called exactly once for each member (D1), or `onRows` in its place; never from inside `dispatchMany`. */
  onEnd(member: number, outcome: CallOutcome, stats: CallStats, place?: CallPlace): void;
  /**
   * The member's value is some rows of a result that others share: nothing is cut out until it is wanted.
   *
   * @param nowMs when it came. Default now.
   */
  onRows(member: number, rows: RowsOfResult, stats: CallStats, place?: CallPlace, nowMs?: number): void;
}

export interface PendingCall {
  /** Ends the call as `Cancelled`; without effect once it has ended. */
  cancel(): void;
}

export interface PendingStream extends PendingCall {
  /** Lets more of the stream come: what was taken of it. Without effect once it has ended. */
  grant(credit: StreamCredit): void;
}

/** The border between what users write and what carries their calls. */
export interface CallPort {
  /** The time by which its calls are measured and end. */
  readonly clock: Clock;
  dispatch(call: OutgoingCall): PendingCall;
  dispatchStream(call: OutgoingStreamCall): PendingStream;
  dispatchMany(call: OutgoingFanout): PendingCall;
}
