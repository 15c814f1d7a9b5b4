export interface TransportEvents {
  /** One whole frame, starting on a multiple of 8 in memory; the receiver may keep views of it. */
  onFrame(frame: Buffer): void;
  /** Called exactly once, with the reason when it was not an orderly end. */
  onClose(reason: Error | undefined): void;
  /** What was buffered has been handed on. Promised only after much was: what a socket holds is not told of. */
  onDrain?(): void;
}

/**
 * Moves whole frames, in order, between two peers. Invariants, held by the conformance suite on every implementation:
 *
 * - **T1** Frames arrive whole, unchanged and in the order sent, or not at all.
 * - **T2** `onClose` is called exactly once on each side, after the last frame; nothing arrives after it.
 * - **T3** `send` after the end does nothing; it never throws.
 * - **T4** `close` delivers what was sent before it; `destroy` need not.
 */
export interface Transport {
  /** Must be called once, before anything is sent. Frames that came earlier are delivered then. */
  start(events: TransportEvents): void;
  send(frame: Buffer): void;
  /** Bytes accepted but not yet handed to the other side; the sender's measure of a slow reader. */
  readonly bufferedBytes: number;
  close(): void;
  destroy(reason: Error): void;
}
