import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arrivalsPerMs, learnArrivals, noArrivals } from "./arrival-rate.ts";

/** Rows that come evenly, told of in portions. */
function evenly(perMs: number, portion: number, portions: number, startMs = 0) {
  const rate = noArrivals(startMs);
  let nowMs = startMs;
  for (let i = 0; i < portions; i++) {
    nowMs += portion / perMs;
    learnArrivals(rate, portion, nowMs);
  }
  return { rate, nowMs };
}

describe("the arrival rate", () => {
  it("is nothing while too few came to say anything", () => {
    const rate = noArrivals(5);
    expect(arrivalsPerMs(rate, 5)).toBe(0);
    learnArrivals(rate, 2, 6);
    expect(arrivalsPerMs(rate, 7)).toBe(0);
  });

  it("is that of rows that come evenly, however they are told", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 100, noNaN: true }),
        fc.integer({ min: 1, max: 50 }),
        (perMs, portion) => {
          const { rate, nowMs } = evenly(perMs, portion, 40);
          expect(arrivalsPerMs(rate, nowMs) / perMs).toBeCloseTo(1, 6);
        },
      ),
    );
  });

  it("falls while nothing comes", () => {
    const { rate, nowMs } = evenly(1, 1, 100);
    const before = arrivalsPerMs(rate, nowMs);
    expect(arrivalsPerMs(rate, nowMs + 1000)).toBeLessThan(before / 5);
  });

  it("follows a change within some hundred rows", () => {
    const { rate, nowMs } = evenly(1, 1, 500);
    for (let i = 1; i <= 300; i++) learnArrivals(rate, 1, nowMs + i / 10);
    expect(arrivalsPerMs(rate, nowMs + 30)).toBeGreaterThan(8);
  });

  it("learns nothing from no rows", () => {
    const { rate, nowMs } = evenly(1, 1, 100);
    const before = { ...rate };
    learnArrivals(rate, 0, nowMs + 50);
    expect(rate).toEqual(before);
  });
});
