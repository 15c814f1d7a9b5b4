import type { TuttiError } from "../errors/tutti-error.ts";
import type { StreamCredit } from "../policy/stream-credit.ts";
import type { Suspicion } from "../policy/suspicion.ts";
import type { TensorMap } from "./tensor.ts";

/** What a connection says first, in both directions. */
export interface Hello {
  /** Who is speaking, for messages: an executor id or `node`. */
  readonly name: string;
  /** The dialler's proof that it was started by the same node, compared in constant time; a listener sends none. */
  readonly token: string;
}

/** A call as it arrived. `deadlineAtMs` is on this process's own clock. */
export interface IncomingCall {
  readonly id: number;
  readonly target: number;
  /** A call that fans out: one for each of these, its part being the index. Else undefined, and `target` counts. */
  readonly targets: readonly number[] | undefined;
  readonly method: string;
  readonly requestId: string;
  readonly deadlineAtMs: number;
  readonly priority: number;
  readonly idempotent: boolean;
  /** Optional members of ensembles are to be left out. */
  readonly lean: boolean;
  /** The answer may be a stream: chunks, and then the reply. */
  readonly takesStream: boolean;
  readonly args: readonly unknown[];
  /** Not absent or `none`: to be announced before it is begun, by `begun`. */
  readonly suspicion?: Suspicion;
}

/** How the work of one call went, for routing and explanation. */
export interface CallStats {
  readonly queueUs: number;
  readonly runUs: number;
  readonly batchItems: number;
  /** Of `runUs`, what it waited for calls that it made itself; absent where none were made. */
  readonly waitedUs?: number;
  /** Of `queueUs`, how long whatever runs its replica was at work, on this or on other things. Absent: all of it. */
  readonly laneUs?: number;
  /** An ensemble below it answered with members missing: whoever answers with its value says so (absent: none did). */
  readonly degraded?: boolean;
}

export const NO_STATS: CallStats = Object.freeze({ queueUs: 0, runUs: 0, batchItems: 1 });

/**
 * Of a call that ended on its caller's side without an answer that was used. `expired`, `cancelled`, `refused`: before
 * it was sent. `wasted`: it was answered when nobody waited any more.
 */
export type CallLoss = "expired" | "cancelled" | "refused" | "wasted";

export type CallOutcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: TuttiError };

/** The learned cost of one replica: a batch of n items takes about `fixedUs + n * itemUs`. */
export interface CostReport {
  readonly target: number;
  readonly fixedUs: number;
  readonly itemUs: number;
}

/** Rides on every frame of replies, so that callers know the lane's load without asking. */
export interface LoadReport {
  /** Predicted time to finish everything queued and running, in µs. */
  readonly backlogUs: number;
  readonly queuedItems: number;
  /** Share of the last moments in which it computed, 0 to 1. */
  readonly busyFraction: number;
  readonly costs: readonly CostReport[];
}

/**
 * Asks for one part of a call back. If it has not started it never will, and ends as `Cancelled` with `started: "no"`;
 * if it has, it goes on and is answered as ever.
 */
export interface Withdrawal {
  readonly id: number;
  readonly target: number;
  /** 0 for a call that does not fan out. */
  readonly part: number;
  /** If it has started, nobody wants its result any more. */
  readonly abort: boolean;
}

export interface IncomingReply {
  readonly id: number;
  /** Which target of a call that fanned out; 0 otherwise. */
  readonly part: number;
  readonly stats: CallStats;
  readonly ok: boolean;
  /** The value, or the error's wire form when not `ok`. Of `rows` it is made when it is asked for. */
  readonly value: unknown;
  /** The value is these rows of tensors that other replies share. */
  readonly rows: RowsOfResult | undefined;
}

/** Some rows along axis 0 of a batch's result. */
export interface RowsOfResult {
  readonly tensors: TensorMap;
  readonly firstRow: number;
  readonly rows: number;
}

/** One item of a stream as it arrived. */
export interface IncomingChunk {
  /** Of the call that is answered by the stream. */
  readonly id: number;
  readonly value: unknown;
  /** On the wire; what it uses of the stream's credit. */
  readonly bytes: number;
}

/** More may be sent of a stream. */
export interface CreditGrant extends StreamCredit {
  readonly id: number;
}

/** A frame, decoded. The union is closed: an unknown type is a protocol error, not a message. */
export type Message =
  | { readonly type: "hello"; readonly version: number; readonly hello: Hello }
  | { readonly type: "calls"; readonly calls: readonly IncomingCall[] }
  | { readonly type: "replies"; readonly replies: readonly IncomingReply[]; readonly load: LoadReport }
  | { readonly type: "cancel"; readonly ids: readonly number[] }
  /** A call under suspicion is being begun, with so many others beside it. */
  | { readonly type: "begun"; readonly id: number; readonly company: number }
  | { readonly type: "withdraw"; readonly withdrawals: readonly Withdrawal[] }
  | { readonly type: "chunks"; readonly chunks: readonly IncomingChunk[] }
  | { readonly type: "credit"; readonly grants: readonly CreditGrant[] };
