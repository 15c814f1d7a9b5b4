import fc from "fast-check";
import { expect, test } from "vitest";
import { poissonSchedule } from "./poisson-schedule.ts";

test("the same seed gives the same send times, another seed others", () => {
  const of = (seed: number) => poissonSchedule({ ratePerSecond: 200, durationMs: 1_000, seed });
  expect(of(7)).toEqual(of(7));
  expect(of(7)).not.toEqual(of(8));
});

test("send times ascend and lie within the duration", () => {
  fc.assert(
    fc.property(fc.double({ min: 1, max: 5_000, noNaN: true }), fc.integer(), (ratePerSecond, seed) => {
      const times = poissonSchedule({ ratePerSecond, durationMs: 500, seed });
      times.forEach((time, index) => {
        expect(time).toBeGreaterThanOrEqual(times[index - 1] ?? 0);
        expect(time).toBeLessThan(500);
      });
    }),
    { numRuns: 50 },
  );
});

test("gaps are exponential with the mean that the rate asks for", () => {
  const times = poissonSchedule({ ratePerSecond: 1_000, durationMs: 60_000, seed: 3 });
  // Five standard deviations of a Poisson count.
  expect(Math.abs(times.length - 60_000)).toBeLessThan(5 * Math.sqrt(60_000));
  const gaps = times.subarray(1).map((time, index) => time - (times[index] ?? 0));
  const longerThanMean = gaps.filter((gap) => gap > 1).length / gaps.length;
  expect(longerThanMean).toBeCloseTo(Math.exp(-1), 1);
});

test("a rising rate brings half as many while it rises, a quarter of those in the first half, and all after", () => {
  const times = poissonSchedule({ ratePerSecond: 10_000, durationMs: 4_000, seed: 5, risingMs: 2_000 });
  const between = (fromMs: number, toMs: number) =>
    times.filter((time) => time >= fromMs && time < toMs).length;
  const expectCount = (count: number, expected: number) =>
    expect(Math.abs(count - expected)).toBeLessThan(5 * Math.sqrt(expected));
  expectCount(between(0, 1_000), 2_500);
  expectCount(between(1_000, 2_000), 7_500);
  expectCount(between(2_000, 4_000), 20_000);
  expect(times.every((time, index) => time >= (times[index - 1] ?? 0))).toBe(true);
});

test("a rate that is not above zero is refused", () => {
  expect(() => poissonSchedule({ ratePerSecond: 0, durationMs: 1_000, seed: 1 })).toThrow("rate must be > 0");
});
