/**
 * Measures what a get of one key costs through the embedded store and through each layer in front of it. Not a test; it is
 * how the figures of docs/decisions/0002-embedded-feature-store.md were taken:
 *
 *   node test/features/measure-store-layers.ts
 *
 * The layers alternate; every get has a random key of 10,000; medians over the rounds, in microseconds.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BatchingStore } from "../../src/features/batching-store.ts";
import { CachingStore } from "../../src/features/caching-store.ts";
import { DefaultingStore } from "../../src/features/defaulting-store.ts";
import { EmbeddedStore } from "../../src/features/embedded-store.ts";
import type { FeatureStore } from "../../src/features/feature-store.ts";
import { MemoryStore } from "../../src/features/memory-store.ts";

const ENTITIES = 10_000;
const FLOATS = 40;
const GETS = 10_000;
const ROUNDS = 15;

const folder = mkdtempSync(join(tmpdir(), "tutti-layers-"));
const embedded = await EmbeddedStore.open({ path: join(folder, "features.db") });
const keyOf = (index: number) => `player-${String(index + 1).padStart(5, "0")}`;
await embedded.put(
  Array.from({ length: ENTITIES }, (_, index) => ({
    key: keyOf(index),
    vector: new Float32Array(FLOATS).fill(index),
  })),
);
const vector = new Float32Array(FLOATS);
/** Answers at once: what is measured through a layer over it is the layer. */
const memory = new MemoryStore({ immediate: true });
const stores: Readonly<Record<string, FeatureStore>> = {
  memory,
  "batching(memory)": new BatchingStore(memory),
  "default(batching(memory))": new DefaultingStore(new BatchingStore(memory), { vector }),
  "cache(batching(memory)), all missed": new CachingStore(new BatchingStore(memory), { ttlMs: 0 }),
  embedded,
  "batching(embedded)": new BatchingStore(embedded),
  "default(batching(embedded))": new DefaultingStore(new BatchingStore(embedded), { vector }),
  "cache(embedded), all hits": new CachingStore(embedded, { ttlMs: 86_400_000 }),
};
const options = { deadlineMs: performance.now() + 3_600_000 };
const samples: Record<string, { getUs: number[]; getNowUs: number[] }> = {};
for (let index = 0; index < ENTITIES; index += 1) {
  for (const store of Object.values(stores)) await store.get([keyOf(index)], options);
}
for (let round = 0; round < ROUNDS; round += 1) {
  const keys = Array.from({ length: GETS }, () => [keyOf(Math.floor(Math.random() * ENTITIES))]);
  for (const [name, store] of Object.entries(stores)) {
    samples[name] ??= { getUs: [], getNowUs: [] };
    let start = performance.now();
    for (const key of keys) await store.get(key, options);
    samples[name].getUs.push(((performance.now() - start) * 1_000) / GETS);
    start = performance.now();
    for (const key of keys) store.getNow?.(key);
    samples[name].getNowUs.push(((performance.now() - start) * 1_000) / GETS);
  }
}
await embedded.close();
rmSync(folder, { recursive: true });

const summary = (values: number[]) => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => Number((sorted[index] ?? Number.NaN).toFixed(2));
  return { median: at(Math.floor(sorted.length / 2)), min: at(0), max: at(sorted.length - 1) };
};
const results = Object.fromEntries(
  Object.entries(samples).map(([name, { getUs, getNowUs }]) => [
    name,
    { getUs: summary(getUs), getNowUs: summary(getNowUs) },
  ]),
);
const parameters = { entities: ENTITIES, floats: FLOATS, gets: GETS, rounds: ROUNDS };
const machine = { node: process.version };
console.log(JSON.stringify({ machine, date: new Date().toISOString(), parameters, results }, undefined, 2));
