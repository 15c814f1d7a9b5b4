import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { BatchingStore } from "./batching-store.ts";
import { DamagedRowsError } from "./damaged-rows-error.ts";
import { describeFeatureStore } from "./feature-store.conformance.ts";
import type { FeatureEntry, FeatureRows, FeatureStore, GetOptions } from "./feature-store.ts";
import { MemoryStore } from "./memory-store.ts";

describeFeatureStore("BatchingStore", async () => new BatchingStore(new MemoryStore(), { maxBatchKeys: 7 }));

const forever = { deadlineMs: Number.POSITIVE_INFINITY };
const entries = (...keys: string[]): FeatureEntry[] =>
  keys.map((key) => ({ key, vector: Float32Array.of(key.length, key.charCodeAt(0)) }));
const values = (rows: FeatureRows) => rows.map((row) => row && [...row.vector]);

describe("BatchingStore", () => {
  let clock: ManualClock;
  let rows: MemoryStore;
  let lookedUp: (readonly string[])[];
  beforeEach(async () => {
    clock = new ManualClock();
    rows = new MemoryStore({}, clock);
    await rows.put(entries("a", "b", "c", "d", "e"));
    rows.delayMs = 10;
    lookedUp = [];
    rows.onGet = (keys) => lookedUp.push(keys);
  });

  it("looks the keys of all gets of one turn up together, each once", async () => {
    const store = new BatchingStore(rows, {}, clock);
    const gets = [store.get(["a", "b"], forever), store.get(["b"], forever), store.get(["c", "x"], forever)];
    await clock.advance(10);
    expect((await Promise.all(gets)).map(values)).toEqual([
      [
        [1, 97],
        [1, 98],
      ],
      [[1, 98]],
      [[1, 99], undefined],
    ]);
    expect(lookedUp).toEqual([["a", "b", "c", "x"]]);
    expect(store.stats()).toMatchObject({ batches: 1, keysLookedUp: 4, keysJoined: 1 });
  });

  it("joins a get to the look-up of its key that is in flight (F7)", async () => {
    const store = new BatchingStore(rows, {}, clock);
    const first = store.get(["a"], forever);
    await clock.advance(5);
    const second = store.get(["a"], forever);
    await clock.advance(5);
    expect(values(await first)).toEqual(values(await second));
    expect(lookedUp).toEqual([["a"]]);
  });

  it("forms a batch when one is free, from all that waits, and bounds its size (F6)", async () => {
    const store = new BatchingStore(rows, { maxBatchesInFlight: 1, maxBatchKeys: 3 }, clock);
    const gets = [store.get(["a"], forever)];
    await clock.turn();
    for (const key of ["b", "c", "d", "e"]) {
      gets.push(store.get([key], forever));
      await clock.turn();
    }
    expect(lookedUp).toEqual([["a"]]);
    expect(store.stats()).toMatchObject({ batchesInFlight: 1, queuedKeys: 4 });
    await clock.advance(30);
    await Promise.all(gets);
    expect(lookedUp).toEqual([["a"], ["b", "c", "d"], ["e"]]);
  });

  it("refuses at once what exceeds the queue, and says what to raise (F6)", async () => {
    const store = new BatchingStore(rows, { maxQueuedKeys: 2 }, clock);
    const fits = store.get(["a", "b"], forever);
    await expect(store.get(["c"], forever)).rejects.toMatchObject({
      code: "FeaturesUnavailable",
      started: "no",
      message: expect.stringContaining("maxQueuedKeys (2)"),
    });
    const joins = store.get(["a"], forever);
    await clock.advance(10);
    await Promise.all([fits, joins]);
    expect(store.stats().getsRefused).toBe(1);
  });

  it("ends each get at its own deadline, and lets the look-up go on for the others (F2, F7)", async () => {
    const store = new BatchingStore(rows, {}, clock);
    const hasty = expect(store.get(["a"], { deadlineMs: clock.now() + 4 })).rejects.toMatchObject({
      code: "DeadlineExceeded",
    });
    const patient = store.get(["a", "b"], { deadlineMs: clock.now() + 100 });
    await clock.advance(4);
    await hasty;
    await clock.advance(6);
    expect(values(await patient)).toEqual([
      [1, 97],
      [1, 98],
    ]);
    expect(lookedUp).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  it("does not let one caller's cancellation end the look-up of others (F7)", async () => {
    const store = new BatchingStore(rows, {}, clock);
    const controller = new AbortController();
    const cancelled = expect(
      store.get(["a"], { ...forever, signal: controller.signal }),
    ).rejects.toMatchObject({
      code: "Cancelled",
    });
    const other = store.get(["a"], forever);
    await clock.turn();
    controller.abort();
    await cancelled;
    await clock.advance(10);
    expect(values(await other)).toEqual([[1, 97]]);
  });

  it("aborts a look-up that nobody waits for any more, and starts anew for the next get (F7)", async () => {
    rows.hangs = true;
    const store = new BatchingStore(rows, {}, clock);
    const controller = new AbortController();
    const cancelled = expect(
      store.get(["a"], { ...forever, signal: controller.signal }),
    ).rejects.toMatchObject({
      code: "Cancelled",
    });
    await clock.turn();
    expect(store.stats().batchesInFlight).toBe(1);
    controller.abort();
    await cancelled;
    expect(store.stats().batchesInFlight).toBe(0);
    expect(clock.pending).toBe(0);
    rows.hangs = false;
    const next = store.get(["a"], forever);
    await clock.advance(10);
    expect(values(await next)).toEqual([[1, 97]]);
  });

  it("never looks up a queued key whose callers have gone (F2)", async () => {
    const store = new BatchingStore(rows, { maxBatchesInFlight: 1 }, clock);
    const first = store.get(["a"], forever);
    await clock.turn();
    const expired = expect(store.get(["b"], { deadlineMs: clock.now() + 3 })).rejects.toMatchObject({
      code: "DeadlineExceeded",
    });
    await clock.advance(10);
    await expired;
    await first;
    expect(lookedUp).toEqual([["a"]]);
  });

  it("does not start what expired while the event loop was blocked and its timer is late (F2)", async () => {
    const store = new BatchingStore(rows, {}, clock);
    const expired = expect(store.get(["a"], { deadlineMs: clock.now() + 3 })).rejects.toMatchObject({
      code: "DeadlineExceeded",
    });
    const patient = store.get(["b"], { deadlineMs: clock.now() + 100 });
    clock.block(5);
    await clock.turn();
    await expired;
    await clock.advance(10);
    expect(values(await patient)).toEqual([[1, 98]]);
    expect(lookedUp).toEqual([["b"]]);
  });

  it("does not join a get to a look-up that is being aborted (F7)", async () => {
    const store = new BatchingStore(rows, {}, clock);
    const controller = new AbortController();
    const cancelled = expect(
      store.get(["a"], { ...forever, signal: controller.signal }),
    ).rejects.toMatchObject({
      code: "Cancelled",
    });
    await clock.turn();
    controller.abort();
    const next = store.get(["a"], forever);
    await cancelled;
    await clock.advance(10);
    expect(values(await next)).toEqual([[1, 97]]);
  });

  it("lets a get whose look-up ran out of time join a newer look-up of its key (F5, F7)", async () => {
    rows.hangs = true;
    const store = new BatchingStore(rows, {}, clock);
    const first = expect(store.get(["a"], { deadlineMs: clock.now() + 5 })).rejects.toMatchObject({
      code: "DeadlineExceeded",
    });
    await clock.turn();
    const second = store.get(["a"], { deadlineMs: clock.now() + 50 });
    rows.hangs = false;
    rows.delayMs = 0;
    await store.put([{ key: "a", vector: Float32Array.of(42) }]);
    rows.delayMs = 20;
    const third = store.get(["a"], { deadlineMs: clock.now() + 50 });
    await clock.advance(20);
    await first;
    expect((await Promise.all([second, third])).map(values)).toEqual([[[42]], [[42]]]);
    expect(lookedUp).toEqual([["a"], ["a"]]);
  });

  it("looks up again for a get that joined late and has more time than the batch had (F7)", async () => {
    rows.hangs = true;
    const store = new BatchingStore(rows, {}, clock);
    const first = expect(store.get(["a"], { deadlineMs: clock.now() + 5 })).rejects.toMatchObject({
      code: "DeadlineExceeded",
    });
    await clock.advance(2);
    const second = store.get(["a"], { deadlineMs: clock.now() + 50 });
    rows.hangs = false;
    await clock.advance(3);
    await first;
    await clock.advance(10);
    expect(values(await second)).toEqual([[1, 97]]);
    expect(lookedUp).toEqual([["a"], ["a"]]);
  });

  it("fails all gets of a batch when the store fails, and keeps serving", async () => {
    rows.failureFraction = 1;
    const store = new BatchingStore(rows, {}, clock);
    const failed = Promise.allSettled([store.get(["a"], forever), store.get(["b"], forever)]);
    await clock.advance(10);
    expect(await failed).toMatchObject([
      { status: "rejected", reason: { code: "FeaturesUnavailable" } },
      { status: "rejected", reason: { code: "FeaturesUnavailable" } },
    ]);
    rows.failureFraction = 0;
    const next = store.get(["a"], forever);
    await clock.advance(10);
    expect(values(await next)).toEqual([[1, 97]]);
  });

  it("spares the neighbours of a damaged row (F4)", async () => {
    const store = new BatchingStore(new DamagedStore(["b", "d"]), {}, clock);
    const outcome = Promise.allSettled(["a", "b", "c", "d"].map((key) => store.get([key], forever)));
    const both = expect(store.get(["a", "b"], forever)).rejects.toBeInstanceOf(DamagedRowsError);
    await clock.advance(0);
    await clock.advance(0);
    await clock.advance(0);
    expect((await outcome).map((one) => one.status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "rejected",
    ]);
    await both;
  });

  it("turns whatever a store throws, or a wrong number of rows, into FeaturesUnavailable (F3)", async () => {
    for (const get of [async () => [], () => Promise.reject(new TypeError("a bug of the store"))]) {
      const inner: FeatureStore = { get, put: async () => {}, close: async () => {} };
      const store = new BatchingStore(inner, {}, clock);
      const failed = expect(store.get(["a"], forever)).rejects.toMatchObject({ code: "FeaturesUnavailable" });
      await clock.turn();
      await failed;
    }
  });

  it("does not join a get that follows a put to a look-up that began before it (F5)", async () => {
    const store = new BatchingStore(rows, {}, clock);
    const before = store.get(["a"], forever);
    await clock.turn();
    rows.delayMs = 0;
    await store.put([{ key: "a", vector: Float32Array.of(42) }]);
    const after = store.get(["a"], forever);
    await clock.advance(10);
    expect(values(await after)).toEqual([[42]]);
    expect(values(await before)).toEqual([[1, 97]]);
  });

  it("ends queued and running gets when it closes, and leaves no timer (F8)", async () => {
    const store = new BatchingStore(rows, { maxBatchesInFlight: 1 }, clock);
    const running = store.get(["a"], { deadlineMs: clock.now() + 100 });
    await clock.turn();
    const queued = store.get(["b"], { deadlineMs: clock.now() + 100 });
    const both = Promise.allSettled([running, queued]);
    await store.close();
    const closed = { status: "rejected", reason: { code: "FeaturesUnavailable" } };
    expect(await both).toMatchObject([closed, closed]);
    expect(clock.pending).toBe(0);
  });

  it("ends a get that has not left its turn when it closes (F8)", async () => {
    const store = new BatchingStore(rows, {}, clock);
    const pending = expect(store.get(["a"], forever)).rejects.toMatchObject({ code: "FeaturesUnavailable" });
    await store.close();
    await pending;
    expect(clock.pending).toBe(0);
    expect(lookedUp).toEqual([]);
  });

  it("answers at once, without a batch, where the store behind does", async () => {
    const store = new BatchingStore(new MemoryStore({ immediate: true }, clock), {}, clock);
    await store.put(entries("a"));
    expect(values(await store.get(["a", "x"], forever))).toEqual([[1, 97], undefined]);
    expect(store.stats().batches).toBe(0);
  });

  it("gives what the store itself gives, for any interleaving of gets, endings and failures", async () => {
    const key = fc.constantFrom("a", "b", "c", "d", "e", "x", "y");
    const get = fc.record({
      keys: fc.array(key, { maxLength: 5 }),
      timeMs: fc.integer({ min: 1, max: 40 }),
      cancelAfterMs: fc.option(fc.integer({ min: 0, max: 30 }), { freq: 4 }),
      pauseMs: fc.integer({ min: 0, max: 8 }),
    });
    const knobs = fc.record({
      maxBatchKeys: fc.integer({ min: 1, max: 4 }),
      maxBatchesInFlight: fc.integer({ min: 1, max: 3 }),
      maxQueuedKeys: fc.integer({ min: 3, max: 20 }),
    });
    const direct = new Map(entries("a", "b", "c", "d", "e").map((entry) => [entry.key, [...entry.vector]]));
    await fc.assert(
      fc.asyncProperty(
        fc.array(get, { minLength: 1, maxLength: 25 }),
        knobs,
        fc.constantFrom(0, 0.3),
        async (gets, options, failureFraction) => {
          const time = new ManualClock();
          const inner = new MemoryStore({}, time);
          await inner.put(entries("a", "b", "c", "d", "e"));
          inner.delayMs = 6;
          inner.failureFraction = failureFraction;
          const store = new BatchingStore(inner, options, time);
          const outcomes: Promise<void>[] = [];
          for (const { keys, timeMs, cancelAfterMs, pauseMs } of gets) {
            const controller = new AbortController();
            const deadlineMs = time.now() + timeMs;
            if (cancelAfterMs !== null) time.after(cancelAfterMs, () => controller.abort());
            const answer = store.get(keys, { deadlineMs, signal: controller.signal }).then(
              (rows) => expect(values(rows)).toEqual(keys.map((one) => direct.get(one))),
              (error: unknown) => {
                const { code } = TuttiError.from(error);
                const allowed = ["DeadlineExceeded"];
                if (cancelAfterMs !== null) allowed.push("Cancelled");
                if (failureFraction > 0 || store.stats().getsRefused > 0) allowed.push("FeaturesUnavailable");
                expect(allowed).toContain(code);
              },
            );
            outcomes.push(answer.then(() => expect(time.now()).toBeLessThanOrEqual(deadlineMs)));
            await time.advance(pauseMs);
          }
          await time.advance(200);
          await Promise.all(outcomes);
          expect(store.stats()).toMatchObject({ queuedKeys: 0, batchesInFlight: 0 });
          expect(time.pending).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });
});

/** A store with rows for all keys, some of them damaged. */
class DamagedStore implements FeatureStore {
  readonly #damaged: readonly string[];

  constructor(damaged: readonly string[]) {
    this.#damaged = damaged;
  }

  async get(keys: readonly string[], _options: GetOptions): Promise<FeatureRows> {
    // Reports one at a time, the worst case for those that share its batch.
    const [first] = keys.filter((key) => this.#damaged.includes(key));
    if (first !== undefined) throw new DamagedRowsError("test", [first], "it has a hole");
    return keys.map(() => ({ vector: Float32Array.of(1), defaulted: false }));
  }

  async put(): Promise<void> {}

  async close(): Promise<void> {}
}
