import { describe, expect, it } from "vitest";
import { isRangeSettled, isVoteSettled } from "./settled-decision.ts";

describe("a vote", () => {
  it.each([
    ["the leader is ahead by more than what is open", [5, 2], 2, true],
    ["those that are open could make a tie", [5, 2], 3, false],
    ["they could pass the leader", [5, 2], 4, false],
    ["nobody else has a vote yet, and the open ones are fewer", [3], 2, true],
    ["the open ones could agree on something new", [3], 3, false],
    ["the votes are even", [2, 2], 0, false],
    ["there are no votes", [], 0, false],
    ["all that voted have no weight", [0, 0], 0, false],
    ["only rounding makes the difference", [0.1 + 0.2, 0.3], 0, false],
  ])("where %s", (_, votes, pending, settled) => {
    expect(isVoteSettled(votes, pending)).toBe(settled);
  });

  it("does not depend on the order in which the values are given", () => {
    for (const votes of [
      [4, 1, 2],
      [1, 2, 4],
      [2, 4, 1],
    ]) {
      // biome-ignore format: one row
      expect(isVoteSettled(votes, 1)).toBe(true);
      expect(isVoteSettled(votes, 2)).toBe(false);
    }
  });
});

describe("a decision by a number", () => {
  const unit = { min: 0, max: 1 };
  const half = (value: number) => value >= 0.5;

  it("is settled when both ends decide the same", () => {
    expect(isRangeSettled(0.5001, 0.9, unit, half)).toBe(true);
    expect(isRangeSettled(0.1, 0.4999, unit, half)).toBe(true);
    expect(isRangeSettled(0.4, 0.6, unit, half)).toBe(false);
  });

  it("is not where rounding alone decides", () => {
    expect(isRangeSettled(0.5, 0.6, unit, half)).toBe(false);
  });

  it("never asks about a number out of bounds", () => {
    const asked: number[] = [];
    isRangeSettled(0, 1, unit, (value) => asked.push(value));
    expect(asked).toEqual([0, 1]);
  });

  it("is never by what is no number", () => {
    expect(isRangeSettled(Number.NaN, Number.NaN, unit, () => 1)).toBe(false);
    expect(isRangeSettled(0.2, Number.NaN, unit, () => 1)).toBe(false);
  });
});
