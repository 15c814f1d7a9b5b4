import { describe, expect, it } from "vitest";
import { UniformSample } from "./uniform-sample.ts";

const MINUTE_MS = 60_000;

/** A small generator with a seed, so that what was seen is seen again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function sampleOf(count: number, capacity: number, seed: number) {
  const random = seeded(seed);
  const sample = new UniformSample<number>(capacity, MINUTE_MS);
  for (let i = 0; i < count; i++) if (sample.offer(0, random)) sample.take(i, random);
  return sample.read(0);
}

describe("a uniform sample", () => {
  it("is all there was while it fits, and never more than its size", () => {
    expect(sampleOf(5, 8, 1)).toEqual([{ items: [0, 1, 2, 3, 4], offered: 5 }]);
    const [{ items, offered } = { items: [], offered: 0 }] = sampleOf(10_000, 8, 1);
    expect([items.length, offered]).toEqual([8, 10_000]);
  });

  it("has each with the same chance: first, last and between", () => {
    const counts = new Array(10).fill(0);
    for (let seed = 1; seed <= 2000; seed++) {
      for (const item of sampleOf(100, 10, seed * 7919)[0]!.items) counts[Math.floor(item / 10)] += 1;
    }
    // 2,000 of each are expected; the standard deviation is about 42.
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200);
  });

  it("takes few of many: what is not taken is only counted", () => {
    const random = seeded(3);
    const sample = new UniformSample<number>(16, MINUTE_MS);
    let taken = 0;
    for (let i = 0; i < 100_000; i++) {
      if (!sample.offer(0, random)) continue;
      taken += 1;
      sample.take(i, random);
    }
    // 16 + 16 ln(100,000 / 16) is about 156.
    expect(taken).toBeGreaterThan(60);
    expect(taken).toBeLessThan(400);
  });

  it("is of the last two windows, each by itself", () => {
    const sample = new UniformSample<string>(2, MINUTE_MS);
    const put = (item: string, nowMs: number) =>
      sample.offer(nowMs, () => 0.5) && sample.take(item, () => 0.5);
    put("a", 0);
    put("b", MINUTE_MS);
    expect(sample.read(MINUTE_MS).map(({ items }) => items)).toEqual([["a"], ["b"]]);
    put("c", 2 * MINUTE_MS);
    expect(sample.read(2 * MINUTE_MS).map(({ items }) => items)).toEqual([["b"], ["c"]]);
    expect(sample.read(5 * MINUTE_MS)).toEqual([]);
  });
});
