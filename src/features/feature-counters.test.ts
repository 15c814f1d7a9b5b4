import { describe, expect, it } from "vitest";
import { processFeatureCounters } from "./feature-counters.ts";
import { openFeatureStore } from "./open-feature-store.ts";

const NO_DEADLINE = { deadlineMs: Number.POSITIVE_INFINITY };

/** How the process's counts have risen meanwhile. */
async function countedDuring(work: () => Promise<unknown>) {
  const before = { ...processFeatureCounters };
  await work();
  return Object.fromEntries(
    Object.entries(processFeatureCounters).flatMap(([name, count]) => {
      const rise = count - before[name as keyof typeof before];
      return rise === 0 ? [] : [[name, rise]];
    }),
  );
}

const rows = ["a", "b"].map((key) => ({ key, vector: Float32Array.of(1) }));

describe("what the feature stores of a process count", () => {
  it("are reads and their keys, and what a cache in front answers", async () => {
    const { store } = await openFeatureStore({ memory: {}, cache: {} });
    await store.put(rows);
    expect(await countedDuring(() => store.get(["a", "b"], NO_DEADLINE))).toEqual({
      storeGets: 1,
      storeKeys: 2,
      cacheMisses: 2,
    });
    expect(await countedDuring(() => store.get(["a", "b"], NO_DEADLINE))).toEqual({ cacheHits: 2 });
    await store.close();
  });

  it("are look-ups that were shared", async () => {
    const { store } = await openFeatureStore({ memory: {}, batching: {} });
    await store.put(rows);
    const both = () => Promise.all([store.get(["a"], NO_DEADLINE), store.get(["a"], NO_DEADLINE)]);
    expect(await countedDuring(both)).toEqual({ storeGets: 1, storeKeys: 1, keysJoined: 1 });
    await store.close();
  });

  it("are failures, and rows that a default stood in for", async () => {
    const { store } = await openFeatureStore({
      memory: { failureFraction: 1 },
      default: { vector: Float32Array.of(0) },
    });
    expect(await countedDuring(() => store.get(["a"], NO_DEADLINE))).toMatchObject({
      storeFailures: 1,
      rowsDefaulted: 1,
    });
    await store.close();
  });
});
