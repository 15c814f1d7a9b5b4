/** How much of a stream may be under way: so many chunks, and so many bytes of them. */
export interface StreamCredit {
  readonly chunks: number;
  readonly bytes: number;
}

/** What every stream begins with, and never has more than. */
export const STREAM_WINDOW: StreamCredit = Object.freeze({ chunks: 64, bytes: 128 * 1024 });

/**
 * The account of a stream's credit. Writer and reader keep one each, so that the reader knows what it must expect.
 *
 * **S1** What is under way is at most the window, and the one chunk that was begun while a byte of it was left.
 */
export class CreditAccount {
  #chunks = STREAM_WINDOW.chunks;
  #bytes = STREAM_WINDOW.bytes;

  get isOpen(): boolean {
    return this.#chunks > 0 && this.#bytes > 0;
  }

  /** False, and nothing is used, when there was no credit for a chunk. */
  use(bytes: number): boolean {
    if (!this.isOpen) return false;
    this.#chunks -= 1;
    this.#bytes -= bytes;
    return true;
  }

  /** False, and nothing is granted, when there would be more than the window: what was never used was given back. */
  grant({ chunks, bytes }: StreamCredit): boolean {
    if (this.#chunks + chunks > STREAM_WINDOW.chunks || this.#bytes + bytes > STREAM_WINDOW.bytes)
      return false;
    this.#chunks += chunks;
    this.#bytes += bytes;
    return true;
  }
}

/** What a reader has taken of a stream and not given back as credit yet: it does so by half windows, not by chunks. */
export class TakenCredit {
  #chunks = 0;
  #bytes = 0;

  /** @returns the credit to give back now, if any. */
  take(bytes: number): StreamCredit | undefined {
    this.#chunks += 1;
    this.#bytes += bytes;
    if (this.#chunks < STREAM_WINDOW.chunks / 2 && this.#bytes < STREAM_WINDOW.bytes / 2) return undefined;
    const credit = { chunks: this.#chunks, bytes: this.#bytes };
    this.#chunks = 0;
    this.#bytes = 0;
    return credit;
  }
}
