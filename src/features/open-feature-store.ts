import { type Clock, systemClock } from "../clock/clock.ts";
import { type Field, invalidOption, optional, resolveOptions } from "../config/option-fields.ts";
import {
  type BatchingStats,
  BatchingStore,
  type BatchingStoreOptions,
  type ResolvedBatchingStoreOptions,
  resolveBatchingStoreOptions,
} from "./batching-store.ts";
import {
  type CachingStats,
  CachingStore,
  type CachingStoreOptions,
  type ResolvedCachingStoreOptions,
  resolveCachingStoreOptions,
} from "./caching-store.ts";
import {
  DefaultingStore,
  type DefaultingStoreOptions,
  type ResolvedDefaultingStoreOptions,
  resolveDefaultingStoreOptions,
} from "./defaulting-store.ts";
import {
  type DynamoDbStoreOptions,
  type ResolvedDynamoDbStoreOptions,
  resolveDynamoDbStoreOptions,
} from "./dynamodb-options.ts";
import {
  EmbeddedStore,
  type EmbeddedStoreOptions,
  type ResolvedEmbeddedStoreOptions,
  resolveEmbeddedStoreOptions,
} from "./embedded-store.ts";
import type { FeatureStore } from "./feature-store.ts";
import {
  MemoryStore,
  type MemoryStoreOptions,
  type ResolvedMemoryStoreOptions,
  resolveMemoryStoreOptions,
} from "./memory-store.ts";

/** Exactly one of `embedded`, `dynamodb`, `memory` says where the rows are; the others say what stands in front. */
export interface FeatureStoreOptions {
  readonly embedded?: EmbeddedStoreOptions | undefined;
  readonly dynamodb?: DynamoDbStoreOptions | undefined;
  readonly memory?: MemoryStoreOptions | undefined;
  /** Default: on in front of DynamoDB; off where reading is synchronous and there is nothing to share. */
  readonly batching?: BatchingStoreOptions | undefined;
  /** Default: off; rows are as fresh as the store's. */
  readonly cache?: CachingStoreOptions | undefined;
  /** Default: off; a store that fails or is late is an error. */
  readonly default?: DefaultingStoreOptions | undefined;
}

export interface ResolvedFeatureStoreOptions {
  readonly embedded: ResolvedEmbeddedStoreOptions | undefined;
  readonly dynamodb: ResolvedDynamoDbStoreOptions | undefined;
  readonly memory: ResolvedMemoryStoreOptions | undefined;
  readonly batching: ResolvedBatchingStoreOptions | undefined;
  readonly cache: ResolvedCachingStoreOptions | undefined;
  readonly default: ResolvedDefaultingStoreOptions | undefined;
}

export interface FeatureStoreStats {
  readonly batching?: BatchingStats;
  readonly cache?: CachingStats;
  readonly default?: { readonly rowsDefaulted: number };
}

export interface OpenFeatureStore {
  readonly store: FeatureStore;
  /** Counters of the layers that are there. */
  stats(): FeatureStoreStats;
}

const KINDS = ["embedded", "dynamodb", "memory"] as const;

export function resolveFeatureStoreOptions(options: FeatureStoreOptions): ResolvedFeatureStoreOptions {
  // What is inside each part is checked by the part's own resolver below.
  const part = <T>(): Field<T | undefined> =>
    optional<T>({ expected: "an object", accepts: (value) => typeof value === "object" && value !== null });
  const given = resolveOptions<{ readonly [K in keyof FeatureStoreOptions]-?: FeatureStoreOptions[K] }>(
    "feature store",
    {
      embedded: part(),
      dynamodb: part(),
      memory: part(),
      batching: part(),
      cache: part(),
      default: part(),
    },
    options,
  );
  const kinds = KINDS.filter((kind) => given[kind] !== undefined);
  if (kinds.length !== 1) {
    const found = kinds.length === 0 ? "none of them" : kinds.join(" and ");
    throw invalidOption("feature store", KINDS.join(" | "), "exactly one of the three", found);
  }
  const batching = given.batching ?? (given.dynamodb === undefined ? undefined : {});
  return Object.freeze({
    embedded: given.embedded && resolveEmbeddedStoreOptions(given.embedded),
    dynamodb: given.dynamodb && resolveDynamoDbStoreOptions(given.dynamodb),
    memory: given.memory && resolveMemoryStoreOptions(given.memory),
    batching: batching && resolveBatchingStoreOptions(batching),
    cache: given.cache && resolveCachingStoreOptions(given.cache),
    default: given.default && resolveDefaultingStoreOptions(given.default),
  });
}

/**
 * Opens a store with its layers: default over cache over batching over the rows.
 *
 * @throws TuttiError `InvalidOptions`; `FeaturesUnavailable` when the embedded file cannot be opened.
 */
export async function openFeatureStore(
  options: FeatureStoreOptions,
  clock: Clock = systemClock,
): Promise<OpenFeatureStore> {
  const resolved = resolveFeatureStoreOptions(options);
  let store = await openRows(resolved, clock);
  let batching: BatchingStore | undefined;
  let cache: CachingStore | undefined;
  let defaulting: DefaultingStore | undefined;
  if (resolved.batching !== undefined) store = batching = new BatchingStore(store, resolved.batching, clock);
  if (resolved.cache !== undefined) store = cache = new CachingStore(store, resolved.cache, clock);
  if (resolved.default !== undefined)
    store = defaulting = new DefaultingStore(store, resolved.default, clock);
  return {
    store,
    stats: () => ({
      ...(batching === undefined ? {} : { batching: batching.stats() }),
      ...(cache === undefined ? {} : { cache: cache.stats() }),
      ...(defaulting === undefined ? {} : { default: defaulting.stats() }),
    }),
  };
}

async function openRows(options: ResolvedFeatureStoreOptions, clock: Clock): Promise<FeatureStore> {
  if (options.embedded !== undefined) return EmbeddedStore.open(options.embedded, clock);
  if (options.memory !== undefined) return new MemoryStore(options.memory, clock);
  if (options.dynamodb === undefined) throw new Error("resolveFeatureStoreOptions let no store through");
  const { DynamoDbStore } = await import("./dynamodb-store.ts");
  return DynamoDbStore.open(options.dynamodb, clock);
}
