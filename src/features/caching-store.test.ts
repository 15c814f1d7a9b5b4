import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { BatchingStore } from "./batching-store.ts";
import { CachingStore } from "./caching-store.ts";
import { DefaultingStore } from "./defaulting-store.ts";
import { describeFeatureStore } from "./feature-store.conformance.ts";
import type { FeatureRows } from "./feature-store.ts";
import { MemoryStore } from "./memory-store.ts";

describeFeatureStore(
  "CachingStore",
  async () => new CachingStore(new MemoryStore(), { negativeTtlMs: 1_000 }),
);
describeFeatureStore(
  "CachingStore too small for most rows",
  async () => new CachingStore(new MemoryStore(), { maxBytes: 1_000, negativeTtlMs: 1_000 }),
);
describeFeatureStore(
  "CachingStore over BatchingStore",
  async () => new CachingStore(new BatchingStore(new MemoryStore()), { negativeTtlMs: 1_000 }),
);

const forever = { deadlineMs: Number.POSITIVE_INFINITY };
const values = (rows: FeatureRows) => rows.map((row) => row?.vector[0]);

describe("CachingStore", () => {
  let clock: ManualClock;
  let rows: MemoryStore;
  let lookedUp: string[];
  beforeEach(async () => {
    clock = new ManualClock();
    rows = new MemoryStore({}, clock);
    await rows.put(["a", "b", "c"].map((key, index) => ({ key, vector: Float32Array.of(index) })));
    lookedUp = [];
    rows.onGet = (keys) => lookedUp.push(...keys);
  });

  it("asks the store once per key while the row's time lasts, and again afterwards", async () => {
    const store = new CachingStore(rows, { ttlMs: 100 }, clock);
    expect(values(await store.get(["a", "b"], forever))).toEqual([0, 1]);
    await clock.advance(99);
    expect(values(await store.get(["a", "c"], forever))).toEqual([0, 2]);
    expect(lookedUp).toEqual(["a", "b", "c"]);
    await clock.advance(1);
    await store.get(["a"], forever);
    expect(lookedUp).toEqual(["a", "b", "c", "a"]);
    expect(store.stats()).toMatchObject({ hits: 1, misses: 4, evictions: 0 });
  });

  it("remembers that there is no row for negativeTtlMs, and not at all by default", async () => {
    const remembering = new CachingStore(rows, { negativeTtlMs: 10 }, clock);
    await remembering.get(["x"], forever);
    expect(await remembering.get(["x"], forever)).toEqual([undefined]);
    expect(lookedUp).toEqual(["x"]);
    expect(remembering.stats()).toMatchObject({ hits: 1, negativeHits: 1 });
    await clock.advance(10);
    await remembering.get(["x"], forever);
    expect(lookedUp).toEqual(["x", "x"]);
    const forgetting = new CachingStore(rows, {}, clock);
    await forgetting.get(["x"], forever);
    await forgetting.get(["x"], forever);
    expect(lookedUp).toHaveLength(4);
  });

  it("keeps within its bytes by evicting what was used least recently (F6)", async () => {
    const two = 2 * (384 + 2 + 4);
    const store = new CachingStore(rows, { maxBytes: two }, clock);
    await store.get(["a"], forever);
    await store.get(["b"], forever);
    await store.get(["a"], forever);
    await store.get(["c"], forever);
    expect(store.stats()).toMatchObject({ evictions: 1, rows: 2, bytes: two });
    lookedUp.length = 0;
    await store.get(["a", "c", "b"], forever);
    expect(lookedUp).toEqual(["b"]);
  });

  it("does not keep a row that was read before a put of it ended (F5)", async () => {
    const store = new CachingStore(rows, {}, clock);
    rows.delayMs = 10;
    const stale = store.get(["a", "b"], forever);
    await clock.turn();
    rows.delayMs = 0;
    await store.put([{ key: "a", vector: Float32Array.of(42) }]);
    await clock.advance(10);
    expect(values(await stale)).toEqual([0, 1]);
    lookedUp.length = 0;
    expect(values(await store.get(["a", "b"], forever))).toEqual([42, 1]);
    expect(lookedUp).toEqual(["a"]);
  });

  it("does not keep failures, nor stand-ins of a store behind (F9)", async () => {
    rows.failureFraction = 1;
    const failing = new CachingStore(rows, { negativeTtlMs: 1_000 }, clock);
    await expect(failing.get(["a"], forever)).rejects.toMatchObject({ code: "FeaturesUnavailable" });
    const defaulting = new CachingStore(
      new DefaultingStore(rows, { vector: Float32Array.of(-1) }),
      {},
      clock,
    );
    expect(values(await defaulting.get(["a"], forever))).toEqual([-1]);
    rows.failureFraction = 0;
    expect(values(await failing.get(["a"], forever))).toEqual([0]);
    expect(values(await defaulting.get(["a"], forever))).toEqual([0]);
  });

  it("answers getNow for cached rows although the store behind cannot", async () => {
    const store = new CachingStore(rows, {}, clock);
    expect(store.getNow(["a"])).toBeUndefined();
    await store.get(["a"], forever);
    expect(values(store.getNow(["a"]) ?? [])).toEqual([0]);
    expect(store.getNow(["a", "b"])).toBeUndefined();
  });

  it("refuses unknown and unfit options by name", () => {
    expect(() => new CachingStore(rows, { ttl: 1 } as object)).toThrow(/option "ttl": expected one of ttlMs/);
    expect(() => new CachingStore(rows, { ttlMs: -1 })).toThrow(/option "ttlMs": expected milliseconds/);
    expect(() => new CachingStore(rows, { maxBytes: 1.5 })).toThrow(/found 1.5/);
  });

  it("never shows a version older than the last put that had ended, for any interleaving (F5)", async () => {
    const key = fc.constantFrom("a", "b", "c");
    const step = fc.oneof(
      fc.record({ put: key }),
      fc.record({ get: fc.uniqueArray(key, { minLength: 1, maxLength: 3 }) }),
      fc.record({ advanceMs: fc.integer({ min: 1, max: 15 }) }),
    );
    const knobs = fc.record({
      ttlMs: fc.constantFrom(0, 5, 1_000),
      negativeTtlMs: fc.constantFrom(0, 1_000),
      maxBytes: fc.constantFrom(500, 100_000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), knobs, async (steps, options) => {
        const time = new ManualClock();
        const inner = new MemoryStore({ delayMs: 4 }, time);
        const store = new CachingStore(
          new BatchingStore(inner, { maxBatchesInFlight: 2 }, time),
          options,
          time,
        );
        const begun = new Map<string, number>();
        const ended = new Map<string, number>();
        const outcomes: Promise<void>[] = [];
        for (const one of steps) {
          if ("advanceMs" in one) await time.advance(one.advanceMs);
          else if ("put" in one) {
            const version = (begun.get(one.put) ?? 0) + 1;
            begun.set(one.put, version);
            const written = store.put([{ key: one.put, vector: Float32Array.of(version) }]);
            outcomes.push(written.then(() => void ended.set(one.put, version)));
          } else {
            const atLeast = one.get.map((asked) => ended.get(asked) ?? 0);
            const answered = store.get(one.get, forever).then((found) => {
              one.get.forEach((asked, index) => {
                const version = found[index]?.vector[0] ?? 0;
                expect(version).toBeGreaterThanOrEqual(atLeast[index] ?? 0);
                expect(version).toBeLessThanOrEqual(begun.get(asked) ?? 0);
              });
            });
            outcomes.push(answered);
          }
        }
        await time.advance(1_000);
        await Promise.all(outcomes);
        const final = await Promise.all(
          [...begun].map(async ([asked, version]) => {
            const [now] = await Promise.all([store.get([asked], forever), time.advance(10)]);
            return now[0]?.vector[0] === version;
          }),
        );
        expect(final).not.toContain(false);
      }),
      { numRuns: 200 },
    );
  });
});
