import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type JudgedReplica,
  judgeReplicas,
  learnAnswer,
  learnFailure,
  learnGivenUp,
  learnNothing,
  type ReplicaHealth,
  speaksAgainst,
  unknownHealth,
} from "./replica-health.ts";

/** Each on a lane of its own that has time. */
const set = (count: number, busyFraction = 0): JudgedReplica[] =>
  Array.from({ length: count }, () => {
    const health = unknownHealth();
    return { health, isReachable: true, laneHealths: [health], busyFraction };
  });
/** Over 600 ms, of which the last is 0. */
const answers = (health: ReplicaHealth, count: number, latencyUs: number, predictedUs = 1_000) => {
  for (let i = 1; i <= count; i++) learnAnswer(health, latencyUs, predictedUs, (i / count - 1) * 600);
};
const judge = (replicas: readonly JudgedReplica[], nowMs: number) => judgeReplicas(replicas, nowMs, true);
const failures = (health: ReplicaHealth, count: number, nowMs = 0) => {
  for (let i = 0; i < count; i++) learnFailure(health, nowMs);
};
const isOut = ({ health }: { readonly health: ReplicaHealth }) => health.ejection.isOut;

describe("a replica that answers late", () => {
  it("costs from then on what it is later than its sibling, beyond what its cost explains", () => {
    const [late, well] = set(2) as [JudgedReplica, JudgedReplica];
    answers(late.health, 20, 31_000);
    answers(well.health, 20, 1_200);
    judge([late, well], 0);
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
      judge(replicas, 0);
      expect(replicas.map(isOut)).toEqual([false, false]);
    }
  });

  it("is left in use when some of its calls are late together, as after a pause", () => {
    const replicas = set(2);
    const { health } = replicas[0]!;
    for (let nowMs = 0; nowMs < 2_000; nowMs += 10) {
      const isPause = nowMs % 200 < 50;
      learnAnswer(health, isPause ? 80_000 : 1_100, 1_000, nowMs);
      judge(replicas, nowMs);
    }
    expect(isOut(replicas[0]!)).toBe(false);
  });

  it("has a sibling of which nothing is known get the next call, and is left out when that was quick", () => {
    for (const siblingUs of [1_100, 30_000]) {
      const [late, unknown] = set(2) as [JudgedReplica, JudgedReplica];
      answers(late.health, 20, 31_000);
      judge([late, unknown], 0);
      expect([isOut(late), unknown.health.isWanted]).toEqual([false, true]);
      learnAnswer(unknown.health, siblingUs, 1_000, 10);
      judge([late, unknown], 20);
      expect(isOut(late)).toBe(siblingUs === 1_100);
    }
  });

  it("asks no sibling that cannot be reached, nor one that shared its lateness before", () => {
    const [late, sibling] = set(2) as [JudgedReplica, JudgedReplica];
    answers(late.health, 20, 31_000);
    judge([late, { ...sibling, isReachable: false }], 0);
    expect(sibling.health.isWanted).toBe(false);
    answers(sibling.health, 20, 32_000);
    judge([late, sibling], 0);
    for (let i = 1; i <= 20; i++) learnAnswer(late.health, 34_000, 1_000, 1_000 + i * 30);
    judge([late, sibling], 1_600);
    expect(sibling.health.isWanted).toBe(false);
    for (let i = 1; i <= 20; i++) learnAnswer(late.health, 90_000, 1_000, 2_000 + i * 30);
    judge([late, sibling], 2_600);
    expect(sibling.health.isWanted).toBe(true);
  });

  it("is not compared with what a sibling did some time ago", () => {
    const [late, sibling] = set(2) as [JudgedReplica, JudgedReplica];
    answers(sibling.health, 20, 1_100);
    for (let i = 1; i <= 20; i++) learnAnswer(late.health, 31_000, 1_000, 400 + i * 30);
    judge([late, sibling], 1_000);
    expect([isOut(late), sibling.health.isWanted]).toEqual([false, true]);
  });

  it("is left in use when all on its lane are as late, and not when only itself is", () => {
    for (const mateUs of [1_100, 28_000]) {
      const [first, well] = set(2) as [JudgedReplica, JudgedReplica];
      const mates = [unknownHealth(), unknownHealth()];
      for (const mate of mates) answers(mate, 20, mateUs);
      const late = { ...first, laneHealths: [first.health, ...mates], busyFraction: 1 };
      answers(late.health, 20, 31_000);
      answers(well.health, 20, 1_100);
      judge([late, well], 0);
      expect(isOut(late)).toBe(mateUs === 1_100);
    }
  });

  it("is left in use, alone on its lane, while that is busy or nobody foretells how long its calls take", () => {
    for (const [busyFraction, isPredicted] of [
      [0.9, true],
      [0, false],
    ] as const) {
      const [late, well] = set(2, busyFraction) as [JudgedReplica, JudgedReplica];
      answers(late.health, 20, 31_000);
      answers(well.health, 20, 1_100);
      judgeReplicas([late, well], 0, isPredicted);
      expect(isOut(late)).toBe(false);
    }
  });

  it("is tried by one call, which says how it is now", () => {
    const replicas = set(2);
    const late = replicas[0]!.health;
    answers(late, 20, 31_000);
    answers(replicas[1]!.health, 20, 1_200);
    judge(replicas, 0);
    late.ejection.isProbing = true;
    learnAnswer(late, 30_000, 1_000, 1_000);
    learnAnswer(replicas[1]!.health, 1_200, 1_000, 1_000);
    judge(replicas, 1_000);
    expect([late.ejection.isOut, late.ejection.times]).toEqual([true, 2]);
    late.ejection.isProbing = true;
    learnAnswer(late, 1_100, 1_000, 3_000);
    judge(replicas, 3_000);
    expect([late.ejection.isOut, late.penaltyUs]).toEqual([false, 0]);
  });
});

