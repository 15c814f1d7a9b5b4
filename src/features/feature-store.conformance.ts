import { getEventListeners } from "node:events";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MAX_KEY_LENGTH, MAX_KEYS_PER_GET, MAX_VECTOR_LENGTH } from "./check-features.ts";
import type { FeatureEntry, FeatureRows, FeatureStore } from "./feature-store.ts";

/** Far enough never to be what ends a test. */
const inTime = () => ({ deadlineMs: performance.now() + 30_000 });

/** The bits, since NaN equals nothing and -0 equals 0. */
function bits(rows: FeatureRows): (number[] | undefined)[] {
  return rows.map((row) => row && [...new Uint32Array(row.vector.slice().buffer)]);
}

const row = (key: string, ...values: number[]): FeatureEntry => ({ key, vector: Float32Array.from(values) });

export interface ConformanceOptions {
  /** Rounds of the property tests; fewer for a store behind a network. Default 100. */
  readonly propertyRuns?: number;
}

/**
 * What every `FeatureStore` promises (F1 to F5, F8; the others need a store that misbehaves and have tests of their own).
 *
 * @param open gives a new, empty store that uses the system's clock; the suite closes it.
 */
export function describeFeatureStore(
  name: string,
  open: () => Promise<FeatureStore>,
  options: ConformanceOptions = {},
): void {
  const numRuns = options.propertyRuns ?? 100;

  describe(`${name} as a FeatureStore`, () => {
    let store: FeatureStore;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    it("answers in the order of the keys, with undefined for those it does not hold (F1)", async () => {
      await store.put([row("a", 1), row("b", 2, 3), row("c", 4)]);
      const rows = await store.get(["c", "nobody", "a", "b"], inTime());
      expect(rows).toHaveLength(4);
      expect(rows.map((one) => one && [...one.vector])).toEqual([[4], undefined, [1], [2, 3]]);
    });

    it("answers a key that is asked for twice twice (F1)", async () => {
      await store.put([row("a", 1)]);
      const rows = await store.get(["a", "nobody", "a", "nobody"], inTime());
      expect(rows.map((one) => one && [...one.vector])).toEqual([[1], undefined, [1], undefined]);
    });

    it("answers no keys with no rows (F1)", async () => {
      expect(await store.get([], inTime())).toEqual([]);
    });

    it("takes a get without a deadline", async () => {
      await store.put([row("a", 1)]);
      const rows = await store.get(["a"], { deadlineMs: Number.POSITIVE_INFINITY });
      expect(rows[0]?.vector).toEqual(Float32Array.of(1));
    });

    it("gives back every bit of a vector, also of NaN, -0, infinities and subnormals (F4)", async () => {
      const special = Float32Array.of(Number.NaN, -0, Number.POSITIVE_INFINITY, -1e-40, 3.4028235e38, 0.1);
      new Uint32Array(special.buffer)[0] = 0x7fc12345;
      await store.put([{ key: "special", vector: special }]);
      expect(bits(await store.get(["special"], inTime()))).toEqual([[...new Uint32Array(special.buffer)]]);
    });

    it("stores a vector that is a window of a larger buffer (F4)", async () => {
      const large = Float32Array.from({ length: 100 }, (_, index) => index);
      await store.put([{ key: "window", vector: large.subarray(7, 10) }]);
      large.fill(-1);
      expect((await store.get(["window"], inTime()))[0]?.vector).toEqual(Float32Array.of(7, 8, 9));
    });

    it("marks rows of the store as not defaulted (F9)", async () => {
      await store.put([row("a", 1)]);
      expect((await store.get(["a"], inTime()))[0]?.defaulted).toBe(false);
    });

    it("holds the longest key and the longest vector", async () => {
      const key = "é".repeat(MAX_KEY_LENGTH);
      const vector = new Float32Array(MAX_VECTOR_LENGTH).fill(0.5);
      await store.put([{ key, vector }]);
      expect((await store.get([key], inTime()))[0]?.vector).toEqual(vector);
    });

    it("tells keys apart that differ in case, accents, length or composition", async () => {
      const keys = ["a", "A", "á", "a\u0301", "aa", " a", "a ", "😀", "a\u0001"];
      await store.put(keys.map((key, index) => row(key, index)));
      const rows = await store.get(keys, inTime());
      expect(rows.map((one) => one?.vector[0])).toEqual(keys.map((_, index) => index));
    });

    it("answers a get of more keys than a batch of any layer takes", async () => {
      const keys = Array.from({ length: 250 }, (_, index) => `player-${index}`);
      await store.put(keys.filter((_, index) => index % 3 > 0).map((key) => row(key, Number(key.slice(7)))));
      const rows = await store.get(keys, inTime());
      expect(rows.map((one) => one?.vector[0])).toEqual(
        keys.map((_, index) => (index % 3 > 0 ? index : undefined)),
      );
    });

    it("answers each of many concurrent gets with its own rows", async () => {
      const keys = Array.from({ length: 120 }, (_, index) => `player-${index}`);
      await store.put(keys.map((key, index) => row(key, index)));
      const answers = await Promise.all(
        keys.map((key, index) => store.get([key, "nobody", keys[(index * 7) % 120] ?? ""], inTime())),
      );
      expect(answers.map((rows) => rows.map((one) => one?.vector[0]))).toEqual(
        keys.map((_, index) => [index, undefined, (index * 7) % 120]),
      );
    });

    it("takes an empty put, and a put from any iterable", async () => {
      await store.put([]);
      await store.put(new Set([row("a", 1)]));
      expect((await store.get(["a"], inTime()))[0]?.vector).toEqual(Float32Array.of(1));
    });

    it("keeps the last of two rows with one key in one put", async () => {
      await store.put([row("a", 1), row("b", 9), row("a", 2)]);
      expect((await store.get(["a"], inTime()))[0]?.vector).toEqual(Float32Array.of(2));
    });

    it("shows a row as it was put last, also when it was asked for before (F5)", async () => {
      for (let version = 0; version < 10; version += 1) {
        const before = store.get(["a"], inTime());
        await store.put([row("a", version)]);
        expect((await store.get(["a"], inTime()))[0]?.vector[0]).toBe(version);
        await before;
      }
    });

    it("answers as a map would, whatever is put and asked for (F1, F4, F5)", async () => {
      const key = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 8 });
      const vector = fc.float32Array({ minLength: 1, maxLength: 20 });
      const step = fc.oneof(
        fc.record({ put: fc.array(fc.record({ key, vector }), { maxLength: 30 }) }),
        fc.record({ get: fc.array(key, { maxLength: 30 }) }),
      );
      const model = new Map<string, Float32Array>();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
          for (const one of steps) {
            if ("put" in one) {
              await store.put(one.put);
              for (const entry of one.put) model.set(entry.key, entry.vector);
              continue;
            }
            const expected = one.get.map((asked) => {
              const known = model.get(asked);
              return known && { vector: known, defaulted: false };
            });
            expect(bits(await store.get(one.get, inTime()))).toEqual(bits(expected));
          }
        }),
        { numRuns },
      );
    });

    it.each<[string, unknown, string]>([
      ["no array", "a", "keys"],
      ["an empty key", ["a", ""], "keys[1]"],
      ["a key that is no string", ["a", "b", 3], "keys[2]"],
      ["a key that is too long", ["x".repeat(MAX_KEY_LENGTH + 1)], "keys[0]"],
      ["a key that is no Unicode", ["\ud800"], "keys[0]"],
      ["too many keys", Array.from({ length: MAX_KEYS_PER_GET + 1 }, String), "keys"],
    ])("refuses a get with %s and says where (F3)", async (_, keys, path) => {
      await expect(store.get(keys as string[], inTime())).rejects.toMatchObject({
        code: "InvalidArgument",
        path,
        started: "no",
      });
    });

    it.each<[string, unknown, string]>([
      ["no iterable", 3, "rows"],
      ["a row that is null", [null], "rows[0]"],
      ["an empty key", [row("", 1)], "rows[0].key"],
      ["a vector of another type", [row("a", 1), { key: "b", vector: [1, 2] }], "rows[1].vector"],
      ["an empty vector", [row("a")], "rows[0].vector"],
      [
        "a vector that is too long",
        [{ key: "a", vector: new Float32Array(MAX_VECTOR_LENGTH + 1) }],
        "rows[0].vector",
      ],
    ])("refuses a put with %s, says where and writes nothing (F3)", async (_, rows, path) => {
      const good = row("good", 1);
      const all = Array.isArray(rows) ? [...rows, good] : rows;
      await expect(store.put(all as FeatureEntry[])).rejects.toMatchObject({ code: "InvalidArgument", path });
      expect(await store.get(["good"], inTime())).toEqual([undefined]);
    });

    it("is not disturbed by a bad get among good ones", async () => {
      await store.put([row("a", 1)]);
      const [good, bad] = await Promise.allSettled([store.get(["a"], inTime()), store.get([""], inTime())]);
      expect(good).toMatchObject({ status: "fulfilled" });
      expect(bad).toMatchObject({ status: "rejected", reason: { code: "InvalidArgument" } });
    });

    it("does not start a get whose deadline has passed (F2)", async () => {
      await expect(store.get(["a"], { deadlineMs: performance.now() })).rejects.toMatchObject({
        code: "DeadlineExceeded",
        started: "no",
      });
    });

    it("does not start a get that is already cancelled (F2)", async () => {
      const signal = AbortSignal.abort();
      await expect(store.get(["a"], { ...inTime(), signal })).rejects.toMatchObject({
        code: "Cancelled",
        started: "no",
      });
    });

    it("leaves no listener on the caller's signal (F8)", async () => {
      const { signal } = new AbortController();
      await store.put([row("a", 1)]);
      await store.get(["a"], { ...inTime(), signal });
      await store.get(["nobody"], { ...inTime(), signal });
      expect(getEventListeners(signal, "abort")).toEqual([]);
    });

    it.each([Number.NaN, Date.now() + 100, undefined])("refuses %s as a deadline", async (deadlineMs) => {
      await expect(store.get(["a"], { deadlineMs: deadlineMs as number })).rejects.toMatchObject({
        code: "InvalidArgument",
        path: "options.deadlineMs",
      });
    });

    it("answers getNow, where it does, as get would", async () => {
      await store.put([row("a", 1), row("b", 2)]);
      const rows = await store.get(["b", "nobody", "a"], inTime());
      const now = store.getNow?.(["b", "nobody", "a"]);
      if (now !== undefined) expect(bits(now)).toEqual(bits(rows));
    });

    it("fails once it is closed, and closes twice without harm (F8)", async () => {
      await store.put([row("a", 1)]);
      await store.close();
      await store.close();
      const closed = { code: "FeaturesUnavailable", message: expect.stringContaining("closed") };
      await expect(store.get(["a"], inTime())).rejects.toMatchObject(closed);
      await expect(store.put([row("a", 1)])).rejects.toMatchObject(closed);
    });

    it("ends a get that is under way when it closes, one way or the other (F8)", async () => {
      await store.put([row("a", 1)]);
      const pending = store.get(["a"], inTime());
      const [outcome] = await Promise.all([Promise.allSettled([pending]), store.close()]);
      if (outcome[0].status === "rejected") {
        expect(outcome[0].reason).toMatchObject({ code: "FeaturesUnavailable" });
      } else {
        expect(outcome[0].value[0]?.vector).toEqual(Float32Array.of(1));
      }
    });
  });
}
