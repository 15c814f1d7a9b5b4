import { describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { describeFeatureStore } from "./feature-store.conformance.ts";
import { MemoryStore } from "./memory-store.ts";

describeFeatureStore("MemoryStore", async () => new MemoryStore());
describeFeatureStore("MemoryStore with immediate answers", async () => new MemoryStore({ immediate: true }));

describe("MemoryStore", () => {
  const forever = { deadlineMs: Number.POSITIVE_INFINITY };

  it("answers after its delay, and not before", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ delayMs: 10 }, clock);
    let answered = false;
    const pending = store.get(["a"], forever).then(() => {
      answered = true;
    });
    await clock.advance(9.9);
    expect(answered).toBe(false);
    await clock.advance(0.1);
    await pending;
  });

  it("ends a get that hangs at its deadline and leaves no timer (F2, F8)", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({}, clock);
    store.hangs = true;
    const pending = expect(store.get(["a"], { deadlineMs: clock.now() + 5 })).rejects.toMatchObject({
      code: "DeadlineExceeded",
    });
    await clock.advance(5);
    await pending;
    expect(clock.pending).toBe(0);
  });

  it("ends a get that hangs when its caller cancels (F2)", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({}, clock);
    store.hangs = true;
    const controller = new AbortController();
    const pending = store.get(["a"], { ...forever, signal: controller.signal });
    controller.abort();
    await expect(pending).rejects.toMatchObject({ code: "Cancelled" });
    expect(clock.pending).toBe(0);
  });

  it("ends a get that hangs when it is closed (F8)", async () => {
    const store = new MemoryStore();
    store.hangs = true;
    const pending = store.get(["a"], forever);
    await store.close();
    await expect(pending).rejects.toMatchObject({ code: "FeaturesUnavailable" });
  });

  it("fails the same calls for the same seed, about as many as asked for", async () => {
    const outcomes = async (seed: number) => {
      const store = new MemoryStore({ failureFraction: 0.3, seed });
      const calls = Array.from({ length: 1_000 }, () => store.get(["a"], forever));
      return (await Promise.allSettled(calls)).map((outcome) => outcome.status);
    };
    const first = await outcomes(7);
    expect(await outcomes(7)).toEqual(first);
    expect(await outcomes(8)).not.toEqual(first);
    const failed = first.filter((status) => status === "rejected").length;
    expect(failed).toBeGreaterThan(230);
    expect(failed).toBeLessThan(370);
  });

  it("refuses vectors of another length than its dimensions", async () => {
    const store = new MemoryStore({ dimensions: 3 });
    await expect(store.put([{ key: "a", vector: new Float32Array(2) }])).rejects.toMatchObject({
      code: "InvalidArgument",
      message: expect.stringContaining("has 2 elements, this store takes 3"),
    });
  });
});
