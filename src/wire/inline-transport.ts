import { type Clock, systemClock } from "../clock/clock.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/**
 * Two peers in one process: frames pass through memory, at the end of the tick in which they were sent, so that
 * callers see the same order of events as over a socket.
 */
class InlineTransport implements Transport {
  other: InlineTransport | undefined;
  readonly #clock: Clock;
  #events: TransportEvents | undefined;
  #inbox: Buffer[] = [];
  #inboxBytes = 0;
  #scheduled = false;
  #destroyed = false;
  #closed: { readonly reason: Error | undefined } | undefined;
  #closeDelivered = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#schedule();
  }

  send(frame: Buffer): void {
    if (this.#closed === undefined) this.other?.receive(frame);
  }

  get bufferedBytes(): number {
    return this.other?.inboxBytes ?? 0;
  }

  get inboxBytes(): number {
    return this.#inboxBytes;
  }

  close(): void {
    this.end(undefined);
    this.other?.end(undefined);
  }

  destroy(reason: Error): void {
    this.#destroyed = true;
    this.#inbox = [];
    this.end(reason);
    this.other?.end(undefined);
  }

  receive(frame: Buffer): void {
    if (this.#closed !== undefined) return;
    // A frame may be a view that starts anywhere; a copy from the pool starts on a multiple of 8.
    this.#inbox.push(frame.byteOffset % 8 === 0 ? frame : Buffer.from(frame));
    this.#inboxBytes += frame.length;
    this.#schedule();
  }

  drained(): void {
    if (!this.#closeDelivered) this.#events?.onDrain?.();
  }

  end(reason: Error | undefined): void {
    this.#closed ??= { reason };
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#events === undefined) return;
    this.#scheduled = true;
    this.#clock.onNextTurn(() => this.#deliver());
  }

  #deliver(): void {
    this.#scheduled = false;
    const frames = this.#inbox;
    this.#inbox = [];
    this.#inboxBytes = 0;
    for (const frame of frames) {
      if (this.#destroyed) break;
      this.#events?.onFrame(frame);
    }
    if (frames.length > 0) this.other?.drained();
    if (this.#closed !== undefined && !this.#closeDelivered) {
      this.#closeDelivered = true;
      this.#events?.onClose(this.#closed.reason);
    }
  }
}

/** @param clockOfA whose next turn delivers what `b` has sent, and the other way round. */
export function inlineTransports(clockOfA: Clock = systemClock, clockOfB = clockOfA): [Transport, Transport] {
  const a = new InlineTransport(clockOfA);
  const b = new InlineTransport(clockOfB);
  a.other = b;
  b.other = a;
  return [a, b];
}
