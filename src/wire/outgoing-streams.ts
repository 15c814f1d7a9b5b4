import { TuttiError } from "../errors/tutti-error.ts";
import { CreditAccount, type StreamCredit } from "../policy/stream-credit.ts";
import { encodeChunks } from "./encode-frame.ts";
import { PAYLOAD_ENTRY_BYTES, PayloadKind, type WireLimits } from "./protocol.ts";
import { type EncodedValue, encodeValue } from "./value-codec.ts";

/** What makes a stream's chunks, as the connection sees it. */
export interface ChunkSource {
  /** There is room again for a chunk at least. */
  onWritable(): void;
  /** Nobody will read on: the connection has ended. */
  onBroken(error: TuttiError): void;
}

/** One stream on its way out. A chunk may be written only while it `isWritable`; `end` comes before the call's reply. */
export interface ChunkWriter {
  readonly isWritable: boolean;
  /** @throws TuttiError `NotSerialisable` or `PayloadTooLarge`; nothing is written then. */
  write(value: unknown): void;
  end(): void;
}

/** What sends the frames. */
export interface ChunkCarrier {
  /** Whether the transport takes more. */
  readonly hasRoom: boolean;
  /** Sends what is here, to make room in its frame. */
  sendNow(): void;
  /** Something is here, to be sent at the end of the tick. */
  sendSoon(): void;
}

const ENTRY_BYTES = PAYLOAD_ENTRY_BYTES + 16;

/**
 * The streams that this end of a connection is sending, and their chunks of this tick, which share a frame (D6).
 * What waits here is bounded by the credit of each (S1), and by what the transport still has: when that is too much,
 * no stream is writable.
 */
export class OutgoingStreams {
  readonly #limits: WireLimits;
  readonly #carrier: ChunkCarrier;
  readonly #byId = new Map<number, OutgoingStream>();
  readonly #waitingForRoom = new Set<OutgoingStream>();
  #ids: number[] = [];
  #payloads: EncodedValue[] = [];
  #bytes = 0;

  constructor(limits: WireLimits, carrier: ChunkCarrier) {
    this.#limits = limits;
    this.#carrier = carrier;
  }

  get isEmpty(): boolean {
    return this.#ids.length === 0;
  }

  /** @throws TuttiError `ProtocolError` when the caller's id has a stream already: it gave it out twice. */
  open(id: number, source: ChunkSource): ChunkWriter {
    if (this.#byId.has(id)) throw new TuttiError("ProtocolError", `call ${id} was made twice at a time`);
    const stream = new OutgoingStream(id, source, this);
    this.#byId.set(id, stream);
    return stream;
  }

  /** Asked by a stream that has credit: remembers it when there is no room, to tell it when there is. */
  hasRoomFor(stream: OutgoingStream): boolean {
    if (this.#carrier.hasRoom) return true;
    this.#waitingForRoom.add(stream);
    return false;
  }

  write(id: number, value: unknown): number {
    const { maxFrameBytes, maxFrameEntries, maxDepth } = this.#limits;
    const limit = maxFrameBytes / 2;
    const encoded = ownCopy(encodeValue(value, maxDepth));
    if (encoded.bytes > limit) {
      const message = `an item of a stream, of ${encoded.bytes} bytes, is above ${limit}`;
      throw new TuttiError("PayloadTooLarge", message, { status: 500 });
    }
    const isFull = this.#bytes + encoded.bytes > limit || this.#ids.length >= maxFrameEntries;
    if (!this.isEmpty && isFull) this.#carrier.sendNow();
    this.#ids.push(id);
    this.#payloads.push(encoded);
    this.#bytes += encoded.bytes + ENTRY_BYTES;
    this.#carrier.sendSoon();
    return encoded.bytes;
  }

  end(stream: OutgoingStream): void {
    this.#byId.delete(stream.id);
    this.#waitingForRoom.delete(stream);
  }

  /** @throws TuttiError `ProtocolError` when that is more than was ever used. */
  grant(id: number, credit: StreamCredit): void {
    // Unknown ids are of streams that have ended while the grant was on its way.
    this.#byId.get(id)?.grant(credit);
  }

  /** The transport has given on what it had. */
  roomAgain(): void {
    if (this.#waitingForRoom.size === 0) return;
    const waiting = [...this.#waitingForRoom];
    this.#waitingForRoom.clear();
    for (const { source } of waiting) source.onWritable();
  }

  /** One frame with all the chunks that are here, of which there are none then. */
  take(): Buffer {
    const frame = encodeChunks(this.#ids, this.#payloads);
    this.#ids = [];
    this.#payloads = [];
    this.#bytes = 0;
    return frame;
  }

  close(error: TuttiError): void {
    const streams = [...this.#byId.values()];
    this.#byId.clear();
    this.#waitingForRoom.clear();
    for (const { source } of streams) source.onBroken(error);
  }
}

class OutgoingStream implements ChunkWriter {
  readonly id: number;
  readonly source: ChunkSource;
  readonly #streams: OutgoingStreams;
  readonly #credit = new CreditAccount();

  constructor(id: number, source: ChunkSource, streams: OutgoingStreams) {
    this.id = id;
    this.source = source;
    this.#streams = streams;
  }

  get isWritable(): boolean {
    return this.#credit.isOpen && this.#streams.hasRoomFor(this);
  }

  write(value: unknown): void {
    if (!this.#credit.isOpen) throw new TuttiError("Internal", "a chunk was written without credit");
    this.#credit.use(this.#streams.write(this.id, value));
  }

  grant(credit: StreamCredit): void {
    if (!this.#credit.grant(credit)) {
      throw new TuttiError("ProtocolError", "a stream was granted more than it had used of its credit");
    }
    this.source.onWritable();
  }

  end(): void {
    this.#streams.end(this);
  }
}

/** A generator may use its buffer again as soon as it goes on, which is before the frame is put together. */
function ownCopy(encoded: EncodedValue): EncodedValue {
  const { kind, bytes } = encoded;
  if (kind !== PayloadKind.tensor && kind !== PayloadKind.bytes) return encoded;
  const copy = Buffer.allocUnsafe(bytes);
  encoded.write(copy, 0);
  return { kind, bytes, write: (out, at) => void copy.copy(out, at) };
}