describe("a replica whose calls are given up", () => {
  const givenUp = (health: ReplicaHealth, elapsedUs: number) => {
    for (let i = 1; i <= 20; i++) learnGivenUp(health, elapsedUs, 1_000, (i / 20 - 1) * 600);
  };

  it("is late when they were late by then, and not when they were given up sooner", () => {
    for (const [elapsedUs, out] of [
      [12_000, true],
      [4_000, false],
    ] as const) {
      const replicas = set(2);
      givenUp(replicas[0]!.health, elapsedUs);
      answers(replicas[1]!.health, 20, 1_200);
      judge(replicas, 0);
      expect(isOut(replicas[0]!)).toBe(out);
    }
  });

  it("is no quicker for it: what was given up soon says nothing", () => {
    const { health } = set(1)[0]!;
    answers(health, 20, 31_000);
    const before = { ...health };
    givenUp(health, 2_000);
    expect(health).toEqual(before);
  });

  it("is left out for longer when that was the call by which it was tried", () => {
    const replicas = set(2);
    const { health } = replicas[0]!;
    answers(health, 20, 31_000);
    answers(replicas[1]!.health, 20, 1_200);
    judge(replicas, 0);
    health.ejection.isProbing = true;
    learnGivenUp(health, 12_000, 1_000, 1_000);
    learnAnswer(replicas[1]!.health, 1_200, 1_000, 1_000);
    judge(replicas, 1_000);
    expect(health.ejection).toMatchObject({ isOut: true, isProbing: false, times: 2 });
  });
});

describe("a replica that fails", () => {
  it("is left out when most of its calls fail and its sibling's do not, and not for a few", () => {
    const replicas = set(2);
    answers(replicas[1]!.health, 20, 1_000);
    answers(replicas[0]!.health, 20, 1_000);
    failures(replicas[0]!.health, 3);
    judge(replicas, 0);
    expect(replicas.map(isOut)).toEqual([false, false]);
    failures(replicas[0]!.health, 7);
    judge(replicas, 0);
    expect(replicas.map(isOut)).toEqual([true, false]);
    expect(replicas[0]!.health.penaltyUs).toBe(Number.POSITIVE_INFINITY);
  });

  it("is left in use when all fail alike, since the reason is not the replica", () => {
    const replicas = set(3);
    for (const { health } of replicas) failures(health, 50);
    judge(replicas, 0);
    expect(replicas.map(isOut)).toEqual([false, false, false]);
  });

  it("stays out for longer when the call that tries it fails too, and not for one that says nothing", () => {
    const replicas = set(2);
    answers(replicas[1]!.health, 20, 1_000);
    const { health } = replicas[0]!;
    failures(health, 20);
    judge(replicas, 0);
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
          judge(replicas, nowMs * 100);
          expect(replicas.filter(isOut).length).toBeLessThanOrEqual(Math.floor(count / 2));
        });
      }),
    );
  });
});
