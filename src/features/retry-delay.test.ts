import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { retryDelayMs } from "./retry-delay.ts";

const policy = { maxAttempts: 4, firstDelayMs: 10, maxDelayMs: 25 };

describe("retryDelayMs", () => {
  it("doubles its ceiling with each failure, up to the longest pause", () => {
    const almostOne = 1 - 1e-9;
    const delays = [1, 2, 3].map((failures) => retryDelayMs(policy, failures, 1e6, almostOne) ?? Number.NaN);
    expect(delays.map(Math.round)).toEqual([10, 20, 25]);
  });

  it("gives up when the attempts are used up", () => {
    expect(retryDelayMs(policy, 4, 1e6, 0.5)).toBeUndefined();
  });

  it("never pauses for more than half the time left, nor for less than nothing", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.double({ min: -100, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, remainingMs, uniform) => {
          const delayMs = retryDelayMs(policy, failures, remainingMs, uniform) ?? Number.NaN;
          expect(delayMs).toBeGreaterThanOrEqual(0);
          expect(delayMs).toBeLessThanOrEqual(Math.max(0, remainingMs / 2));
        },
      ),
    );
  });
});
