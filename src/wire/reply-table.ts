import type { CallStats } from "./messages.ts";
import { REPLY_BYTES, ReplyFlag, ReplyStatus } from "./protocol.ts";

export type ReplyKind = (typeof ReplyStatus)[keyof typeof ReplyStatus];

const WORDS = REPLY_BYTES / 4;
const FIRST_REPLIES = 64;
/** What many replies at once have needed is given back; as many as these are kept room for. */
const KEPT_REPLIES = 1024;

/**
 * The replies of a frame that is being made, each in its form on the wire from the beginning (`REPLY_BYTES`): a batch ends
 * hundreds of calls at once, and an object for each would only be read once and thrown away. Integers are little-endian, as
 * in memory on every platform Node runs on.
 */
export class ReplyTable {
  #words = new Uint32Array(FIRST_REPLIES * WORDS);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#length * REPLY_BYTES;
  }

  /** @param payload index into the frame's payloads. */
  add(
    id: number,
    part: number,
    status: ReplyKind,
    stats: CallStats,
    payload: number,
    firstRow: number,
    rows: number,
  ): void {
    const at = this.#length * WORDS;
    if (at === this.#words.length) this.#grow();
    const words = this.#words;
    words[at] = id;
    words[at + 1] = payload;
    words[at + 2] = toU32(stats.queueUs);
    words[at + 3] = toU32(stats.runUs);
    words[at + 4] = Math.min(stats.batchItems, 0xffff) | (status << 16) | (part << 24);
    words[at + 5] = firstRow;
    words[at + 6] = rows;
    words[at + 7] = toU32(stats.waitedUs ?? 0);
    words[at + 8] = toU32(stats.laneUs ?? stats.queueUs);
    words[at + 9] = stats.degraded === true ? ReplyFlag.degraded : 0;
    this.#length += 1;
  }

  /** Makes every reply the error that is the frame's only payload. */
  failAll(): void {
    const words = this.#words;
    for (let at = 0; at < this.#length * WORDS; at += WORDS) {
      words[at + 1] = 0;
      words[at + 4] = (words[at + 4]! & 0xff00_ffff) | (ReplyStatus.error << 16);
      words[at + 5] = 0;
      words[at + 6] = 0;
    }
  }

  writeTo(frame: Uint8Array, at: number): void {
    frame.set(new Uint8Array(this.#words.buffer, 0, this.bytes), at);
  }

  clear(): void {
    if (this.#length > KEPT_REPLIES) this.#words = new Uint32Array(FIRST_REPLIES * WORDS);
    this.#length = 0;
  }

  #grow(): void {
    const larger = new Uint32Array(this.#words.length * 2);
    larger.set(this.#words);
    this.#words = larger;
  }
}

/** In whole units, as much as fits. */
export const toU32 = (value: number): number => Math.min(0xffff_ffff, Math.max(0, Math.round(value)));
