import { describe, expect, it } from "vitest";
import { LATENCY_BOUNDS_MS, LatencyCounts } from "./latency-counts.ts";

const classOf = (ms: number): number => {
  const counts = new LatencyCounts();
  counts.count(ms);
  return counts.snapshot().counts.indexOf(1);
};

describe("counted durations", () => {
  it("are of the first class whose bound is not below them, as Prometheus has it", () => {
    expect(classOf(0)).toBe(0);
    for (const [index, bound] of LATENCY_BOUNDS_MS.entries()) {
      expect(classOf(bound)).toBe(index);
      expect(classOf(bound * 1.01)).toBe(index + 1);
    }
    expect(classOf(3_600_000)).toBe(LATENCY_BOUNDS_MS.length);
  });

  it("add up, in number and in sum", () => {
    const counts = new LatencyCounts();
    for (const ms of [0.1, 3, 4, 99, 20_000]) counts.count(ms);
    const { counts: all, sumMs } = counts.snapshot();
    expect(all.reduce((sum, count) => sum + count, 0)).toBe(5);
    expect(sumMs).toBeCloseTo(20_106.1);
  });
});
