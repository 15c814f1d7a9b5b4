import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isHedgeWorthwhile, type SlowCall } from "./hedge.ts";

const call: SlowCall = {
  elapsedUs: 20_000,
  predictedUs: 2_000,
  leftUs: 1e6,
  otherUs: 3_000,
  otherBusyFraction: 0.3,
};
const us = fc.integer({ min: 0, max: 10_000_000 });

describe("isHedgeWorthwhile", () => {
  it.each([
    ["a call that is long overdue, where another would be quick", {}, true],
    ["a call that is predicted to take so long, and longer than elsewhere", { predictedUs: 40_000 }, true],
    ["a call that will be done before another would", { predictedUs: 21_000 }, false],
    ["a call that another would not be in time for", { leftUs: 2_000 }, false],
    ["a call whose other replica is busy", { otherBusyFraction: 0.71 }, false],
    ["a call whose other replica is as slow", { otherUs: 30_000 }, false],
  ] as const)("of %s", (_, fields, worthwhile) => {
    expect(isHedgeWorthwhile({ ...call, ...fields }, 0.7)).toBe(worthwhile);
  });

  it("never is when the other lane is too busy or too late, and more likely the longer a call is overdue", () => {
    fc.assert(
      fc.property(
        us,
        us,
        us,
        us,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (elapsedUs, predictedUs, leftUs, otherUs, otherBusyFraction) => {
          const slow = { elapsedUs, predictedUs, leftUs, otherUs, otherBusyFraction };
          if (!isHedgeWorthwhile(slow, 0.7)) return;
          expect(otherBusyFraction).toBeLessThanOrEqual(0.7);
          expect(otherUs).toBeLessThan(leftUs);
          if (elapsedUs > predictedUs) {
            expect(isHedgeWorthwhile({ ...slow, elapsedUs: elapsedUs * 2 }, 0.7)).toBe(true);
          }
        },
      ),
    );
  });
});
