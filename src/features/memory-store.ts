import { type Clock, systemClock } from "../clock/clock.ts";
import { duration, flag, fraction, optional, resolveOptions, wholeNumber } from "../config/option-fields.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { seededRandom } from "../policy/seeded-random.ts";
import { BoundedWork } from "./bounded-work.ts";
import { checkedEntries, checkKeys, MAX_VECTOR_LENGTH, storeClosed } from "./check-features.ts";
import { processFeatureCounters } from "./feature-counters.ts";
import type { FeatureEntry, FeatureRow, FeatureRows, FeatureStore, GetOptions } from "./feature-store.ts";

export interface MemoryStoreOptions {
  /** Elements that every vector must have. Default: any number. */
  readonly dimensions?: number | undefined;
  /** How long a get or put takes. Default 0: one turn of promises, no timer. */
  readonly delayMs?: number;
  /** Part of the gets and puts that fail with `FeaturesUnavailable`. Default 0. */
  readonly failureFraction?: number;
  /** Of the generator that decides which fail. Default 1. */
  readonly seed?: number;
  /** Whether `getNow` answers, as the embedded store's does. Default false: every get is asynchronous. */
  readonly immediate?: boolean;
}

export interface ResolvedMemoryStoreOptions {
  readonly dimensions: number | undefined;
  readonly delayMs: number;
  readonly failureFraction: number;
  readonly seed: number;
  readonly immediate: boolean;
}

export function resolveMemoryStoreOptions(options: MemoryStoreOptions): ResolvedMemoryStoreOptions {
  return resolveOptions<ResolvedMemoryStoreOptions>(
    "memory store",
    {
      dimensions: optional(wholeNumber(1, MAX_VECTOR_LENGTH, 1)),
      delayMs: duration(0, 3_600_000, 0),
      failureFraction: fraction(0),
      seed: wholeNumber(0, 2 ** 32 - 1, 1),
      immediate: flag(false),
    },
    options,
  );
}

/**
 * A store for tests and small programs. The knobs may be turned while it runs. A get reads when it starts and answers
 * after its delay: the older value of the two that a slow store could give, so that tests see stale reads.
 */
export class MemoryStore implements FeatureStore {
  delayMs: number;
  failureFraction: number;
  /** While true, gets do not answer; they end by their deadline, their signal or `close`. */
  hangs = false;
  /** Told of each look-up that starts. */
  onGet: ((keys: readonly string[]) => void) | undefined;

  readonly #options: ResolvedMemoryStoreOptions;
  readonly #work: BoundedWork;
  readonly #rows = new Map<string, FeatureRow>();
  readonly #random: () => number;
  #closed = false;

  constructor(options: MemoryStoreOptions = {}, clock: Clock = systemClock) {
    this.#options = resolveMemoryStoreOptions(options);
    this.delayMs = this.#options.delayMs;
    this.failureFraction = this.#options.failureFraction;
    this.#work = new BoundedWork(clock);
    this.#random = seededRandom(this.#options.seed);
  }

  async get(keys: readonly string[], options: GetOptions): Promise<FeatureRows> {
    this.#refuseClosed();
    checkKeys(keys);
    const late = () => `memory store: no answer for ${keys.length} keys by the deadline; raise the deadline`;
    return this.#work.run(options, late, async (signal) => {
      this.onGet?.(keys);
      this.#count(keys);
      const rows = keys.map((key) => this.#rows.get(key));
      await this.#pause(signal);
      return rows;
    });
  }

  getNow(keys: readonly string[]): FeatureRows | undefined {
    if (!this.#options.immediate || this.hangs || this.delayMs > 0) return undefined;
    this.#refuseClosed();
    checkKeys(keys);
    this.#count(keys);
    this.#maybeFail();
    return keys.map((key) => this.#rows.get(key));
  }

  async put(rows: Iterable<FeatureEntry>): Promise<void> {
    this.#refuseClosed();
    const entries = checkedEntries(rows, this.#options.dimensions);
    const forever = { deadlineMs: Number.POSITIVE_INFINITY };
    await this.#work.run(forever, String, async (signal) => {
      await this.#pause(signal);
      for (const { key, vector } of entries) {
        this.#rows.set(key, { vector: vector.slice(), defaulted: false });
      }
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#work.endAll(storeClosed("memory store"));
  }

  async #pause(signal: AbortSignal): Promise<void> {
    if (this.hangs) await this.#work.wait(Number.POSITIVE_INFINITY, signal);
    if (this.delayMs > 0) await this.#work.wait(this.delayMs, signal);
    this.#maybeFail();
  }

  #count(keys: readonly string[]): void {
    processFeatureCounters.storeGets += 1;
    processFeatureCounters.storeKeys += keys.length;
  }

  #maybeFail(): void {
    if (this.failureFraction > 0 && this.#random() < this.failureFraction) {
      processFeatureCounters.storeFailures += 1;
      throw new TuttiError(
        "FeaturesUnavailable",
        "memory store: failed as its failureFraction asks; set it to 0",
      );
    }
  }

  #refuseClosed(): void {
    if (this.#closed) throw storeClosed("memory store");
  }
}
