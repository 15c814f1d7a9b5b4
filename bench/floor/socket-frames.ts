const HEAD_BYTES = 8;

export function frame(payload: Buffer, replyBytes: number): Buffer {
  const whole = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  whole.writeUInt32LE(payload.length, 0);
  whole.writeUInt32LE(replyBytes, 4);
  payload.copy(whole, HEAD_BYTES);
  return whole;
}

/** Cuts a byte stream into frames. Gathers chunks and joins them once, so that large frames are not copied per chunk. */
export class FrameReader {
  readonly #onFrame: (payload: Buffer, replyBytes: number) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #wanted = HEAD_BYTES;

  constructor(onFrame: (payload: Buffer, replyBytes: number) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#wanted) return;
    const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    let at = 0;
    this.#wanted = HEAD_BYTES;
    while (all.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + all.readUInt32LE(at);
      if (end > all.length) {
        this.#wanted = end - at;
        break;
      }
      this.#onFrame(all.subarray(at + HEAD_BYTES, end), all.readUInt32LE(at + 4));
      at = end;
    }
    const rest = all.subarray(at);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
  }
}
