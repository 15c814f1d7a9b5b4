import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  beginTally,
  type EnsembleOutlook,
  type EnsembleRules,
  ensembleOutlook,
  tallyEnd,
} from "./ensemble-decision.ts";

const rulesOf = (rules: Partial<EnsembleRules> & Pick<EnsembleRules, "weights">): EnsembleRules => ({
  totalWeight: rules.weights.reduce((sum, weight) => sum + weight, 0),
  required: rules.weights.map(() => false),
  quorum: 1,
  minWeight: 0,
  ...rules,
});

/** The outlook after each of the ends, before any of them included. */
function outlooks(rules: EnsembleRules, ends: readonly (readonly [member: number, isOk: boolean])[]) {
  const tally = beginTally(rules, () => true);
  const seen: EnsembleOutlook[] = [ensembleOutlook(tally, rules)];
  for (const [member, isOk] of ends) {
    tallyEnd(tally, rules, member, isOk);
    seen.push(ensembleOutlook(tally, rules));
  }
  return seen;
}

describe("the outlook of an ensemble", () => {
  it("is enough at the quorum, and complete when all have ended", () => {
    const rules = rulesOf({ weights: [1, 1, 1], quorum: 2 });
    const ends = [0, 1, 2].map((member) => [member, true] as const);
    expect(outlooks(rules, ends)).toEqual(["wait", "wait", "enough", "complete"]);
  });

  it("is fail as soon as the quorum is out of reach", () => {
    const rules = rulesOf({ weights: [1, 1, 1], quorum: 2 });
    expect(outlooks(rules, [[0, false], [2, false]])).toEqual(["wait", "wait", "fail"]); // biome-ignore format: one row
  });

  it("waits for a required member beyond the quorum, and fails with it", () => {
    const rules = rulesOf({ weights: [1, 1, 1], required: [false, false, true] });
    expect(outlooks(rules, [[0, true], [2, true]])).toEqual(["wait", "wait", "enough"]); // biome-ignore format: one row
    expect(outlooks(rules, [[0, true], [2, false]])).toEqual(["wait", "wait", "fail"]); // biome-ignore format: one row
  });

  it("waits for the least weight, and fails when it is out of reach", () => {
    const rules = rulesOf({ weights: [5, 3, 2], minWeight: 7 });
    expect(outlooks(rules, [[0, true], [2, true]])).toEqual(["wait", "wait", "enough"]); // biome-ignore format: one row
    expect(outlooks(rules, [[0, false]])).toEqual(["wait", "fail"]);
  });

  it("takes weights as equal that differ by rounding alone", () => {
    const rules = rulesOf({ weights: [0.1, 0.2, 0.7], minWeight: 0.1 + 0.2 + 0.7 + 1e-16 });
    const ends = [2, 1, 0].map((member) => [member, true] as const);
    expect(outlooks(rules, ends)).toEqual(["wait", "wait", "wait", "complete"]);
  });

  it("is not fail by what rounding leaves of the weights when all have ended", () => {
    const rules = rulesOf({ weights: [0, 0.7, 0.2, 0.1] });
    const ends = [1, 2, 3].map((member) => [member, false] as const);
    expect(outlooks(rules, [...ends, [0, true]]).at(-1)).toBe("complete");
  });

  it("counts a member that is not asked as missing from the start", () => {
    const rules = rulesOf({ weights: [1, 1, 1], quorum: 2 });
    const tally = beginTally(rules, (member) => member !== 1);
    expect(tally).toMatchObject({ pending: 2, missing: 1 });
    tallyEnd(tally, rules, 0, false);
    expect(ensembleOutlook(tally, rules)).toBe("fail");
  });

  it("is at every step what looking at all members again would say, and never turns back", () => {
    const member = fc.record({
      weight: fc.integer({ min: 0, max: 9 }),
      required: fc.boolean(),
      asked: fc.boolean(),
      isOk: fc.boolean(),
      at: fc.nat(100),
    });
    fc.assert(
      fc.property(
        fc.array(member, { minLength: 1, maxLength: 12 }),
        fc.nat(12),
        fc.nat(40),
        (all, quorum, minWeight) => {
          const rules = rulesOf({
            weights: all.map(({ weight }) => weight),
            required: all.map(({ required }) => required),
            quorum: Math.min(all.length, Math.max(1, quorum)),
            minWeight,
          });
          const order = all.map((_, index) => index).filter((index) => all[index]!.asked);
          order.sort((a, b) => all[a]!.at - all[b]!.at || a - b);
          const tally = beginTally(rules, (index) => all[index]!.asked);
          let before = fromScratch(rules, all, new Set());
          expect(ensembleOutlook(tally, rules)).toBe(before);
          order.forEach((index, step) => {
            tallyEnd(tally, rules, index, all[index]!.isOk);
            const now = ensembleOutlook(tally, rules);
            expect(now).toBe(fromScratch(rules, all, new Set(order.slice(0, step + 1))));
            if (before === "fail") expect(now).toBe("fail");
            if (before === "enough") expect(["enough", "complete"]).toContain(now);
            before = now;
          });
        },
      ),
    );
  });
});

function fromScratch(
  rules: EnsembleRules,
  all: readonly { readonly asked: boolean; readonly isOk: boolean }[],
  ended: ReadonlySet<number>,
): EnsembleOutlook {
  const members = all.map((_, index) => index);
  const ok = members.filter((index) => ended.has(index) && all[index]!.isOk);
  const open = members.filter((index) => all[index]!.asked && !ended.has(index));
  const suffices = (answering: readonly number[]) =>
    answering.length >= rules.quorum &&
    answering.reduce((sum, index) => sum + rules.weights[index]!, 0) >= rules.minWeight &&
    members.every((index) => !rules.required[index] || answering.includes(index));
  if (!suffices([...ok, ...open])) return "fail";
  if (open.length === 0) return "complete";
  return suffices(ok) ? "enough" : "wait";
}
