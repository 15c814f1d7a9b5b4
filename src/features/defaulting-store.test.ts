import { beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { CachingStore } from "./caching-store.ts";
import { DefaultingStore } from "./defaulting-store.ts";
import { describeFeatureStore } from "./feature-store.conformance.ts";
import { MemoryStore } from "./memory-store.ts";

const vector = Float32Array.of(-1, -2);
describeFeatureStore("DefaultingStore", async () => new DefaultingStore(new MemoryStore(), { vector }));

describe("DefaultingStore", () => {
  const forever = { deadlineMs: Number.POSITIVE_INFINITY };
  let clock: ManualClock;
  let rows: MemoryStore;
  beforeEach(async () => {
    clock = new ManualClock();
    rows = new MemoryStore({}, clock);
    await rows.put([{ key: "a", vector: Float32Array.of(1, 2) }]);
  });

  it("stands in, flagged, for rows of a store that fails (F9)", async () => {
    rows.failureFraction = 1;
    const store = new DefaultingStore(rows, { vector }, clock);
    expect(await store.get(["a", "x"], forever)).toEqual([
      { vector, defaulted: true },
      { vector, defaulted: true },
    ]);
    expect(store.stats()).toEqual({ rowsDefaulted: 2 });
  });

  it("stands in at its timeout when the store hangs, long before the caller's deadline (F9)", async () => {
    rows.hangs = true;
    const store = new DefaultingStore(rows, { vector, timeoutMs: 20 }, clock);
    const start = clock.now();
    let endedAtMs = 0;
    const pending = store.get(["a"], { deadlineMs: start + 1_000 }).then((found) => {
      endedAtMs = clock.now();
      return found;
    });
    await clock.advance(50);
    expect(await pending).toEqual([{ vector, defaulted: true }]);
    expect(endedAtMs - start).toBe(20);
    expect(clock.pending).toBe(0);
  });

  it("leaves an unknown key undefined: that is an answer", async () => {
    const store = new DefaultingStore(rows, { vector }, clock);
    expect(await store.get(["x"], forever)).toEqual([undefined]);
  });

  it("stands in only for what is not cached when the store fails", async () => {
    const store = new DefaultingStore(new CachingStore(rows, {}, clock), { vector }, clock);
    await store.get(["a"], forever);
    rows.failureFraction = 1;
    expect(await store.get(["b", "a"], forever)).toEqual([
      { vector, defaulted: true },
      { vector: Float32Array.of(1, 2), defaulted: false },
    ]);
  });

  it("keeps the stand-in its own when the caller changes the vector it gave", async () => {
    const mutable = Float32Array.of(5);
    const store = new DefaultingStore(rows, { vector: mutable }, clock);
    mutable[0] = 6;
    rows.failureFraction = 1;
    expect((await store.get(["a"], forever))[0]?.vector[0]).toBe(5);
  });

  it("passes cancellation on", async () => {
    rows.hangs = true;
    const store = new DefaultingStore(rows, { vector }, clock);
    const controller = new AbortController();
    const pending = store.get(["a"], { ...forever, signal: controller.signal });
    controller.abort();
    await expect(pending).rejects.toMatchObject({ code: "Cancelled" });
  });

  it("refuses an option that is missing, unknown or unfit by name", () => {
    expect(() => new DefaultingStore(rows, {} as never)).toThrow(/option "vector": expected a Float32Array/);
    expect(() => new DefaultingStore(rows, { vector: new Float32Array() })).toThrow(/option "vector"/);
    expect(() => new DefaultingStore(rows, { vector, timeout: 3 } as never)).toThrow(/option "timeout"/);
  });
});
