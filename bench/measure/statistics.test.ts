import fc from "fast-check";
import { expect, test } from "vitest";
import { median, ratioSpread, spread } from "./statistics.ts";

test("a median lies in the middle", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(() => median([])).toThrow("no values");
});

test("a spread's median lies between its ends, and the input is left as it is", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 }), (values) => {
      const before = [...values];
      const found = spread(values);
      expect(found?.min).toBeLessThanOrEqual(found?.median ?? Number.NaN);
      expect(found?.max).toBeGreaterThanOrEqual(found?.median ?? Number.NaN);
      expect(values).toEqual(before);
    }),
  );
  expect(spread([])).toBeUndefined();
});

test("ratios are taken round by round, so a machine that slows down does not change them", () => {
  const fast = new Map([
    [1, 1000],
    [2, 500],
    [3, 100],
  ]);
  const slow = new Map([
    [1, 100],
    [2, 50],
    [3, 10],
  ]);
  expect(ratioSpread(fast, slow)).toEqual({ median: 10, min: 10, max: 10, rounds: 3 });
});

test("rounds that lack one of the pair, or divide by zero, are left out", () => {
  const numerators = new Map([
    [1, 4],
    [2, 9],
    [3, 5],
  ]);
  const denominators = new Map([
    [2, 3],
    [3, 0],
    [4, 1],
  ]);
  expect(ratioSpread(numerators, denominators)).toEqual({ median: 3, min: 3, max: 3, rounds: 1 });
  expect(ratioSpread(numerators, new Map())).toBeUndefined();
});
