import { type Clock, systemClock } from "../clock/clock.ts";
import { duration, type Field, optional, resolveOptions } from "../config/option-fields.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { MAX_VECTOR_LENGTH, refuseEnded } from "./check-features.ts";
import { processFeatureCounters } from "./feature-counters.ts";
import type { FeatureEntry, FeatureRow, FeatureRows, FeatureStore, GetOptions } from "./feature-store.ts";

export interface DefaultingStoreOptions {
  /** Stands in for each row that the store could not give in time. */
  readonly vector: Float32Array;
  /** Time for a get, when the caller's deadline leaves more. Default: the caller's deadline alone. */
  readonly timeoutMs?: number | undefined;
}

export interface ResolvedDefaultingStoreOptions {
  readonly vector: Float32Array;
  readonly timeoutMs: number | undefined;
}

const vector: Field<Float32Array> = {
  expected: `a Float32Array of 1 to ${MAX_VECTOR_LENGTH} elements`,
  accepts: (value) => value instanceof Float32Array && value.length > 0 && value.length <= MAX_VECTOR_LENGTH,
};

export function resolveDefaultingStoreOptions(
  options: DefaultingStoreOptions,
): ResolvedDefaultingStoreOptions {
  return resolveOptions<ResolvedDefaultingStoreOptions>(
    "feature default",
    { vector, timeoutMs: optional(duration(0, 3_600_000, 0)) },
    options,
  );
}

/**
 * Answers with a stand-in, flagged as such (F9), where the store behind is unavailable or late. An unknown key stays
 * `undefined`: that is an answer. Cancellation, invalid arguments, a get that had expired before it began and a closed
 * store stay errors.
 */
export class DefaultingStore implements FeatureStore {
  readonly #inner: FeatureStore;
  readonly #timeoutMs: number;
  readonly #default: FeatureRow;
  readonly #clock: Clock;
  #rowsDefaulted = 0;
  #closed = false;

  constructor(inner: FeatureStore, options: DefaultingStoreOptions, clock: Clock = systemClock) {
    const resolved = resolveDefaultingStoreOptions(options);
    this.#inner = inner;
    this.#timeoutMs = resolved.timeoutMs ?? Number.POSITIVE_INFINITY;
    this.#default = Object.freeze({ vector: resolved.vector.slice(), defaulted: true });
    this.#clock = clock;
  }

  async get(keys: readonly string[], options: GetOptions): Promise<FeatureRows> {
    const nowMs = this.#clock.now();
    refuseEnded(options, nowMs);
    const deadlineMs = Math.min(options.deadlineMs, nowMs + this.#timeoutMs);
    try {
      return await this.#inner.get(keys, { deadlineMs, signal: options.signal });
    } catch (error) {
      if (this.#closed || !isStoreFailure(error)) throw error;
      return this.#atHandOrDefault(keys);
    }
  }

  getNow(keys: readonly string[]): FeatureRows | undefined {
    try {
      return this.#inner.getNow?.(keys);
    } catch (error) {
      if (this.#closed || !isStoreFailure(error)) throw error;
      return this.#atHandOrDefault(keys);
    }
  }

  put(rows: Iterable<FeatureEntry>): Promise<void> {
    return this.#inner.put(rows);
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#inner.close();
  }

  stats(): { readonly rowsDefaulted: number } {
    return { rowsDefaulted: this.#rowsDefaulted };
  }

  /** A get fails as a whole: the rows of it that are cached, or are not the damaged one, are still to be had. */
  #atHandOrDefault(keys: readonly string[]): FeatureRows {
    return keys.map((key) => {
      const atHand = this.#atHand(key);
      if (atHand !== undefined) return atHand[0];
      this.#rowsDefaulted += 1;
      processFeatureCounters.rowsDefaulted += 1;
      return this.#default;
    });
  }

  #atHand(key: string): FeatureRows | undefined {
    try {
      return this.#inner.getNow?.([key]);
    } catch {
      return undefined;
    }
  }
}

function isStoreFailure(error: unknown): boolean {
  return (
    error instanceof TuttiError && (error.code === "FeaturesUnavailable" || error.code === "DeadlineExceeded")
  );
}
