import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addedWorkUs, chooseReplica, predictedFinishUs, type ReplicaLoad } from "./choose-replica.ts";

const anyLoad: fc.Arbitrary<ReplicaLoad> = fc.record({
  laneBacklogUs: fc.integer({ min: 0, max: 1_000_000 }),
  waitingItems: fc.integer({ min: 0, max: 100 }),
  fixedUs: fc.integer({ min: 0, max: 10_000 }),
  itemUs: fc.integer({ min: 0, max: 10_000 }),
  penaltyUs: fc.integer({ min: 0, max: 10_000 }),
});

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const idle: ReplicaLoad = { laneBacklogUs: 0, waitingItems: 0, fixedUs: 100, itemUs: 10, penaltyUs: 0 };

/** Gives the numbers out in their order. */
function sequence(...numbers: number[]): () => number {
  let at = 0;
  return () => numbers[at++ % numbers.length]!;
}

describe("predictedFinishUs", () => {
  it("is the lane's backlog, the batch's fixed part and the item's own", () => {
    expect(predictedFinishUs({ ...idle, laneBacklogUs: 1000 })).toBe(1110);
    expect(predictedFinishUs({ ...idle, laneBacklogUs: 1000 }, 3)).toBe(1130);
  });

  it("does not count the fixed part again for a call that joins a waiting batch", () => {
    expect(predictedFinishUs({ ...idle, laneBacklogUs: 1000, waitingItems: 5 })).toBe(1010);
  });

  it("has what the replica is later than its cost explains, which is no work of its lane", () => {
    const late = { ...idle, laneBacklogUs: 1000, penaltyUs: 5000 };
    expect(predictedFinishUs(late)).toBe(6110);
    expect(addedWorkUs(late)).toBe(110);
  });
});

describe("chooseReplica", () => {
  it("takes the only candidate without a look at it", () => {
    const never = () => {
      throw new Error("was looked at");
    };
    expect(chooseReplica(1, never, never)).toBe(0);
  });

  it("of two takes the one that is predicted to finish first, whatever is drawn", () => {
    fc.assert(
      fc.property(anyLoad, anyLoad, random, random, (a, b, r1, r2) => {
        fc.pre(predictedFinishUs(a) !== predictedFinishUs(b));
        const chosen = chooseReplica(2, (index) => (index === 0 ? a : b), sequence(r1, r2));
        expect(chosen).toBe(predictedFinishUs(a) < predictedFinishUs(b) ? 0 : 1);
      }),
    );
  });

  it("joins the batch that waits when the backlogs are equal", () => {
    const loads = [idle, { ...idle, waitingItems: 3 }, idle];
    for (const r of [0, 0.2, 0.4]) {
      // First drawn 0, then 1: the pair (idle, waiting); the other way round for the second.
      expect(chooseReplica(3, (index) => loads[index]!, sequence(0, r))).toBe(1);
    }
    expect(chooseReplica(2, (index) => loads[index]!, sequence(0.9, 0))).toBe(1);
  });

  it("leaves a lane that has more before it than the fixed part saves", () => {
    const loads = [idle, { ...idle, waitingItems: 3, laneBacklogUs: 101 }];
    expect(chooseReplica(2, (index) => loads[index]!, sequence(0.9, 0))).toBe(0);
  });

  it("draws two different candidates, so that the worst of all is never taken", () => {
    fc.assert(
      fc.property(fc.array(anyLoad, { minLength: 3, maxLength: 12 }), random, random, (loads, r1, r2) => {
        const finishes = loads.map((load) => predictedFinishUs(load));
        const worst = Math.max(...finishes);
        fc.pre(finishes.filter((finish) => finish === worst).length === 1);
        const looked = new Set<number>();
        const loadOf = (index: number) => {
          looked.add(index);
          return loads[index]!;
        };
        const chosen = chooseReplica(loads.length, loadOf, sequence(r1, r2));
        expect(looked.size).toBe(2);
        expect(looked).toContain(chosen);
        expect(finishes[chosen]).not.toBe(worst);
      }),
    );
  });

  it("reaches every candidate when all are equal", () => {
    const taken = new Set<number>();
    for (let step = 0; step < 100; step++)
      taken.add(chooseReplica(7, () => idle, sequence(step / 100, step / 100)));
    expect([...taken].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});
