import { processFeatureCounters } from "./feature-counters.ts";
import type { FeatureRow } from "./feature-store.ts";

export interface CachedRow {
  /** `undefined`: known not to be in the store. */
  readonly row: FeatureRow | undefined;
  readonly expiresAtMs: number;
  readonly bytes: number;
}

/** What an entry takes beside its vector's bytes and its key's characters; 350 bytes of heap on Node 24, rounded up. */
const ENTRY_BYTES = 384;

/** Rows by key, the least recently used evicted first, within a bound of bytes. A `Map` keeps the order of use. */
export class RowCache {
  readonly #maxBytes: number;
  readonly #entries = new Map<string, CachedRow>();
  #bytes = 0;
  evictions = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @returns `undefined` when nothing is cached or its time is over. */
  get(key: string, nowMs: number): CachedRow | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAtMs <= nowMs) {
      this.delete(key);
      return undefined;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  set(key: string, row: FeatureRow | undefined, expiresAtMs: number): void {
    this.delete(key);
    const bytes = ENTRY_BYTES + 2 * key.length + (row?.vector.byteLength ?? 0);
    if (bytes > this.#maxBytes) return;
    this.#entries.set(key, { row, expiresAtMs, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.delete(oldest);
      this.evictions += 1;
      processFeatureCounters.cacheEvictions += 1;
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}
