import { type Clock, systemClock } from "../clock/clock.ts";
import { duration, resolveOptions, wholeNumber } from "../config/option-fields.ts";
import { checkedEntries, checkKeys, refuseEnded, storeClosed } from "./check-features.ts";
import { processFeatureCounters } from "./feature-counters.ts";
import type { FeatureEntry, FeatureRow, FeatureRows, FeatureStore, GetOptions } from "./feature-store.ts";
import { RowCache } from "./row-cache.ts";

export interface CachingStoreOptions {
  /** How long a row is served without asking the store again. Default 60,000. */
  readonly ttlMs?: number;
  /** The same for "there is no such row". Default 0: not cached. */
  readonly negativeTtlMs?: number;
  /** Bound of the cached rows with their keys and bookkeeping. Default 64 MiB. */
  readonly maxBytes?: number;
}

export type ResolvedCachingStoreOptions = Readonly<Required<CachingStoreOptions>>;

export function resolveCachingStoreOptions(options: CachingStoreOptions): ResolvedCachingStoreOptions {
  const day = 86_400_000;
  return resolveOptions<ResolvedCachingStoreOptions>(
    "feature cache",
    {
      ttlMs: duration(0, 365 * day, 60_000),
      negativeTtlMs: duration(0, 365 * day, 0),
      maxBytes: wholeNumber(0, 2 ** 40, 64 * 2 ** 20),
    },
    options,
  );
}

export interface CachingStats {
  /** Keys answered from the cache, with a row or with "there is none". */
  readonly hits: number;
  /** Of them, the latter. */
  readonly negativeHits: number;
  readonly misses: number;
  /** Rows that left for want of space, not of time. */
  readonly evictions: number;
  readonly rows: number;
  readonly bytes: number;
}

/** A look-up under way: keys whose rows were written meanwhile are not cached from it. */
type Fill = Set<string>;

/** Answers from memory for a while. Two gets that miss one key both ask the store: put a `BatchingStore` between. */
export class CachingStore implements FeatureStore {
  readonly #inner: FeatureStore;
  readonly #options: ResolvedCachingStoreOptions;
  readonly #clock: Clock;
  readonly #cache: RowCache;
  readonly #fills = new Set<Fill>();
  #hits = 0;
  #negativeHits = 0;
  #misses = 0;
  #closed = false;

  constructor(inner: FeatureStore, options: CachingStoreOptions = {}, clock: Clock = systemClock) {
    this.#inner = inner;
    this.#options = resolveCachingStoreOptions(options);
    this.#clock = clock;
    this.#cache = new RowCache(this.#options.maxBytes);
  }

  async get(keys: readonly string[], options: GetOptions): Promise<FeatureRows> {
    refuseEnded(options, this.#clock.now());
    const rows = new Array<FeatureRow | undefined>(keys.length);
    const missing = this.#takeCached(keys, rows);
    if (missing.length === 0) return rows;
    const asked = missing.map((index) => keys[index] ?? "");
    const written: Fill = new Set();
    this.#fills.add(written);
    try {
      const found = await this.#inner.get(asked, options);
      this.#fill(missing, asked, found, rows, written);
    } finally {
      this.#fills.delete(written);
    }
    return rows;
  }

  getNow(keys: readonly string[]): FeatureRows | undefined {
    const rows = new Array<FeatureRow | undefined>(keys.length);
    const missing = this.#takeCached(keys, rows);
    if (missing.length === 0) return rows;
    const asked = missing.map((index) => keys[index] ?? "");
    const found = this.#inner.getNow?.(asked);
    if (found === undefined) return undefined;
    this.#fill(missing, asked, found, rows);
    return rows;
  }

  async put(rows: Iterable<FeatureEntry>): Promise<void> {
    this.#refuseClosed();
    const entries = checkedEntries(rows, undefined);
    try {
      await this.#inner.put(entries);
    } finally {
      // Also after a failure, which may have written some (F5).
      for (const { key } of entries) {
        this.#cache.delete(key);
        for (const written of this.#fills) written.add(key);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cache.clear();
    await this.#inner.close();
  }

  stats(): CachingStats {
    return {
      hits: this.#hits,
      negativeHits: this.#negativeHits,
      misses: this.#misses,
      evictions: this.#cache.evictions,
      rows: this.#cache.size,
      bytes: this.#cache.bytes,
    };
  }

  /** Writes what is cached into `rows`; returns the places of the rest. */
  #takeCached(keys: readonly string[], rows: (FeatureRow | undefined)[]): number[] {
    this.#refuseClosed();
    checkKeys(keys);
    const nowMs = this.#clock.now();
    const missing: number[] = [];
    for (let index = 0; index < keys.length; index += 1) {
      const cached = this.#cache.get(keys[index] ?? "", nowMs);
      if (cached === undefined) {
        missing.push(index);
        this.#misses += 1;
        processFeatureCounters.cacheMisses += 1;
        continue;
      }
      rows[index] = cached.row;
      this.#hits += 1;
      processFeatureCounters.cacheHits += 1;
      if (cached.row === undefined) this.#negativeHits += 1;
    }
    return missing;
  }

  #fill(
    places: readonly number[],
    keys: readonly string[],
    found: FeatureRows,
    rows: (FeatureRow | undefined)[],
    written?: Fill,
  ): void {
    const { ttlMs, negativeTtlMs } = this.#options;
    const nowMs = this.#clock.now();
    for (let index = 0; index < keys.length; index += 1) {
      const key = keys[index] ?? "";
      const row = found[index];
      rows[places[index] ?? 0] = row;
      const lifeMs = row === undefined ? negativeTtlMs : ttlMs;
      // A stand-in is not the store's row (F9).
      if (lifeMs > 0 && row?.defaulted !== true && written?.has(key) !== true) {
        this.#cache.set(key, row, nowMs + lifeMs);
      }
    }
  }

  #refuseClosed(): void {
    if (this.#closed) throw storeClosed("feature cache");
  }
}
