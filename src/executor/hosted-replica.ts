import type { CallOutcome, CallStats, CostReport, IncomingCall } from "../wire/messages.ts";
import type { ChunkSource, ChunkWriter } from "../wire/outgoing-streams.ts";
import type { TensorMap } from "../wire/tensor.ts";
import type { BatchingStatus } from "./batch-decisions.ts";

/** Where a call came from and its reply goes: a peer, or this same process. */
export interface ReplySink {
  /** Says that a call under suspicion is being begun, before it is (D10). Not there where caller and replica die together. */
  begun?(id: number, company: number): void;
  /** Sends replies that may be waiting for others: those of suspects must be out before anything else is begun (D10). */
  flush?(): void;
  /** @param part which target of a call that fanned out; 0 otherwise. */
  reply(id: number, outcome: CallOutcome, stats: CallStats, part: number): void;
  /** Some rows of a result that other replies share. */
  replyRows(
    id: number,
    tensors: TensorMap,
    firstRow: number,
    rows: number,
    stats: CallStats,
    part: number,
  ): void;
}

/** The same for those that answer by streams too. */
export interface StreamSink extends ReplySink {
  /** Begins to answer a call that takes a stream; the reply comes after the last chunk. */
  openStream(id: number, source: ChunkSource): ChunkWriter;
}

/** One replica as the executor that hosts it sees it. `accept` must end in exactly one reply (D1). */
export interface HostedReplica {
  readonly target: number;
  readonly deployment: string;
  /** How long it may finish what it has, when it is to stop. */
  readonly gracefulShutdownMs: number;
  /** Calls accepted and not yet replied to. */
  readonly ongoing: number;
  /** @param nowMs when it came. Default now. */
  accept(call: IncomingCall, from: StreamSink, part: number, nowMs?: number): void;
  /** The caller gave the call up: it must not start if it has not. */
  cancel(id: number, from: ReplySink): void;
  /**
   * The caller asks for one part back: if it has not started it never does, and is replied to as `Cancelled`, not
   * started. If it has, it is replied to as ever; with `abort`, nobody wants its result.
   */
  withdraw(id: number, part: number, from: ReplySink, abort: boolean): void;
  /** Throws when unhealthy. */
  checkHealth(): Promise<void>;
  /** Frees what it holds; what is still ongoing ends as `Draining`. */
  close(): Promise<void>;
  /** Predicted µs of the work that waits. */
  readonly backlogUs: number;
  readonly queuedItems: number;
  /** So long its thread may well be busy with one piece of its work, in µs; 0 for what only waits. */
  readonly longestRunUs: number;
  cost(): CostReport | undefined;
  /** What its batchers have decided so far. */
  batching(): readonly BatchingStatus[];
}
