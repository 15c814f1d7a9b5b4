import { FrameType } from "../../src/wire/protocol.ts";
import type { Transport, TransportEvents } from "../../src/wire/transport.ts";

/** Passes everything on and keeps what was sent. */
export class TappedTransport implements Transport {
  readonly sent: Buffer[] = [];
  /** Added to what is really buffered: a reader as slow as a test wants. */
  pretendedBytes = 0;
  readonly #inner: Transport;
  #events: TransportEvents | undefined;

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  sentOf(type: keyof typeof FrameType): Buffer[] {
    return this.sent.filter((frame) => frame[4] === FrameType[type]);
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#inner.start(events);
  }

  /** As when what was pretended has been given on. */
  drain(): void {
    this.#events?.onDrain?.();
  }

  send(frame: Buffer): void {
    this.sent.push(frame);
    this.#inner.send(frame);
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes + this.pretendedBytes;
  }

  close(): void {
    this.#inner.close();
  }

  destroy(reason: Error): void {
    this.#inner.destroy(reason);
  }
}
