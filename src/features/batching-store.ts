import { type CancelTimer, type Clock, systemClock } from "../clock/clock.ts";
import { resolveOptions, wholeNumber } from "../config/option-fields.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { checkedEntries, checkKeys, MAX_KEYS_PER_GET, refuseEnded, storeClosed } from "./check-features.ts";
import { DamagedRowsError } from "./damaged-rows-error.ts";
import { processFeatureCounters } from "./feature-counters.ts";
import type { FeatureEntry, FeatureRows, FeatureStore, GetOptions } from "./feature-store.ts";
import { type LookUp, PendingGet } from "./pending-get.ts";

export interface BatchingStoreOptions {
  /** Keys in one get of the store behind. Default 100, one BatchGetItem. */
  readonly maxBatchKeys?: number;
  /** Gets of the store behind at one time. Default 8. */
  readonly maxBatchesInFlight?: number;
  /** Keys that may wait for a free batch; a get that would exceed it is refused at once (F6). Default 10,000. */
  readonly maxQueuedKeys?: number;
}

export type ResolvedBatchingStoreOptions = Readonly<Required<BatchingStoreOptions>>;

export function resolveBatchingStoreOptions(options: BatchingStoreOptions): ResolvedBatchingStoreOptions {
  return resolveOptions<ResolvedBatchingStoreOptions>(
    "feature batching",
    {
      maxBatchKeys: wholeNumber(1, MAX_KEYS_PER_GET, 100),
      maxBatchesInFlight: wholeNumber(1, 1_000, 8),
      maxQueuedKeys: wholeNumber(1, 1_000_000, 10_000),
    },
    options,
  );
}

export interface BatchingStats {
  readonly batches: number;
  /** Keys sent to the store behind. */
  readonly keysLookedUp: number;
  /** Keys that joined a look-up of another get. */
  readonly keysJoined: number;
  readonly getsRefused: number;
  readonly queuedKeys: number;
  readonly batchesInFlight: number;
}

interface Batch {
  readonly lookUps: readonly LookUp[];
  readonly deadlineMs: number;
  readonly controller: AbortController;
}

/**
 * Turns the gets of many requests into few gets of the store behind. Keys wait until the turn of the event loop ends and
 * a batch is free, so batches grow with load by themselves and a lone get does not wait for company. One look-up per key
 * at a time: a get for a key that is queued or in flight joins it (F7). A batch may run as long as its most patient caller.
 */
export class BatchingStore implements FeatureStore {
  readonly #inner: FeatureStore;
  readonly #options: ResolvedBatchingStoreOptions;
  readonly #clock: Clock;
  /** In the order of arrival. */
  readonly #queue = new Map<string, LookUp>();
  /** Those that a new get may join. */
  readonly #inFlight = new Map<string, LookUp>();
  readonly #batches = new Set<Batch>();
  readonly #counts = { batches: 0, keysLookedUp: 0, keysJoined: 0, getsRefused: 0 };
  #cancelTurn: CancelTimer | undefined;
  #closed = false;

  constructor(inner: FeatureStore, options: BatchingStoreOptions = {}, clock: Clock = systemClock) {
    this.#inner = inner;
    this.#options = resolveBatchingStoreOptions(options);
    this.#clock = clock;
  }

