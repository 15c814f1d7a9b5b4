import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../clock/clock.ts";
import { DeadlineWheel } from "./deadline-wheel.ts";

const GRANULE_MS = 4;
let clock = 0;
const wheels: DeadlineWheel[] = [];

function wheelAt(startMs: number): DeadlineWheel {
  clock = startMs;
  const wheel = new DeadlineWheel(GRANULE_MS, { ...systemClock, now: () => clock });
  wheels.push(wheel);
  return wheel;
}

afterEach(() => {
  for (const wheel of wheels.splice(0)) wheel.close();
});

describe("the deadline wheel", () => {
  test("W1, W2: each entry expires once, not early, and at the first sweep at or after its time", () => {
    const plan = fc.record({
      deadlines: fc.array(fc.double({ min: 0, max: 6000, noNaN: true }), { maxLength: 30 }),
      steps: fc.array(fc.double({ min: 0.1, max: 900, noNaN: true }), { minLength: 1, maxLength: 30 }),
    });
    fc.assert(
      fc.property(plan, ({ deadlines, steps }) => {
        const wheel = wheelAt(1000);
        const expiredAt = new Map<number, number[]>();
        deadlines.forEach((afterMs, i) => {
          wheel.add(1000 + afterMs, { expire: () => expiredAt.set(i, [...(expiredAt.get(i) ?? []), clock]) });
        });
        let swept = 1000;
        const sweeps = [...steps.map((step) => (swept += step)), 10_000];
        for (const at of sweeps) {
          clock = at;
          wheel.sweep();
        }
        deadlines.forEach((afterMs, i) => {
          expect(expiredAt.get(i)).toEqual([sweeps.find((at) => at >= 1000 + afterMs)]);
        });
        expect(wheel.size).toBe(0);
        wheel.close();
      }),
    );
  });

  test("what is removed does not expire, even by another's expiry in the same sweep", () => {
    const wheel = wheelAt(0);
    const fired: string[] = [];
    const second = wheel.add(10, { expire: () => fired.push("second") });
    wheel.remove(second);
    wheel.remove(second);
    const third = () => {
      fired.push("third");
      wheel.remove(fourth);
    };
    wheel.add(10, { expire: third });
    const fourth = wheel.add(10, { expire: () => fired.push("fourth") });
    clock = 20;
    wheel.sweep();
    expect(fired).toEqual(["third"]);
    expect(wheel.size).toBe(0);
  });

  test("an entry already past, or added while expiring, is not lost", () => {
    const wheel = wheelAt(1000);
    const fired: string[] = [];
    const past = () => {
      fired.push("past");
      wheel.add(2, { expire: () => fired.push("again") });
    };
    wheel.add(1, { expire: past });
    wheel.sweep();
    wheel.sweep();
    expect(fired).toEqual(["past", "again"]);
  });

  test("its own timer sweeps", async () => {
    const wheel = new DeadlineWheel(GRANULE_MS);
    wheels.push(wheel);
    const startedAtMs = performance.now();
    await new Promise<void>((resolve) => wheel.add(startedAtMs + 30, { expire: resolve }));
    expect(performance.now()).toBeGreaterThanOrEqual(startedAtMs + 30);
  });
});
