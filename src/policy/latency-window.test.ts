import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emptyLatencyWindow, latencyQuantileUs, learnLatency } from "./latency-window.ts";

describe("a window of latencies", () => {
  it("gives quantiles that are at most 9 % above the true ones, and never below", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 20, max: 60_000_000 }), { minLength: 40, maxLength: 400 }),
        fc.constantFrom(0.5, 0.9, 0.95, 0.99),
        (latencies, quantile) => {
          const window = emptyLatencyWindow(0);
          for (const us of latencies) learnLatency(window, us, 10);
          const sorted = [...latencies].sort((a, b) => b - a);
          const exact = sorted[Math.floor(latencies.length * (1 - quantile))]!;
          const found = latencyQuantileUs(window, quantile, 10)!;
          expect(found).toBeGreaterThanOrEqual(exact * 0.999);
          expect(found).toBeLessThanOrEqual(exact * 1.091);
        },
      ),
    );
  });

  it("says nothing before it knows enough", () => {
    const window = emptyLatencyWindow(0);
    for (let i = 0; i < 39; i++) learnLatency(window, 1000, 0);
    expect(latencyQuantileUs(window, 0.95, 0)).toBeUndefined();
    learnLatency(window, 1000, 0);
    expect(latencyQuantileUs(window, 0.95, 0)).toBeDefined();
  });

  it("forgets what is older than its two halves, and only that", () => {
    const window = emptyLatencyWindow(0);
    for (let i = 0; i < 100; i++) learnLatency(window, 50_000, 4_000);
    for (let i = 0; i < 100; i++) learnLatency(window, 1_000, 6_000);
    expect(latencyQuantileUs(window, 0.95, 9_000)).toBeGreaterThan(50_000);
    expect(latencyQuantileUs(window, 0.95, 10_500)).toBeLessThan(1_100);
    expect(latencyQuantileUs(window, 0.95, 40_000)).toBeUndefined();
  });

  it("takes any number for a latency", () => {
    const window = emptyLatencyWindow(0);
    for (let i = 0; i < 50; i++)
      for (const us of [-1, 0, Number.NaN, Number.POSITIVE_INFINITY]) learnLatency(window, us, 0);
    expect(latencyQuantileUs(window, 0.95, 0)).toBeGreaterThan(0);
  });
});
