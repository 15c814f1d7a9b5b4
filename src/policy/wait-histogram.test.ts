import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addWait, clearWaits, emptyWaits, medianWaitMs } from "./wait-histogram.ts";

const waits = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 200 });

function histogramOf(values: readonly number[]) {
  const histogram = emptyWaits();
  for (const value of values) addWait(histogram, value);
  return histogram;
}

describe("the median of a histogram of waits", () => {
  it("is within a class of the true one", () => {
    fc.assert(
      fc.property(waits, (values) => {
        const sorted = values.toSorted((a, b) => a - b);
        const lower = sorted[Math.ceil(values.length / 2) - 1]!;
        const median = medianWaitMs(histogramOf(values));
        expect(median).toBeGreaterThanOrEqual(lower / 1.2 - 0.25);
        expect(median).toBeLessThanOrEqual(lower * 1.2 + 0.25);
      }),
    );
  });

  it("is 0 without waits, and again after they were cleared", () => {
    const histogram = histogramOf([5, 6, 7]);
    expect(medianWaitMs(emptyWaits())).toBe(0);
    clearWaits(histogram);
    expect([medianWaitMs(histogram), histogram.total]).toEqual([0, 0]);
  });

  it("takes no more memory for more waits, nor for longer ones (A3)", () => {
    const histogram = histogramOf([0, Number.MIN_VALUE, 1e9, Number.MAX_VALUE]);
    for (let i = 0; i < 10_000; i++) addWait(histogram, i);
    expect(histogram.counts).toHaveLength(emptyWaits().counts.length);
    expect(histogram.counts.reduce((sum, count) => sum + count)).toBe(10_004);
  });
});
