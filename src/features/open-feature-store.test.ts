import { describe, expect, it } from "vitest";
import {
  type FeatureStoreOptions,
  openFeatureStore,
  resolveFeatureStoreOptions,
} from "./open-feature-store.ts";

describe("resolveFeatureStoreOptions", () => {
  it("gives complete, frozen options, with batching only where look-ups wait", () => {
    const dynamodb = resolveFeatureStoreOptions({ dynamodb: { table: "players" } });
    expect(dynamodb).toMatchObject({
      dynamodb: { table: "players", keyAttribute: "key", consistentRead: false, maxBatchKeys: 100 },
      batching: { maxBatchKeys: 100, maxBatchesInFlight: 8 },
      cache: undefined,
    });
    expect(Object.isFrozen(dynamodb) && Object.isFrozen(dynamodb.dynamodb)).toBe(true);
    expect(resolveFeatureStoreOptions({ embedded: { path: "x.db" } }).batching).toBeUndefined();
  });

  it("does not change the caller's options, and takes its own result again", () => {
    const options = Object.freeze({ memory: Object.freeze({ delayMs: 5 }), cache: Object.freeze({}) });
    const once = resolveFeatureStoreOptions(options);
    expect(resolveFeatureStoreOptions(once)).toEqual(once);
  });

  it.each<[string, unknown, RegExp]>([
    ["no store", { cache: {} }, /expected exactly one of the three, found "none of them"/],
    ["two stores", { memory: {}, embedded: { path: "x" } }, /found "embedded and memory"/],
    ["an unknown key", { memory: {}, caching: {} }, /option "caching": expected one of embedded, dynamodb/],
    [
      "an unknown key inside",
      { memory: { delay: 1 } },
      /memory store: option "delay": expected one of dimensions/,
    ],
    ["a missing key", { dynamodb: {} }, /option "table": expected a text that is not empty, found nothing/],
    [
      "a value of the wrong type",
      { memory: { delayMs: "5" } },
      /option "delayMs": expected milliseconds .* found "5"/,
    ],
    ["no object", [], /expected an object, found Array/],
  ])("refuses %s by name, with what was expected and found", (_, options, message) => {
    const resolve = () => resolveFeatureStoreOptions(options as FeatureStoreOptions);
    expect(resolve).toThrow(message);
    expect(resolve).toThrow(expect.objectContaining({ code: "InvalidOptions" }));
  });
});

describe("openFeatureStore", () => {
  it("puts default over cache over batching over the rows, and counts each", async () => {
    const { store, stats } = await openFeatureStore({
      memory: {},
      batching: {},
      cache: {},
      default: { vector: Float32Array.of(0) },
    });
    await store.put([{ key: "a", vector: Float32Array.of(1) }]);
    const inTime = { deadlineMs: performance.now() + 30_000 };
    await Promise.all([store.get(["a"], inTime), store.get(["a"], inTime)]);
    await store.get(["a"], inTime);
    expect(stats()).toMatchObject({
      batching: { batches: 1, keysJoined: 1 },
      cache: { hits: 1, misses: 2 },
      default: { rowsDefaulted: 0 },
    });
    await store.close();
  });

  it("reports no counters of layers that are not there", async () => {
    const { store, stats } = await openFeatureStore({ memory: {} });
    expect(stats()).toEqual({});
    await store.close();
  });
});
