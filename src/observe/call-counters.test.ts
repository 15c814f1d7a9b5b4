import { describe, expect, it } from "vitest";
import { CallCounters, ENDINGS, STAGES, sumCounts } from "./call-counters.ts";

describe("CallCounters", () => {
  it("keeps each stage and ending apart", () => {
    const counters = new CallCounters();
    let next = 1;
    for (const stage of STAGES) for (const ending of ENDINGS) counters.count(stage, ending, next++);
    next = 1;
    for (const stage of STAGES) {
      for (const ending of ENDINGS) expect(counters.get(stage, ending)).toBe(next++);
    }
  });

  it("tells only what happened", () => {
    const counters = new CallCounters();
    expect(counters.snapshot()).toEqual({});
    counters.count("queue", "expired");
    counters.count("queue", "expired");
    counters.count("run", "wasted", 3);
    expect(counters.snapshot()).toEqual({ queue: { expired: 2 }, run: { wasted: 3 } });
  });
});

describe("sumCounts", () => {
  it("adds up the counts of several processes", () => {
    const first = { queue: { expired: 2 }, door: { refused: 1 } };
    const second = { queue: { expired: 3, cancelled: 1 } };
    expect(sumCounts([first, second, {}])).toEqual({
      queue: { expired: 5, cancelled: 1 },
      door: { refused: 1 },
    });
  });
});
