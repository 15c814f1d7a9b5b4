import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AdmitOptions,
  type AdmitState,
  admit,
  hasRoom,
  initialAdmit,
  LONGEST_RETRY_AFTER_SECONDS,
  left,
  retryAfterSeconds,
} from "./admit.ts";

const OPTIONS: AdmitOptions = {
  minInFlight: 4,
  maxInFlight: 100,
  maxQueueMs: 40,
  lowPriorityShare: 0.9,
  leanShare: 0.75,
  holdMs: 1000,
};

const priority = fc.constantFrom("high" as const, "low" as const);
const step = fc.record({
  afterMs: fc.double({ min: 0, max: 200, noNaN: true }),
  arrives: fc.option(priority, { nil: undefined }),
  waitMs: fc.double({ min: 0, max: 300, noNaN: true }),
  ends: fc.integer({ min: 0, max: 6 }),
});
const anyOptions = fc.record({
  minInFlight: fc.integer({ min: 2, max: 10 }),
  maxInFlight: fc.integer({ min: 2, max: 40 }),
  maxQueueMs: fc.double({ min: 1, max: 100, noNaN: true }),
  lowPriorityShare: fc.double({ min: 0, max: 1, noNaN: true }),
  leanShare: fc.double({ min: 0, max: 1, noNaN: true }),
  holdMs: fc.double({ min: 0, max: 2000, noNaN: true }),
});

/** Plays arrivals and ends; `look` sees each decision with the state before it. */
function play(
  options: AdmitOptions,
  steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
  look: (
    verdict: ReturnType<typeof admit>,
    priority: "high" | "low",
    before: AdmitState,
    nowMs: number,
  ) => void,
): AdmitState {
  const state = initialAdmit(options, 0);
  const underWay: ("high" | "low")[] = [];
  let nowMs = 0;
  for (const { afterMs, arrives, waitMs, ends } of steps) {
    nowMs += afterMs;
    if (arrives !== undefined) {
      const before = { ...state, limit: { ...state.limit } };
      const verdict = admit(state, options, arrives, nowMs);
      look(verdict, arrives, before, nowMs);
      if (!isRefused(verdict)) underWay.push(arrives);
    }
    for (const of of underWay.splice(0, ends)) {
      left(state, options, of, { waitMs, latencyMs: waitMs + 5, timeoutMs: 1500 }, nowMs);
    }
  }
  return state;
}

const steps = fc.array(step, { maxLength: 300 });
const isRefused = (verdict: string) => verdict.startsWith("refuse");

function fill(state: AdmitState, count: number, nowMs = 0): void {
  for (let i = 0; i < count; i++) expect(isRefused(admit(state, OPTIONS, "high", nowMs))).toBe(false);
}

describe("admission", () => {
  it("A4: never has more under way than the limit, and refuses high priority only at the limit", () => {
    fc.assert(
      fc.property(anyOptions, steps, (options, history) => {
        play(options, history, (verdict, of, before) => {
          const limit = Math.floor(before.limit.limit);
          if (!isRefused(verdict)) expect(before.inFlight).toBeLessThan(limit);
          if (of === "high") expect(isRefused(verdict)).toBe(before.inFlight >= limit);
        });
      }),
    );
  });

  it("A5: never admits low priority while high would be refused, nor for as long as it is held after", () => {
    fc.assert(
      fc.property(anyOptions, steps, (options, history) => {
        let lastHighRefusalMs = Number.NEGATIVE_INFINITY;
        play(options, history, (verdict, of, before, nowMs) => {
          if (of === "high" && isRefused(verdict)) lastHighRefusalMs = nowMs;
          if (of === "high" || isRefused(verdict)) return;
          expect(hasRoom(before, options, "high", nowMs)).toBe(true);
          expect(nowMs - lastHighRefusalMs).toBeGreaterThanOrEqual(options.holdMs);
        });
      }),
    );
  });

  it("A6: whoever is admitted while low priority would be refused is lean", () => {
    fc.assert(
      fc.property(anyOptions, steps, (options, history) => {
        play(options, history, (verdict, _, before, nowMs) => {
          if (isRefused(verdict) || hasRoom(before, options, "low", nowMs)) return;
          expect(verdict).toBe("lean");
        });
      }),
    );
  });

  it("asks for nothing and holds nothing while there is room", () => {
    const state = initialAdmit(OPTIONS, 0);
    expect([hasRoom(state, OPTIONS, "high", 0), hasRoom(state, OPTIONS, "low", 0)]).toEqual([true, true]);
    expect([admit(state, OPTIONS, "low", 0), admit(state, OPTIONS, "high", 0)]).toEqual(["admit", "admit"]);
    expect(state.inFlight).toBe(2);
  });

  it("gives up optional members first, then low priority, then requests", () => {
    const state = initialAdmit(OPTIONS, 0);
    const verdicts = Array.from({ length: 101 }, () => admit(state, OPTIONS, "high", 0));
    expect(verdicts.indexOf("lean")).toBe(75);
    expect(verdicts.indexOf("refuse")).toBe(100);
    const other = initialAdmit(OPTIONS, 0);
    const low = Array.from({ length: 101 }, () => admit(other, OPTIONS, "low", 0));
    expect(low.indexOf("refuse")).toBe(90);
  });

  it("keeps a stage of overload for a while after its cause has gone, and then no longer", () => {
    const state = initialAdmit(OPTIONS, 0);
    fill(state, 100);
    expect(admit(state, OPTIONS, "high", 0)).toBe("refuse");
    for (let i = 0; i < 100; i++) left(state, OPTIONS, "high", undefined, 1);
    expect(admit(state, OPTIONS, "low", 999)).toBe("refuse-held");
    expect(admit(state, OPTIONS, "high", 999)).toBe("lean");
    expect(admit(state, OPTIONS, "low", 1000)).toBe("lean");
    expect(admit(state, OPTIONS, "low", 2000)).toBe("admit");
  });

  it("leaves high priority a place that low priority cannot take, however small the limit", () => {
    const options = { ...OPTIONS, minInFlight: 2, maxInFlight: 2, lowPriorityShare: 1 };
    const state = initialAdmit(options, 0);
    expect(admit(state, options, "low", 0)).not.toBe("refuse");
    expect(admit(state, options, "low", 0)).toBe("refuse");
    expect(admit(state, options, "high", 0)).toBe("lean");
  });

  it("spreads those who come back over as many seconds as there is too much of them", () => {
    const state = initialAdmit(OPTIONS, 0);
    expect(retryAfterSeconds(state, 0.999)).toBe(1);
    fill(state, 100);
    for (let i = 0; i < 200; i++) admit(state, OPTIONS, "high", 0);
    const ended = { waitMs: 1, latencyMs: 2, timeoutMs: 1500 };
    for (let i = 1; i <= 100; i++) left(state, OPTIONS, "high", ended, 100 + i);
    expect([retryAfterSeconds(state, 0), retryAfterSeconds(state, 0.999)]).toEqual([1, 3]);
  });

  it("never sends anyone away for longer than its longest", () => {
    fc.assert(
      fc.property(
        anyOptions,
        steps,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (o, s, r) => {
          const seconds = retryAfterSeconds(
            play(o, s, () => {}),
            r,
          );
          expect(Number.isInteger(seconds)).toBe(true);
          expect(seconds).toBeGreaterThanOrEqual(1);
          expect(seconds).toBeLessThanOrEqual(LONGEST_RETRY_AFTER_SECONDS);
        },
      ),
    );
  });
});
