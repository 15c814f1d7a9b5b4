import type { Clock } from "../clock/clock.ts";
import { TuttiError, toWireError } from "../errors/tutti-error.ts";
import { encodeReplies } from "./encode-frame.ts";
import type { CallOutcome, CallStats, LoadReport } from "./messages.ts";
import { PAYLOAD_ENTRY_BYTES, REPLY_BYTES, ReplyStatus, type WireLimits } from "./protocol.ts";
import { type ReplyKind, ReplyTable } from "./reply-table.ts";
import type { TensorMap } from "./tensor.ts";
import { type EncodedValue, encodeValue } from "./value-codec.ts";

/**
 * How long a reply may wait for company. A fan-out needs its last part anyway; a frame for each part would cost more
 * than many parts.
 */
const MAX_HOLD_MS = 3;
/** At most what a reply adds to its frame, apart from its payload's own bytes. */
const ENTRY_BYTES = REPLY_BYTES + PAYLOAD_ENTRY_BYTES + 8;
/** Of an error that is too large to travel as it is. */
const MAX_MESSAGE_CHARS = 1024;

/**
 * The replies of one connection that have not left yet, with their payloads: what one frame will hold. A result that
 * cannot travel becomes an error here, so that it fails its own call alone.
 */
export class OutgoingReplies {
  readonly #limits: WireLimits;
  readonly #clock: Clock;
  readonly #sendNow: () => void;
  readonly #entries = new ReplyTable();
  readonly #payloads: EncodedValue[] = [];
  #payloadOfRows = new Map<TensorMap, number>();
  #bytes = 0;
  #firstAtMs = 0;

  /** @param sendNow sends what is here, to make room for a payload that would not fit beside it. */
  constructor(limits: WireLimits, clock: Clock, sendNow: () => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#sendNow = sendNow;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  get isFull(): boolean {
    return (
      this.#bytes > this.#limits.maxFrameBytes / 2 || this.#entries.length >= this.#limits.maxFrameEntries
    );
  }

  /** Whether the oldest of them may wait for others still. */
  get mayWait(): boolean {
    return this.#clock.now() - this.#firstAtMs < MAX_HOLD_MS;
  }

  add(id: number, outcome: CallOutcome, stats: CallStats, part: number): void {
    const { status, encoded } = this.#encodeOutcome(outcome);
    const payload = this.#addPayload(encoded);
    this.#noteOne();
    this.#entries.add(id, part, status, stats, payload, 0, 0);
  }

  addRows(
    id: number,
    tensors: TensorMap,
    firstRow: number,
    rows: number,
    stats: CallStats,
    part: number,
  ): void {
    let payload = this.#payloadOfRows.get(tensors);
    if (payload === undefined) {
      // A result that cannot travel is an error of this call alone: the next is told for itself.
      const { status, encoded } = this.#encodeOutcome({ ok: true, value: tensors });
      payload = this.#addPayload(encoded);
      if (status === ReplyStatus.error) {
        this.#noteOne();
        return this.#entries.add(id, part, status, stats, payload, 0, 0);
      }
      this.#payloadOfRows.set(tensors, payload);
    }
    this.#noteOne();
    this.#entries.add(id, part, ReplyStatus.rows, stats, payload, firstRow, rows);
  }

  /** One frame with all that is here, which is then empty. */
  take(load: LoadReport): Buffer {
    const frame = this.#encode(load);
    this.#entries.clear();
    this.#payloads.length = 0;
    this.#payloadOfRows = new Map();
    this.#bytes = 0;
    return frame;
  }

  #addPayload(encoded: EncodedValue): number {
    if (!this.isEmpty && this.#bytes + encoded.bytes > this.#limits.maxFrameBytes / 2) this.#sendNow();
    this.#bytes += encoded.bytes;
    return this.#payloads.push(encoded) - 1;
  }

  #noteOne(): void {
    if (this.isEmpty) this.#firstAtMs = this.#clock.now();
    this.#bytes += ENTRY_BYTES;
  }

  #encodeOutcome(outcome: CallOutcome): { status: ReplyKind; encoded: EncodedValue } {
    const { maxDepth, maxFrameBytes } = this.#limits;
    const limit = maxFrameBytes / 2;
    if (!outcome.ok) return { status: ReplyStatus.error, encoded: encodeError(outcome.error, limit) };
    try {
      const encoded = encodeValue(outcome.value, maxDepth);
      if (encoded.bytes <= limit) return { status: ReplyStatus.value, encoded };
      throw new TuttiError("PayloadTooLarge", `a result of ${encoded.bytes} bytes is above ${limit}`, {
        status: 500,
      });
    } catch (thrown) {
      const error = TuttiError.from(thrown, "NotSerialisable");
      return { status: ReplyStatus.error, encoded: encodeError(error, limit) };
    }
  }

  #encode(load: LoadReport): Buffer {
    try {
      return encodeReplies(this.#entries, this.#payloads, load);
    } catch (thrown) {
      // Payloads are written now, not when given: one whose memory was given away since (transferred) fails here.
      const error = TuttiError.from(thrown, "NotSerialisable");
      this.#entries.failAll();
      return encodeReplies(this.#entries, [encodeError(error, this.#limits.maxFrameBytes / 2)], load);
    }
  }
}

export function encodeError(error: TuttiError, maxBytes: number): EncodedValue {
  const wire = toWireError(error);
  try {
    const encoded = encodeValue(wire);
    if (encoded.bytes <= maxBytes) return encoded;
  } catch {}
  // `details` and the length of the message are the application's: when they cannot travel, the rest still must.
  return encodeValue({ ...wire, message: wire.message.slice(0, MAX_MESSAGE_CHARS), details: undefined });
}
