import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs } from "./backoff.ts";

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("backoffMs", () => {
  it("doubles with each failure in a row, up to its limit", () => {
    const without = (failures: number) => backoffMs(failures, 200, 10_000, 0) * 2;
    expect([1, 2, 3, 4, 5, 6, 7, 8].map(without)).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  });

  it("lies between half of its step and the whole of it, whatever is drawn", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2000 }),
        fc.integer({ min: 1, max: 5000 }),
        random,
        (failures, first, r) => {
          const step = Math.min(10_000, first * 2 ** (failures - 1));
          const waitMs = backoffMs(failures, first, 10_000, r);
          expect(waitMs).toBeGreaterThanOrEqual(step / 2);
          expect(waitMs).toBeLessThanOrEqual(step);
        },
      ),
    );
  });

  it("spreads those who failed together", () => {
    const waits = new Set([0, 0.2, 0.4, 0.6, 0.8].map((r) => backoffMs(3, 200, 10_000, r)));
    expect(waits.size).toBe(5);
  });
});
