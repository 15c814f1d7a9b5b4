import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_TRAFFIC, INSTANT_TRAFFIC, type Traffic } from "./desired-state.ts";
import {
  beginRollout,
  NOTHING_OBSERVED,
  nextMove,
  type Observed,
  type Rollout,
  type RolloutSight,
  UNHEALTHY_GRACE_MS,
} from "./rollout.ts";

const GATES: Traffic["gates"] = { maxErrorFraction: 0.1, minRequests: 10 };
const CANARY: Traffic = {
  steps: [
    { weight: 0.1, durationMs: 1000 },
    { weight: 0.5, durationMs: 2000 },
  ],
  gates: GATES,
};
const seen = (to: Partial<Observed> = {}, from: Partial<Observed> = {}, openRequests = 0): RolloutSight => ({
  from: { ...NOTHING_OBSERVED, ...from },
  to: { ...NOTHING_OBSERVED, ...to },
  openRequests,
  isHealthy: true,
});
const begun = (traffic: Traffic): Rollout => beginRollout("v1", "v2", traffic, 0).rollout;

describe("a rollout", () => {
  it.each([
    ["takes three seconds, of which little comes at first, and is not judged", 100, 0, 3000],
    ["takes three seconds where there are many whose requests take longer than a step", 0, 100, 3000],
    ["takes less than one where hardly anybody asks", 1, 1, 500],
  ])("without steps %s", (_, requests, open, atMostMs) => {
    let { rollout, weight } = beginRollout("v1", "v2", DEFAULT_TRAFFIC, 0);
    expect(weight).toBeLessThanOrEqual(0.05);
    const bad = seen({ requests, failed: requests, timed: requests, p95Ms: 1000 }, {}, open);
    for (let nowMs = 0; nowMs <= atMostMs + 100; nowMs += 50) {
      const move = nextMove(rollout, DEFAULT_TRAFFIC, bad, nowMs);
      if (move.kind === "finish") {
        expect(nowMs).toBeGreaterThan(0.8 * atMostMs);
        return expect(weight).toBe(1);
      }
      if (move.kind === "back") break;
      rollout = move.rollout;
      if (move.kind === "step") weight = move.weight;
    }
    throw new Error("it is not over");
  });

  it("has all in one instant where that is asked for, and is over", () => {
    const { rollout, weight } = beginRollout("v1", "v2", INSTANT_TRAFFIC, 0);
    expect(weight).toBe(1);
    expect(nextMove(rollout, INSTANT_TRAFFIC, seen(), 0)).toEqual({ kind: "finish" });
  });

  it("takes each step when the one before has had its time, then all", () => {
    const { rollout, weight } = beginRollout("v1", "v2", CANARY, 0);
    expect(weight).toBe(0.1);
    expect(nextMove(rollout, CANARY, seen(), 999)).toMatchObject({ kind: "stay" });
    const second = nextMove(rollout, CANARY, seen(), 1000);
    expect(second).toMatchObject({ kind: "step", weight: 0.5, rollout: { step: 1, sinceMs: 1000 } });
    const third = nextMove({ ...rollout, step: 1, sinceMs: 1000 }, CANARY, seen(), 3000);
    expect(third).toMatchObject({ kind: "step", weight: 1, rollout: { step: 2, sinceMs: 3000 } });
    expect(nextMove({ ...rollout, step: 2, sinceMs: 3000 }, CANARY, seen(), 3000)).toEqual({
      kind: "finish",
    });
  });

  it("keeps the version before for the time of a last step that gives all, and can go back in it", () => {
    const baking: Traffic = { steps: [{ weight: 1, durationMs: 500 }], gates: GATES };
    const rollout = begun(baking);
    expect(nextMove(rollout, baking, seen(), 499)).toMatchObject({ kind: "stay" });
    expect(nextMove(rollout, baking, seen({ requests: 10, failed: 5 }), 499)).toMatchObject({ kind: "back" });
    expect(nextMove(rollout, baking, seen(), 500)).toEqual({ kind: "finish" });
  });

  it("goes back as soon as too many of its requests failed, and says how many (RO1)", () => {
    const move = nextMove(begun(CANARY), CANARY, seen({ requests: 20, failed: 3, p95Ms: 5 }), 1);
    expect(move).toEqual({ kind: "back", reason: "3 of 20 requests failed (15 %, at most 10 % may)" });
    expect(nextMove(begun(CANARY), CANARY, seen({ requests: 20, failed: 2 }), 1)).toMatchObject({
      kind: "stay",
    });
  });

  it("goes back for its p95, against a number or the version before (RO1)", () => {
    const bounded: Traffic = { ...CANARY, gates: { ...GATES, maxP95Ms: 20 } };
    expect(
      nextMove(begun(bounded), bounded, seen({ requests: 10, timed: 10, p95Ms: 20.04 }), 1),
    ).toMatchObject({
      kind: "back",
      reason: "its p95 was 20 ms, and may be 20 ms",
    });
    const compared: Traffic = { ...CANARY, gates: { ...GATES, maxP95Factor: 1.5 } };
    const both = (toMs: number) =>
      seen({ requests: 10, timed: 10, p95Ms: toMs }, { requests: 90, timed: 90, p95Ms: 10 });
    expect(nextMove(begun(compared), compared, both(15), 1)).toMatchObject({ kind: "stay" });
    expect(nextMove(begun(compared), compared, both(16), 1)).toMatchObject({ kind: "back" });
  });

  it("concludes nothing from few requests, of either version (RO2)", () => {
    expect(nextMove(begun(CANARY), CANARY, seen({ requests: 9, failed: 9 }), 1)).toMatchObject({
      kind: "stay",
    });
    const compared: Traffic = { ...CANARY, gates: { ...GATES, maxP95Factor: 1.5 } };
    const few = seen({ requests: 10, timed: 10, p95Ms: 100 }, { requests: 9, timed: 9, p95Ms: 1 });
    expect(nextMove(begun(compared), compared, few, 1)).toMatchObject({ kind: "stay" });
  });

  it("concludes nothing from latencies of code that is cold (RO2)", () => {
    const compared: Traffic = { ...CANARY, gates: { ...GATES, maxP95Factor: 1.5 } };
    const cold = seen({ requests: 29, timed: 9, p95Ms: 100 }, { requests: 90, timed: 90, p95Ms: 1 });
    expect(nextMove(begun(compared), compared, cold, 1)).toMatchObject({ kind: "stay" });
    const warm = seen({ requests: 30, timed: 10, p95Ms: 100 }, { requests: 90, timed: 90, p95Ms: 1 });
    expect(nextMove(begun(compared), compared, warm, 1)).toMatchObject({ kind: "back" });
  });

  it("waits for a new version that is not healthy, and gives it up when that lasts", () => {
    const ill = { ...seen(), isHealthy: false };
    const waiting = nextMove(begun(CANARY), CANARY, ill, 5000);
    expect(waiting).toMatchObject({ kind: "stay", rollout: { unhealthySinceMs: 5000 } });
    const rollout = { ...begun(CANARY), unhealthySinceMs: 5000 };
    expect(nextMove(rollout, CANARY, ill, 5000 + UNHEALTHY_GRACE_MS)).toMatchObject({ kind: "back" });
    expect(nextMove(rollout, CANARY, seen(), 500)).toMatchObject({
      kind: "stay",
      rollout: { unhealthySinceMs: undefined },
    });
  });

  it("ends whatever is seen, by weights that only rise (RO3)", () => {
    const anyTraffic = fc.record({
      steps: fc
        .array(
          fc.record({ weight: fc.double({ min: 0.01, max: 1, noNaN: true }), durationMs: fc.nat(5000) }),
          {
            maxLength: 6,
          },
        )
        .map((steps) => steps.toSorted((a, b) => a.weight - b.weight)),
      gates: fc.record({
        maxErrorFraction: fc.double({ min: 0, max: 1, noNaN: true }),
        minRequests: fc.nat(50),
        maxP95Factor: fc.double({ min: 1, max: 3, noNaN: true }),
      }),
    });
    const anySight = fc.record({
      from: fc.record({
        requests: fc.nat(100),
        failed: fc.constant(0),
        timed: fc.nat(100),
        p95Ms: fc.nat(50),
      }),
      to: fc.record({ requests: fc.nat(100), failed: fc.nat(20), timed: fc.nat(100), p95Ms: fc.nat(50) }),
      isHealthy: fc.boolean(),
    });
    fc.assert(
      fc.property(anyTraffic, fc.infiniteStream(anySight), (traffic, sights) => {
        let { rollout, weight } = beginRollout("v1", "v2", traffic, 0);
        for (let nowMs = 0; nowMs < 200_000; nowMs += 1000) {
          const move = nextMove(rollout, traffic, sights.next().value!, nowMs);
          if (move.kind === "finish" || move.kind === "back") return;
          rollout = move.rollout;
          if (move.kind === "step") {
            expect(move.weight).toBeGreaterThanOrEqual(weight);
            weight = move.weight;
          }
        }
        throw new Error("it goes on for ever");
      }),
    );
  });
});
