import { describe, expect, it } from "vitest";
import { brokenByMemory, brokenDemands, type DemandKind, isStarved, type PhaseFacts } from "./demands.ts";
import type { Demands } from "./fault.ts";

const WELL: PhaseFacts = {
  fault: "f",
  about: "a fault",
  system: "embedded",
  seed: 1,
  holdMs: 1000,
  sent: 100,
  right: 90,
  degraded: 8,
  fallback: 2,
  refused: 0,
  failed: 0,
  wrong: 0,
  unlabelled: 0,
  status5xx: 0,
  provoked: 0,
  p50Ms: 5,
  p95Ms: 10,
  maxMs: 50,
  replacements: 1,
  replacedBecause: [],
  fallbackReasons: {},
  slowestReplacementMs: 700,
  recoveryMs: 0,
  ownLagMs: 10,
  foreignCpuFraction: 0.01,
};

const broken = (facts: Partial<PhaseFacts>, demands: Demands = {}) =>
  brokenDemands({ ...WELL, ...facts }, demands);

describe("what must hold of every phase", () => {
  it("holds of one where all is right or says that it is not", () => {
    expect(broken({})).toEqual([]);
  });

  it.each([
    ["wrong", { wrong: 1 }, "1 answers are wrong"],
    ["unlabelled", { unlabelled: 2 }, "2 answers are less than whole and do not say so"],
    ["failed", { failed: 3 }, "3 requests failed"],
    ["of status 500 or above", { status5xx: 4, refused: 4 }, "4 answers have a status of 500 or above"],
    ["not there", { sent: 0 }, "no request was sent"],
  ])("does not hold when some are %s, and time is no excuse", (_, facts, what) => {
    expect(broken(facts)).toContainEqual({ what, kind: "rule" });
  });
});

describe("what a fault demands", () => {
  it.each<[string, DemandKind, Demands, Partial<PhaseFacts>]>([
    ["an answer by its deadline", "duration", { answeredWithinMs: 50 }, { maxMs: 51 }],
    ["a replacement in time", "duration", { replacedWithinMs: 700 }, { slowestReplacementMs: 701 }],
    ["a replacement at all", "rule", { replacedWithinMs: 700 }, { slowestReplacementMs: null }],
    ["personal answers", "share", { personalFraction: 0.98 }, { degraded: 7, fallback: 3 }],
    ["whole answers", "share", { rightFraction: 0.9 }, { right: 89, degraded: 9 }],
    ["that nobody is taken for dead", "share", { nothingReplaced: true }, { replacements: 2 }],
  ])("is %s, which is a %s", (_, kind, demands, facts) => {
    expect(broken(demands.nothingReplaced === true ? { replacements: 0 } : {}, demands)).toEqual([]);
    expect(broken(facts, demands)).toMatchObject([{ kind }]);
  });

  it.each<[Demands["seenAs"], Partial<PhaseFacts>]>([
    ["degraded", { degraded: 0 }],
    ["fallback", { fallback: 0 }],
    ["replacement", { replacements: 0 }],
    ["slow", { p50Ms: 1 }],
  ])("is that it is seen as %s: a fault that was not planted proves nothing", (seenAs, facts) => {
    const demands = seenAs === undefined ? {} : { seenAs };
    expect(broken({}, demands)).toEqual([]);
    expect(broken(facts, demands)).toMatchObject([{ kind: "rule" }]);
  });
});

describe("a phase", () => {
  it("was starved when others had the processor, or this process was kept from it", () => {
    expect(isStarved(WELL)).toBe(false);
    expect(isStarved({ ...WELL, ownLagMs: 100 })).toBe(true);
    expect(isStarved({ ...WELL, foreignCpuFraction: 0.3 })).toBe(true);
  });
});

describe("memory", () => {
  it("may grow by a tenth", () => {
    const of = (afterMb: number) => brokenByMemory([{ system: "embedded", beforeMb: 100, afterMb }]);
    expect(of(60)).toEqual([]);
    expect(of(110)).toEqual([]);
    expect(of(112)).toEqual(["embedded: memory grew from 100 to 112 MB"]);
  });
});
