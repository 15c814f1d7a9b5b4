import { TuttiError } from "../errors/tutti-error.ts";
import type { CallOutcome, CallStats, IncomingCall } from "../wire/messages.ts";
import type { ChunkSource, ChunkWriter } from "../wire/outgoing-streams.ts";
import { sliceRows } from "../wire/slice-rows.ts";
import type { TensorMap } from "../wire/tensor.ts";
import type { StreamSink } from "./hosted-replica.ts";

export interface RecordedReply {
  readonly id: number;
  readonly part: number;
  readonly outcome: CallOutcome;
  readonly stats: CallStats;
}

/** A caller that keeps what it is told, and complains of a second reply to one call (D1). */
export class RecordingSink implements StreamSink {
  readonly replies: RecordedReply[] = [];
  /** Calls that were announced before they began, with how many ran beside them. */
  readonly begunCalls: { readonly id: number; readonly company: number }[] = [];
  /** Replies that had left when each of these was announced. */
  readonly sentBefore: number[] = [];
  #sent = 0;
  /** How many came as rows of a shared result. */
  rowReplies = 0;
  readonly streams = new Map<number, RecordedStream>();
  readonly #waiting = new Map<string, PromiseWithResolvers<RecordedReply>>();

  begun(id: number, company: number): void {
    this.begunCalls.push({ id, company });
    this.sentBefore.push(this.#sent);
  }

  flush(): void {
    this.#sent = this.replies.length;
  }

  reply(id: number, outcome: CallOutcome, stats: CallStats, part: number): void {
    if (this.replies.some((one) => one.id === id && one.part === part)) {
      throw new Error(`a second reply to call ${id}, part ${part}`);
    }
    const recorded = { id, part, outcome, stats };
    this.replies.push(recorded);
    this.#waitFor(id, part).resolve(recorded);
  }

  replyRows(
    id: number,
    tensors: TensorMap,
    firstRow: number,
    rows: number,
    stats: CallStats,
    part: number,
  ): void {
    this.rowReplies += 1;
    this.reply(id, { ok: true, value: sliceRows(tensors, firstRow, rows) }, stats, part);
  }

  /** A stream goes to `streams`, where the test reads it. */
  openStream(id: number, source: ChunkSource): ChunkWriter {
    if (this.streams.has(id)) throw new Error(`a second stream of call ${id}`);
    const stream = new RecordedStream(source);
    this.streams.set(id, stream);
    return stream;
  }

  /** Resolves when the call has its reply. */
  replyTo(id: number, part = 0): Promise<RecordedReply> {
    return this.#waitFor(id, part).promise;
  }

  /** The value of a call that succeeds; throws the error of one that does not. */
  async valueOf(id: number, part = 0): Promise<unknown> {
    const { outcome } = await this.replyTo(id, part);
    if (!outcome.ok) throw outcome.error;
    return outcome.value;
  }

  /** The error of a call that fails. */
  async errorOf(id: number, part = 0): Promise<TuttiError> {
    const { outcome } = await this.replyTo(id, part);
    if (outcome.ok) throw new Error(`call ${id} did not fail`);
    return outcome.error;
  }

  #waitFor(id: number, part: number): PromiseWithResolvers<RecordedReply> {
    const key = `${id}/${part}`;
    let waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      waiting = Promise.withResolvers<RecordedReply>();
      this.#waiting.set(key, waiting);
    }
    return waiting;
  }
}

/** A stream as its reader has it, which gives credit for as many chunks as the test says: at first for 2. */
export class RecordedStream implements ChunkWriter {
  readonly chunks: unknown[] = [];
  readonly source: ChunkSource;
  hasEnded = false;
  #credit = 2;

  constructor(source: ChunkSource) {
    this.source = source;
  }

  get isWritable(): boolean {
    return this.#credit > 0;
  }

  write(value: unknown): void {
    if (this.hasEnded) throw new Error("a chunk after the end");
    if (this.#credit === 0) throw new Error("a chunk without credit");
    if (typeof value === "function")
      throw new TuttiError("NotSerialisable", "a value cannot cross a process border");
    this.#credit -= 1;
    this.chunks.push(value);
  }

  end(): void {
    this.hasEnded = true;
  }

  grant(chunks: number): void {
    this.#credit += chunks;
    this.source.onWritable();
  }
}

/** A call as it arrives, with what a test does not care about filled in. */
export function incoming(id: number, fields: Partial<IncomingCall> = {}): IncomingCall {
  return {
    id,
    target: 1,
    targets: undefined,
    method: "predict",
    requestId: `r-${id}`,
    deadlineAtMs: Number.POSITIVE_INFINITY,
    priority: 1,
    lean: false,
    takesStream: false,
    idempotent: true,
    args: [],
    ...fields,
  };
}
