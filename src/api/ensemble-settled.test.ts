/** E4: an ensemble that ends before all members have never decides otherwise than it would have with all of them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PlannedEnd } from "./call-port.fake.ts";
import { type Combiner, decisive, mean, vote, weightedMean } from "./combiners.ts";
import { runInContext } from "./context.ts";
import { failure, rejection, reportsOf, scorers, statuses } from "./ensemble.fake.ts";
import type { EnsembleOptions } from "./ensemble-options.ts";
import { FakeContext } from "./traced-context.fake.ts";

type Options = Partial<EnsembleOptions<number, number, number>>;

const ok = (value: number, turns = 0): PlannedEnd => ({ value, turns });
/** The votes of the tests are numbers: their type is narrowed for it. */
const numberVote = vote as Combiner<unknown, unknown> as Combiner<number, number>;
/** The same combiner, which waits for all. */
const patient = <R>(combine: Combiner<number, R>): Combiner<number, R> =>
  Object.assign((answers: Parameters<typeof combine>[0]) => combine(answers), {
    ...(combine.refusal === undefined ? {} : { refusal: combine.refusal }),
  });

describe("a vote", () => {
  it("ends when the others cannot change it, cancels them, and is not degraded", async () => {
    const { all, port } = scorers([ok(7), ok(7), {}, ok(7), {}], { combine: numberVote, quorum: 3 });
    const context = new FakeContext();
    const { value, degraded, members, confidence } = await runInContext(context, () => all.score(1));
    expect({ value, degraded }).toEqual({ value: 7, degraded: false });
    expect(statuses(members)).toEqual(["ok", "ok", "cancelled", "ok", "cancelled"]);
    expect(confidence).toBeCloseTo(3 / 5, 10);
    expect(port.cancelled).toEqual(["m2", "m4"]);
    expect(context.degraded).toBe(false);
  });

  it("waits while a tie is possible, since the order of the members decides ties", async () => {
    // Two for 7 and one for 8, one open: a tie, which the value of the earliest member wins, and that is 8.
    const { all } = scorers([ok(8, 2), ok(7), ok(7), ok(8, 4)], { combine: numberVote, quorum: 1 });
    const { value, members } = await all.score(1);
    expect(value).toBe(8);
    expect(statuses(members)).toEqual(["ok", "ok", "ok", "ok"]);
  });

  it("waits for the quorum, the required members and the least weight, though it is settled", async () => {
    const plans = [ok(7), ok(7), ok(7, 1), ok(8, 3), {}];
    const settledAt = async (options: Options) => {
      const { members } = await scorers(plans, { combine: numberVote, quorum: 1, ...options }).all.score(1);
      return members.filter(({ status }) => status === "ok").length;
    };
    expect(await settledAt({})).toBe(3);
    expect(await settledAt({ quorum: 4 })).toBe(4);
    expect(await settledAt({ required: ["m3"] })).toBe(4);
    expect(await settledAt({ minWeight: 4 })).toBe(4);
  });

  it("is degraded when a member had failed before it was settled", async () => {
    const { all } = scorers([ok(7), failure("PeerClosed"), ok(7), ok(7), {}], {
      combine: numberVote,
      quorum: 3,
    });
    const { degraded, members } = await all.score(1);
    expect(degraded).toBe(true);
    expect(statuses(members)).toEqual(["ok", "failed", "ok", "ok", "cancelled"]);
  });
});

describe("a decision by a mean", () => {
  const half = decisive(mean, { min: 0, max: 1, decide: (value) => value >= 0.5 });

  it("is answered when the others cannot change it, with the mean of those that answered", async () => {
    const { all, port } = scorers([ok(0.9), ok(0.8), ok(0.9), {}], { combine: half, quorum: 2 });
    const { value, degraded, members } = await all.score(1);
    expect(value).toBeCloseTo((0.9 + 0.8 + 0.9) / 3, 10);
    expect(degraded).toBe(false);
    expect(statuses(members)).toEqual(["ok", "ok", "ok", "cancelled"]);
    expect(port.cancelled).toEqual(["m3"]);
  });

  it("takes a member that answers out of its bounds for failed, not for a promise broken", async () => {
    const { all } = scorers([ok(0.9), ok(1.5), ok(0.9)], { combine: half, quorum: 2 });
    expect(statuses((await all.score(1)).members)).toEqual(["ok", "failed", "ok"]);
  });
});

