import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { depositCalls, newBudget, refundCall, settleBudget, spendCall } from "./budget.ts";

const event = fc.oneof(
  fc.record({ kind: fc.constant("calls" as const), count: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ kind: fc.constant("spend" as const), count: fc.integer({ min: 1, max: 50 }) }),
  fc.record({ kind: fc.constant("wait" as const), count: fc.integer({ min: 0, max: 20_000 }) }),
);

describe("a budget of extra calls", () => {
  it("never allows more than its share of the calls, and what time allows", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 0, max: 20 }),
        fc.array(event, { maxLength: 100 }),
        (fraction, perSecond, events) => {
          const options = { fraction, perSecond };
          let nowMs = 500;
          const budget = newBudget(options, nowMs);
          let calls = 0;
          let spent = 0;
          for (const { kind, count } of events) {
            if (kind === "calls") {
              depositCalls(budget, options, count);
              calls += count;
            } else if (kind === "wait") nowMs += count;
            else for (let i = 0; i < count; i++) if (spendCall(budget, options, nowMs)) spent += 1;
          }
          const seconds = (nowMs - 500) / 1000 + 10;
          expect(spent).toBeLessThanOrEqual(calls * fraction + perSecond * seconds + 1e-6);
        },
      ),
    );
  });

  it("allows its share of a steady stream nearly whole", () => {
    const options = { fraction: 0.02, perSecond: 0 };
    const budget = newBudget(options, 0);
    let spent = 0;
    for (let nowMs = 0; nowMs < 60_000; nowMs += 10) {
      depositCalls(budget, options, 1);
      if (spendCall(budget, options, nowMs)) spent += 1;
    }
    expect(spent).toBeGreaterThan(6000 * 0.02 * 0.9);
  });

  it("forgets what was saved long ago", () => {
    const options = { fraction: 1, perSecond: 0 };
    const budget = newBudget(options, 0);
    depositCalls(budget, options, 1000);
    expect(spendCall(budget, options, 1000)).toBe(true);
    settleBudget(budget, options, 100_000);
    expect(spendCall(budget, options, 100_000)).toBe(false);
  });

  it("begins with what so many a second come to, and with nothing where there are none", () => {
    const floor = { fraction: 0, perSecond: 2 };
    const budget = newBudget(floor, 0);
    let spent = 0;
    while (spendCall(budget, floor, 0)) spent += 1;
    expect(spent).toBe(20);
    expect(spendCall(budget, floor, 100)).toBe(false);
    expect(spendCall(budget, floor, 1100)).toBe(true);
    expect(spendCall(newBudget({ fraction: 1, perSecond: 0 }, 0), { fraction: 1, perSecond: 0 }, 0)).toBe(
      false,
    );
  });

  it("takes back what was not needed", () => {
    const options = { fraction: 1, perSecond: 0 };
    const budget = newBudget(options, 0);
    depositCalls(budget, options, 1);
    expect(spendCall(budget, options, 0)).toBe(true);
    expect(spendCall(budget, options, 0)).toBe(false);
    refundCall(budget);
    expect(spendCall(budget, options, 0)).toBe(true);
  });
});