  async get(keys: readonly string[], options: GetOptions): Promise<FeatureRows> {
    refuseEnded(options, this.#clock.now());
    const now = this.getNow(keys);
    if (now !== undefined) return now;
    checkKeys(keys);
    if (keys.length === 0) return [];
    this.#refuseOverload(keys);
    const pending = new PendingGet(keys.length, options, this.#clock, (lookUp) => this.#onLeave(lookUp));
    keys.forEach((key, index) => {
      pending.waitFor(this.#lookUpOf(key), index);
    });
    this.#dispatchNextTurn();
    return pending.promise;
  }

  getNow(keys: readonly string[]): FeatureRows | undefined {
    if (this.#closed) throw storeClosed("feature batching");
    return this.#inner.getNow?.(keys);
  }

  async put(rows: Iterable<FeatureEntry>): Promise<void> {
    if (this.#closed) throw storeClosed("feature batching");
    const entries = checkedEntries(rows, undefined);
    try {
      await this.#inner.put(entries);
    } finally {
      // A look-up that began before the write ended may bring the old row: nobody else joins it (F5).
      for (const entry of entries) this.#inFlight.delete(entry.key);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTurn?.();
    const waiting = [...this.#queue.values(), ...[...this.#batches].flatMap((batch) => batch.lookUps)];
    for (const lookUp of waiting) failAll(lookUp, storeClosed("feature batching"));
    await this.#inner.close();
  }

  stats(): BatchingStats {
    return { ...this.#counts, queuedKeys: this.#queue.size, batchesInFlight: this.#batches.size };
  }

  #refuseOverload(keys: readonly string[]): void {
    const { maxQueuedKeys } = this.#options;
    if (this.#queue.size + keys.length <= maxQueuedKeys) return;
    const added = new Set(keys.filter((key) => !this.#inFlight.has(key) && !this.#queue.has(key))).size;
    if (this.#queue.size + added <= maxQueuedKeys) return;
    this.#counts.getsRefused += 1;
    processFeatureCounters.getsRefused += 1;
    throw new TuttiError(
      "FeaturesUnavailable",
      `features: ${this.#queue.size} keys wait already, ${added} more exceed maxQueuedKeys (${maxQueuedKeys}); ` +
        "the store is slower than the load: raise maxBatchesInFlight or its capacity",
      { started: "no" },
    );
  }

  #lookUpOf(key: string): LookUp {
    const known = this.#inFlight.get(key) ?? this.#queue.get(key);
    if (known !== undefined) {
      this.#counts.keysJoined += 1;
      processFeatureCounters.keysJoined += 1;
      return known;
    }
    const lookUp: LookUp = { key, waiters: [] };
    this.#queue.set(key, lookUp);
    return lookUp;
  }

  #dispatchNextTurn(): void {
    if (this.#cancelTurn !== undefined || !this.#canDispatch()) return;
    this.#cancelTurn = this.#clock.onNextTurn(() => {
      this.#cancelTurn = undefined;
      this.#dispatch();
    });
  }

  #canDispatch(): boolean {
    return this.#queue.size > 0 && this.#batches.size < this.#options.maxBatchesInFlight;
  }

  #dispatch(): void {
    while (this.#canDispatch()) {
      const nowMs = this.#clock.now();
      const lookUps: LookUp[] = [];
      let deadlineMs = Number.NEGATIVE_INFINITY;
      for (const lookUp of this.#queue.values()) {
        // Timers are late after a blocked turn: an expired get must not start (F2), and leaves the queue by this.
        for (const { get } of lookUp.waiters) if (get.deadlineMs <= nowMs) get.expire();
        if (lookUp.waiters.length === 0) continue;
        lookUps.push(lookUp);
        for (const { get } of lookUp.waiters) deadlineMs = Math.max(deadlineMs, get.deadlineMs);
        if (lookUps.length === this.#options.maxBatchKeys) break;
      }
      if (lookUps.length === 0) return;
      for (const lookUp of lookUps) {
        this.#queue.delete(lookUp.key);
        this.#inFlight.set(lookUp.key, lookUp);
      }
      void this.#run({ lookUps, deadlineMs, controller: new AbortController() });
    }
  }

  async #run(batch: Batch): Promise<void> {
    const { lookUps, deadlineMs, controller } = batch;
    this.#batches.add(batch);
    this.#counts.batches += 1;
    this.#counts.keysLookedUp += lookUps.length;
    try {
      const keys = lookUps.map((lookUp) => lookUp.key);
      const rows = await this.#inner.get(keys, { deadlineMs, signal: controller.signal });
      if (rows.length !== keys.length) {
        throw new TuttiError(
          "FeaturesUnavailable",
          `features: asked for ${keys.length} rows, got ${rows.length}`,
        );
      }
      this.#release(batch);
      lookUps.forEach((lookUp, index) => {
        for (const { get, index: place } of lookUp.waiters) get.settle(place, rows[index]);
      });
    } catch (error) {
      this.#release(batch);
      this.#onFailure(batch, TuttiError.from(error, "FeaturesUnavailable"));
    }
    this.#dispatch();
  }

  #release(batch: Batch): void {
    this.#batches.delete(batch);
    for (const lookUp of batch.lookUps) {
      if (this.#inFlight.get(lookUp.key) === lookUp) this.#inFlight.delete(lookUp.key);
    }
  }

  #onFailure(batch: Batch, error: TuttiError): void {
    const damaged = new Set(error instanceof DamagedRowsError ? error.keys : []);
    const culprits = batch.lookUps.filter((lookUp) => damaged.has(lookUp.key));
    const expired = error.code === "DeadlineExceeded";
    for (const lookUp of batch.lookUps) {
      // Once more for those that share a batch with a damaged row (F4). The batch shrinks, so this ends.
      const spared = culprits.length > 0 && !damaged.has(lookUp.key);
      if (!spared) {
        // Those who joined later may have more time than the batch had (F7).
        for (const { get } of lookUp.waiters) {
          if (!expired || get.deadlineMs <= batch.deadlineMs) get.fail(error);
        }
      }
      if (lookUp.waiters.length > 0) this.#requeue(lookUp);
    }
  }

  #requeue(lookUp: LookUp): void {
    const queued = this.#inFlight.get(lookUp.key) ?? this.#queue.get(lookUp.key);
    if (queued === undefined) this.#queue.set(lookUp.key, lookUp);
    else for (const { get, index } of lookUp.waiters) get.waitFor(queued, index);
  }

  /** A get ended before its answer: what nobody waits for any more is not looked up. */
  #onLeave(lookUp: LookUp): void {
    if (lookUp.waiters.length > 0) return;
    if (this.#queue.get(lookUp.key) === lookUp) this.#queue.delete(lookUp.key);
    for (const batch of this.#batches) {
      if (!batch.lookUps.includes(lookUp)) continue;
      if (batch.lookUps.some(({ waiters }) => waiters.length > 0)) return;
      this.#release(batch);
      batch.controller.abort();
      this.#dispatchNextTurn();
      return;
    }
  }
}

function failAll(lookUp: LookUp, error: TuttiError): void {
  for (const { get } of lookUp.waiters) get.fail(error);
}
