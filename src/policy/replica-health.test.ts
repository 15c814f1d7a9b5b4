import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type JudgedReplica,
  judgeReplicas,
  learnAnswer,
  learnFailure,
  learnNothing,
  type ReplicaHealth,
  speaksAgainst,
  unknownHealth,
} from "./replica-health.ts";

const set = (count: number) =>
  Array.from({ length: count }, () => ({ health: unknownHealth(), isReachable: true }));
const answers = (health: ReplicaHealth, count: number, latencyUs: number, predictedUs = 1_000) => {
  for (let i = 0; i < count; i++) learnAnswer(health, latencyUs, predictedUs, i * 30);
};
const failures = (health: ReplicaHealth, count: number, nowMs = 0) => {
  for (let i = 0; i < count; i++) learnFailure(health, nowMs);
};
const isOut = ({ health }: { readonly health: ReplicaHealth }) => health.ejection.isOut;

describe("a replica that answers late", () => {
  it("costs from then on what it is later than its sibling, beyond what its cost explains", () => {
    const [late, well] = set(2) as [JudgedReplica, JudgedReplica];
    answers(late.health, 20, 31_000);
    answers(well.health, 20, 1_200);
    judgeReplicas([late, well], 0);
    expect([late, well].map(isOut)).toEqual([true, false]);
    expect(late.health.penaltyUs).toBeCloseTo(29_800, -2);
    expect(well.health.penaltyUs).toBe(0);
  });

  it("is left in use when its cost explains it, when its sibling is as late, or by too little", () => {
    for (const [first, second] of [
      [
        { latencyUs: 31_000, predictedUs: 30_000 },
        { latencyUs: 1_200, predictedUs: 1_000 },
      ],
      [
        { latencyUs: 31_000, predictedUs: 1_000 },
        { latencyUs: 29_000, predictedUs: 1_000 },
      ],
      [
        { latencyUs: 5_000, predictedUs: 1_000 },
        { latencyUs: 1_200, predictedUs: 1_000 },
      ],
    ] as const) {
      const replicas = set(2);
      answers(replicas[0]!.health, 20, first.latencyUs, first.predictedUs);
      answers(replicas[1]!.health, 20, second.latencyUs, second.predictedUs);
      judgeReplicas(replicas, 0);
      expect(replicas.map(isOut)).toEqual([false, false]);
    }
  });

  it("is left in use when some of its calls are late together, as after a pause", () => {
    const replicas = set(2);
    const { health } = replicas[0]!;
    for (let nowMs = 0; nowMs < 2_000; nowMs += 10) {
      const isPause = nowMs % 200 < 50;
      learnAnswer(health, isPause ? 80_000 : 1_100, 1_000, nowMs);
      judgeReplicas(replicas, nowMs);
    }
    expect(isOut(replicas[0]!)).toBe(false);
  });

  it("is left out for siblings to be known when it alone is, and not when none can be reached", () => {
    for (const isReachable of [true, false]) {
      const [late, unknown] = set(2) as [JudgedReplica, JudgedReplica];
      const replicas = [late, { ...unknown, isReachable }];
      answers(late.health, 20, 31_000);
      judgeReplicas(replicas, 0);
      expect(isOut(late)).toBe(isReachable);
    }
  });

  it("is tried by one call, which says how it is now", () => {
    const replicas = set(2);
    const late = replicas[0]!.health;
    answers(late, 20, 31_000);
    answers(replicas[1]!.health, 20, 1_200);
    judgeReplicas(replicas, 0);
    late.ejection.isProbing = true;
    learnAnswer(late, 30_000, 1_000, 0);
    judgeReplicas(replicas, 1_000);
    expect([late.ejection.isOut, late.ejection.times]).toEqual([true, 2]);
    late.ejection.isProbing = true;
    learnAnswer(late, 1_100, 1_000, 0);
    judgeReplicas(replicas, 3_000);
    expect([late.ejection.isOut, late.penaltyUs]).toEqual([false, 0]);
  });
});

describe("a replica that fails", () => {
  it("is left out when most of its calls fail and its sibling's do not, and not for a few", () => {
    const replicas = set(2);
    answers(replicas[1]!.health, 20, 1_000);
    answers(replicas[0]!.health, 20, 1_000);
    failures(replicas[0]!.health, 3);
    judgeReplicas(replicas, 0);
    expect(replicas.map(isOut)).toEqual([false, false]);
    failures(replicas[0]!.health, 7);
    judgeReplicas(replicas, 0);
    expect(replicas.map(isOut)).toEqual([true, false]);
    expect(replicas[0]!.health.penaltyUs).toBe(Number.POSITIVE_INFINITY);
  });

  it("is left in use when all fail alike, since the reason is not the replica", () => {
    const replicas = set(3);
    for (const { health } of replicas) failures(health, 50);
    judgeReplicas(replicas, 0);
    expect(replicas.map(isOut)).toEqual([false, false, false]);
  });

  it("stays out for longer when the call that tries it fails too, and not for one that says nothing", () => {
    const replicas = set(2);
    answers(replicas[1]!.health, 20, 1_000);
    const { health } = replicas[0]!;
    failures(health, 20);
    judgeReplicas(replicas, 0);
    health.ejection.isProbing = true;
    learnFailure(health, 1_000);
    expect(health.ejection).toMatchObject({ isOut: true, isProbing: false, times: 2, untilMs: 3_000 });
    health.ejection.isProbing = true;
    learnNothing(health);
    expect(health.ejection).toMatchObject({ isOut: true, isProbing: false, times: 2 });
    health.ejection.isProbing = true;
    learnAnswer(health, 1_000, 1_000, 0);
    expect(health.ejection.isOut).toBe(false);
    expect(health.errorFraction).toBe(0);
  });

  it("is judged by failures of its own only", () => {
    expect(
      ["Internal", "ApplicationError", "DeadlineExceeded"].map((code) => speaksAgainst(code as "Internal")),
    ).toEqual([true, true, true]);
    expect(
      ["InvalidArgument", "HttpError", "Cancelled", "Overloaded", "PeerClosed"].map((code) =>
        speaksAgainst(code as "Cancelled"),
      ),
    ).toEqual([false, false, false, false, false]);
  });
});

describe("judgeReplicas", () => {
  it("never leaves out the only replica, nor more than half of them, whatever they do", () => {
    const what = fc.record({
      replica: fc.nat(5),
      latencyUs: fc.integer({ min: 100, max: 1_000_000 }),
      fails: fc.boolean(),
      times: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(what, { maxLength: 60 }), (count, events) => {
        const replicas = set(count);
        events.forEach(({ replica, latencyUs, fails, times }, nowMs) => {
          const { health } = replicas[replica % count]!;
          if (fails) failures(health, times, nowMs * 100);
          else answers(health, times, latencyUs);
          judgeReplicas(replicas, nowMs * 100);
          expect(replicas.filter(isOut).length).toBeLessThanOrEqual(Math.floor(count / 2));
        });
      }),
    );
  });
});
