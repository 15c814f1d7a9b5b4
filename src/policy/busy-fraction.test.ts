import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { idleSince, learnBusy } from "./busy-fraction.ts";

describe("the busy fraction", () => {
  it("comes to the share of time that is busy, whatever the lengths of work and rest", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 20 }), (busyMs, idleMs) => {
        const fraction = idleSince(0);
        for (let nowMs = busyMs + idleMs; nowMs < 10_000; nowMs += busyMs + idleMs) {
          learnBusy(fraction, busyMs, nowMs);
        }
        expect(fraction.value).toBeCloseTo(busyMs / (busyMs + idleMs), 2);
      }),
    );
  });

  it("stays within 0 and 1, and forgets", () => {
    const fraction = idleSince(0);
    expect(learnBusy(fraction, 5_000, 1_000)).toBeGreaterThan(0.8);
    expect(learnBusy(fraction, 5_000, 1_000)).toBeLessThanOrEqual(1);
    expect(learnBusy(fraction, 0, 3_000)).toBeLessThan(0.05);
  });
});
