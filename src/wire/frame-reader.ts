import { TuttiError } from "../errors/tutti-error.ts";
import { FRAME_HEADER_BYTES, type WireLimits } from "./protocol.ts";

/**
 * Cuts a stream of bytes into frames that start on a multiple of 8 in memory, so that tensors can be viewed in place.
 * A frame that lies whole and aligned in a chunk is handed on without a copy; others are gathered into memory of
 * their own. Memory held is at most one frame beyond the chunk: the length is checked before anything is allocated,
 * and a large frame's memory is claimed as its bytes arrive.
 */
export class FrameReader {
  readonly #limits: WireLimits;
  readonly #onFrame: (frame: Buffer) => void;
  #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFilled = 0;
  #frame: Buffer | undefined;
  #filled = 0;
  #wanted = 0;

  constructor(limits: WireLimits, onFrame: (frame: Buffer) => void) {
    this.#limits = limits;
    this.#onFrame = onFrame;
  }

  /** @throws TuttiError `ProtocolError` when a length is impossible; the stream cannot be read on after that. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame === undefined && this.#headerFilled === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
        const size = this.#checkLength(chunk.readUInt32LE(at));
        if (chunk.length - at >= size && (chunk.byteOffset + at) % 8 === 0) {
          this.#onFrame(chunk.subarray(at, at + size));
          at += size;
          continue;
        }
      }
      at = this.#gather(chunk, at);
    }
  }

  #gather(chunk: Buffer, start: number): number {
    let at = start;
    if (this.#frame === undefined) {
      const take = Math.min(FRAME_HEADER_BYTES - this.#headerFilled, chunk.length - at);
      chunk.copy(this.#header, this.#headerFilled, at, at + take);
      this.#headerFilled += take;
      at += take;
      if (this.#headerFilled < FRAME_HEADER_BYTES) return at;
      this.#wanted = this.#checkLength(this.#header.readUInt32LE(0));
      this.#frame = Buffer.allocUnsafeSlow(Math.min(this.#wanted, 64 * 1024));
      this.#header.copy(this.#frame);
      this.#filled = FRAME_HEADER_BYTES;
      this.#headerFilled = 0;
    }
    const take = Math.min(this.#wanted - this.#filled, chunk.length - at);
    this.#reserve(this.#filled + take);
    chunk.copy(this.#frame, this.#filled, at, at + take);
    this.#filled += take;
    if (this.#filled === this.#wanted) {
      const frame = this.#frame.subarray(0, this.#wanted);
      this.#frame = undefined;
      this.#onFrame(frame);
    }
    return at + take;
  }

  /** Grows by doubling with what really arrived: a header that lies about its length costs its sender, not us. */
  #reserve(bytes: number): void {
    const frame = this.#frame!;
    if (bytes <= frame.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#wanted, Math.max(bytes, frame.length * 2)));
    frame.copy(larger, 0, 0, this.#filled);
    this.#frame = larger;
  }

  #checkLength(size: number): number {
    if (size < FRAME_HEADER_BYTES || size % 8 !== 0)
      throw new TuttiError("ProtocolError", `frame: length ${size}`);
    if (size > this.#limits.maxFrameBytes) {
      throw new TuttiError(
        "ProtocolError",
        `frame: ${size} bytes are above the limit of ${this.#limits.maxFrameBytes}`,
      );
    }
    return size;
  }
}
