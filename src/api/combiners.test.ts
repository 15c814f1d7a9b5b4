import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decisive, type MemberAnswer, mean, vote, weightedMean } from "./combiners.ts";

const answer = <V>(value: V, weight = 1, name = "m"): MemberAnswer<V> => ({ name, value, weight });

const numbers = fc.array(
  fc.record({
    value: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
    weight: fc.integer({ min: 1, max: 50 }),
  }),
  {
    minLength: 1,
    maxLength: 20,
  },
);

describe("mean", () => {
  it("is the sum of what is there over its count, whatever the weights", () => {
    expect(mean([answer(1, 100), answer(2), answer(6)])).toBe(3);
  });

  it("lies between the least and the largest answer", () => {
    fc.assert(
      fc.property(numbers, (given) => {
        const value = mean(given.map(({ value: one, weight }) => answer(one, weight)));
        const all = given.map(({ value: one }) => one);
        expect(value).toBeGreaterThanOrEqual(Math.min(...all) - 1e-6);
        expect(value).toBeLessThanOrEqual(Math.max(...all) + 1e-6);
      }),
    );
  });
});

describe("weightedMean", () => {
  it("counts each answer by its weight, over the weights of those that answered", () => {
    expect(weightedMean([answer(1, 1), answer(4, 2)])).toBe(3);
    expect(weightedMean([answer(4, 2)])).toBe(4);
  });

  it("is the mean where all weights are equal, and does not change when all are scaled", () => {
    fc.assert(
      fc.property(numbers, fc.integer({ min: 2, max: 9 }), (given, factor) => {
        const answers = given.map(({ value, weight }) => answer(value, weight));
        const equal = given.map(({ value }) => answer(value, 3));
        const scaled = given.map(({ value, weight }) => answer(value, weight * factor));
        expect(weightedMean(equal)).toBeCloseTo(mean(equal), 5);
        expect(weightedMean(scaled)).toBeCloseTo(weightedMean(answers), 5);
      }),
    );
  });

  it("says so when nothing that answered has a weight, instead of a value that is no number", () => {
    expect(() => weightedMean([answer(0.4, 0), answer(0.6, 0)])).toThrow(
      "the members that answered (m, m) have no weight between them",
    );
  });
});

describe("vote", () => {
  it("is the value with the most weight behind it", () => {
    expect(vote([answer("a", 1), answer("b", 3), answer("a", 1)])).toBe("b");
    expect(vote([answer("a"), answer("b"), answer("a")])).toBe("a");
  });

  it("is the earlier member's of two with equal weight", () => {
    expect(vote([answer("late", 1), answer("early", 2), answer("late", 1)])).toBe("late");
    expect(vote([answer(2), answer(1)])).toBe(2);
  });

  it("does not mix up a number and its text", () => {
    expect(
      vote([answer<string | number>(1), answer<string | number>("1"), answer<string | number>("1")]),
    ).toBe("1");
  });

  it("tells the share of the weight that supports its value", () => {
    expect(vote.support?.([answer("a", 1), answer("b", 3)], "b")).toBe(0.75);
    expect(vote.support?.([answer("a"), answer("a")], "a")).toBe(1);
    expect(vote.support?.([answer("a", 0)], "a")).toBe(0);
  });
});

describe("a mean's answers", () => {
  it.each([mean, weightedMean])("must be finite numbers", (combine) => {
    expect(combine.refusal?.(0.5)).toBeUndefined();
    expect(combine.refusal?.(Number.NaN)).toBe("a mean is of finite numbers, not of NaN");
    expect(combine.refusal?.(Number.POSITIVE_INFINITY)).toContain("Infinity");
    expect(combine.refusal?.("0.5" as unknown as number)).toContain('"0.5"');
  });
});

const open = (...weights: number[]) => weights.map((weight, index) => ({ name: `open${index}`, weight }));

describe("a vote is settled", () => {
  it("when the weight of the others cannot take the lead away", () => {
    const answers = [answer("a", 3), answer("b", 1)];
    expect(vote.isSettled?.(answers, open(1))).toBe(true);
    expect(vote.isSettled?.(answers, open(1, 1))).toBe(false);
  });
});

describe("decisive", () => {
  const atHalf = { min: 0, max: 1, decide: (value: number) => value >= 0.5 };

  it("combines as the combiner does", () => {
    const answers = [answer(0.2, 1), answer(0.8, 3)];
    expect(decisive(mean, atHalf)(answers)).toBe(mean(answers));
    expect(decisive(weightedMean, atHalf)(answers)).toBe(weightedMean(answers));
  });

  it("is settled when the open members cannot move the number over the limit, each by its weight", () => {
    const settled = (combine: typeof mean, answers: MemberAnswer<number>[], ...weights: number[]) =>
      decisive(combine, atHalf).isSettled?.(answers, open(...weights));
    expect(settled(mean, [answer(0.9), answer(0.9)], 1)).toBe(true);
    expect(settled(mean, [answer(0.9), answer(0.8)], 1, 1)).toBe(false);
    expect(settled(weightedMean, [answer(0.9, 4)], 2, 1)).toBe(true);
    expect(settled(weightedMean, [answer(0.9, 4)], 2, 2)).toBe(false);
    expect(settled(weightedMean, [answer(0.9, 0)], 0)).toBe(false);
  });

  it("refuses answers that are out of its bounds, or that the combiner refuses", () => {
    const { refusal } = decisive(mean, atHalf);
    expect(refusal?.(0)).toBeUndefined();
    expect(refusal?.(1)).toBeUndefined();
    expect(refusal?.(1.25)).toBe("1.25 is not in 0 to 1");
    expect(refusal?.(Number.NaN)).toBe("NaN is not in 0 to 1");
    const picky = Object.assign(() => 0, { refusal: () => "never" });
    expect(decisive(picky, atHalf).refusal?.(0.5)).toBe("never");
  });

  it.each([
    [{ ...atHalf, min: 1 }, "decisive: min and max must be numbers, min below max; got 1 and 1"],
    [{ ...atHalf, max: Number.NaN }, "decisive: min and max must be numbers, min below max; got 0 and NaN"],
    [{ ...atHalf, decide: 0.5 }, "decisive: decide must be a function, got 0.5"],
    [{ ...atHalf, threshold: 0.5 }, "decisive: unknown option threshold; known: min, max, decide"],
  ])("refuses %o, naming what is wrong", (decision, message) => {
    expect(() => decisive(mean, decision as typeof atHalf)).toThrow(message);
  });
});