describe("a combiner of one's own", () => {
  it("may say itself when it is settled", async () => {
    const highest: Combiner<number, number> = Object.assign(
      (answers: readonly { readonly value: number }[]) => Math.max(...answers.map(({ value }) => value)),
      {
        isSettled: (answers: readonly { readonly value: number }[]) =>
          answers.some(({ value }) => value >= 100),
      },
    );
    const { all } = scorers([ok(3), ok(100, 1), {}], { combine: highest, quorum: 1 });
    expect(await all.score(1)).toMatchObject({ value: 100, degraded: false });
  });

  it("is told which members are open, and what stands in for those that are lost", async () => {
    const seen: unknown[] = [];
    const combine: Combiner<number, number> = Object.assign(mean.bind(undefined), {
      isSettled: (answers: readonly unknown[], open: readonly unknown[]) => {
        seen.push([answers, open]);
        return false;
      },
    });
    const plans = [ok(1), failure("PeerClosed", 1), ok(3, 2)];
    await scorers(plans, {
      combine,
      quorum: 1,
      weights: { m2: 5 },
      onMissing: "default",
      default: 9,
    }).all.score(1);
    const m0 = { name: "m0", value: 1, weight: 1 };
    const m1 = { name: "m1", value: 9, weight: 1 };
    expect(seen).toEqual([
      [[m0], [{ name: "m1", weight: 1 }, { name: "m2", weight: 5 }]], // biome-ignore format: one row
      [[m0, m1], [{ name: "m2", weight: 5 }]],
    ]);
  });

  it("that throws when it is asked rejects the call and cancels the rest", async () => {
    const combine: Combiner<number, number> = Object.assign(mean.bind(undefined), {
      isSettled: () => {
        throw new Error("cannot say");
      },
    });
    const { all, port } = scorers([ok(1), {}], { combine, quorum: 1 });
    await expect(all.score(1)).rejects.toThrow("cannot say");
    expect(port.cancelled).toEqual(["m1"]);
  });
});

/** Members in any order of arrival, some of which fail; some never answer before the others are done. */
const anyMember = (value: fc.Arbitrary<number>) =>
  fc.record({
    end: fc.oneof({ weight: 4, arbitrary: value }, { weight: 1, arbitrary: fc.constant("fails" as const) }),
    turns: fc.nat(6),
    weight: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.double({ min: 0, max: 1, noNaN: true })),
  });

interface AnyMember {
  readonly end: number | "fails";
  readonly turns: number;
  readonly weight: number;
}

async function bothWays(all: readonly AnyMember[], combine: Combiner<number, number>, options: Options) {
  const plans = all.map(({ end, turns }) =>
    end === "fails" ? failure("PeerClosed", turns) : ok(end, turns),
  );
  const weights = Object.fromEntries(all.map(({ weight }, index) => [`m${index}`, weight]));
  const ask = (how: Combiner<number, number>) =>
    scorers(plans, { weights, ...options, combine: how })
      .all.score(1)
      .then(
        (result) => result,
        () => undefined,
      );
  const [early, late] = await Promise.all([ask(combine), ask(patient(combine))]);
  return { early, late, waited: early?.members.every(({ status }) => status !== "cancelled") };
}

describe("ending early", () => {
  const quorumOf = (all: readonly unknown[], count: number) => Math.min(all.length, Math.max(1, count));
  const modes = fc.constantFrom<Options>({}, { onMissing: "default", default: 1 });

  it("never changes a vote, whatever is voted, by whatever weights, in whatever order, and whoever fails (E4)", async () => {
    let early = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyMember(fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 9 }),
        fc.nat(9),
        modes,
        async (all, count, mode) => {
          const options = { quorum: quorumOf(all, count), ...mode };
          const both = await bothWays(all, numberVote, options);
          expect(both.early?.value).toBe(both.late?.value);
          if (both.waited === false) early += 1;
        },
      ),
      { numRuns: 300 },
    );
    expect(early).toBeGreaterThan(10);
  });

  it("never changes a decision by a mean, weighted or not (E4)", async () => {
    const steps = (limits: readonly number[]) => (value: number) =>
      limits.filter((limit) => value >= limit).length;
    let early = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          anyMember(fc.oneof(fc.constantFrom(0, 0.5, 1), fc.double({ min: 0, max: 1, noNaN: true }))),
          {
            minLength: 1,
            maxLength: 9,
          },
        ),
        fc.array(fc.constantFrom(0, 0.25, 0.3, 0.5, 0.9, 1), { minLength: 1, maxLength: 2 }),
        fc.constantFrom(mean, weightedMean),
        fc.nat(9),
        modes,
        async (all, limits, combiner, count, mode) => {
          const decide = steps(limits);
          const combine = decisive(combiner, { min: 0, max: 1, decide });
          const both = await bothWays(all, combine, { quorum: quorumOf(all, count), ...mode });
          if (both.waited === false) early += 1;
          if (both.early === undefined || both.late === undefined) {
            // Without any weight behind it a weighted mean has no value, early or late.
            expect(both.early).toBe(both.late);
          } else expect(decide(both.early.value)).toBe(decide(both.late.value));
        },
      ),
      { numRuns: 300 },
    );
    expect(early).toBeGreaterThan(10);
  });
});

describe("a request that is given up", () => {
  it("has the members cancelled at once, and the call rejected with why and with their reports", async () => {
    const context = new FakeContext();
    const { all, port } = scorers([ok(1), {}, {}], { quorum: 1 });
    const call = runInContext(context, () => all.score(1));
    await new Promise((resolve) => setImmediate(resolve));
    context.abort();
    const error = await rejection(call);
    expect(error.code).toBe("Cancelled");
    expect(port.cancelled).toEqual(["m1", "m2"]);
    expect(statuses(reportsOf(error))).toEqual(["ok", "cancelled", "cancelled"]);
    expect(context.adopted.size).toBe(0);
  });

  it("has no members called any more", async () => {
    const context = new FakeContext();
    context.abort();
    const { all, port } = scorers([ok(1)]);
    expect((await rejection(runInContext(context, () => all.score(1)))).code).toBe("Cancelled");
    expect(port.calls).toEqual([]);
  });
});
