import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addWait, clearWaits, emptyWaits, waitQuantileMs } from "./wait-histogram.ts";

const waits = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 200 });

function histogramOf(values: readonly number[]) {
  const histogram = emptyWaits();
  for (const value of values) addWait(histogram, value);
  return histogram;
}

describe("a quantile of a histogram of waits", () => {
  it.each([0.1, 0.5])("of %d is within a class of the true one", (share) => {
    fc.assert(
      fc.property(waits, (values) => {
        const sorted = values.toSorted((a, b) => a - b);
        const lower = sorted[Math.ceil(values.length * share) - 1]!;
        const quantile = waitQuantileMs(histogramOf(values), share);
        expect(quantile).toBeGreaterThanOrEqual(lower / 1.2 - 0.25);
        expect(quantile).toBeLessThanOrEqual(lower * 1.2 + 0.25);
      }),
    );
  });

  it("is 0 without waits, and again after they were cleared", () => {
    const histogram = histogramOf([5, 6, 7]);
    expect(waitQuantileMs(emptyWaits(), 0.5)).toBe(0);
    clearWaits(histogram);
    expect([waitQuantileMs(histogram, 0.5), histogram.total]).toEqual([0, 0]);
  });

  it("takes no more memory for more waits, nor for longer ones (A3)", () => {
    const histogram = histogramOf([0, Number.MIN_VALUE, 1e9, Number.MAX_VALUE]);
    for (let i = 0; i < 10_000; i++) addWait(histogram, i);
    expect(histogram.counts).toHaveLength(emptyWaits().counts.length);
    expect(histogram.counts.reduce((sum, count) => sum + count)).toBe(10_004);
  });
});
