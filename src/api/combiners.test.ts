import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type MemberAnswer, mean, vote, weightedMean } from "./combiners.ts";

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
