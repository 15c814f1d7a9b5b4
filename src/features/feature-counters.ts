import type { FeatureCounts } from "../observe/node-metrics.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type FeatureCounters = Mutable<FeatureCounts>;

export function newFeatureCounters(): FeatureCounters {
  return {
    storeGets: 0,
    storeKeys: 0,
    storeFailures: 0,
    cacheHits: 0,
    cacheMisses: 0,
    cacheEvictions: 0,
    keysJoined: 0,
    getsRefused: 0,
    rowsDefaulted: 0,
  };
}

/**
 * Of all stores of this process, those that were closed among them, so that they only rise. User code opens stores where
 * it likes; this is where the process's metrics find what they did.
 */
export const processFeatureCounters: FeatureCounters = newFeatureCounters();
