/** Which members an ensemble can do without, and what it does then: required, optional, minWeight, onMissing (E1, E2). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PlannedEnd } from "./call-port.fake.ts";
import { mean, vote, weightedMean } from "./combiners.ts";
import { runInContext } from "./context.ts";
import { failure, rejection, reportsOf, scorers, statuses } from "./ensemble.fake.ts";
import { FakeContext } from "./traced-context.fake.ts";

const ok = (value: number, turns = 0): PlannedEnd => ({ value, turns });

describe("a required member", () => {
  it("that is missing makes the call fail at once, named, though the quorum is met", async () => {
    const plans = [ok(1), ok(2), failure("PeerClosed", 1), {}];
    const { all, port } = scorers(plans, { quorum: 2, required: ["m2"] });
    const error = await rejection(all.score(1));
    expect(error.code).toBe("BelowQuorum");
    expect(error.message).toBe(
      "2 of 4 members answered, 2 are needed; m2 (required) failed: it was PeerClosed",
    );
    expect(error.details?.["missing"]).toEqual([
      { name: "m2", status: "failed", required: true, reason: "it was PeerClosed" },
      { name: "m3", status: "cancelled", required: false, reason: "cancelled" },
    ]);
    expect(port.cancelled).toEqual(["m3"]);
  });

  it("that answers changes nothing else", async () => {
    const { all } = scorers([ok(1), ok(3), failure("PeerClosed")], { quorum: 2, required: ["m1"] });
    expect(await all.score(1)).toMatchObject({ value: 2, degraded: true });
  });

  it("is each that is not optional where no quorum is given", async () => {
    const options = { optional: ["m2"] };
    const withoutOptional = await scorers([ok(1), ok(3), failure("PeerClosed")], options).all.score(1);
    expect(withoutOptional).toMatchObject({ value: 2, degraded: true });
    const error = await rejection(scorers([ok(1), failure("PeerClosed"), ok(3)], options).all.score(1));
    expect(error.message).toContain("m1 (required) failed");
  });
});

describe("the least weight", () => {
  const weights = { m0: 5, m1: 3, m2: 2 };

  it("must have answered, whatever the quorum", async () => {
    const options = { combine: weightedMean, weights, quorum: 1, minWeight: 5 };
    const light = await rejection(
      scorers([failure("Overloaded", 1), ok(1), failure("PeerClosed")], options).all.score(1),
    );
    expect(light.message).toBe(
      "1 of 3 members answered, 1 are needed; they weigh 3, and 5 is needed; m0 shed: it was Overloaded",
    );
    const { value } = await scorers([ok(1), failure("PeerClosed"), failure("PeerClosed")], options).all.score(
      1,
    );
    expect(value).toBe(1);
  });
});

describe("a default", () => {
  const options = { onMissing: "default", default: 10, quorum: 1 } as const;

  it("stands in for each member that is missing, by its weight, and the answer is degraded", async () => {
    const { all } = scorers([ok(1), failure("PeerClosed"), failure("Overloaded")], {
      ...options,
      combine: weightedMean,
      weights: { m1: 2 },
    });
    const { value, degraded, members, confidence } = await all.score(1);
    expect(value).toBe((1 + 2 * 10 + 10) / 4);
    expect(degraded).toBe(true);
    expect(confidence).toBe(0.25);
    expect(members.map(({ status, output }) => [status, output])).toEqual([
      ["ok", 1],
      ["failed", undefined],
      ["shed", undefined],
    ]);
  });

  it("counts for no quorum", async () => {
    const { all } = scorers([ok(1), failure("PeerClosed")], { ...options, quorum: 2 });
    expect((await rejection(all.score(1))).code).toBe("BelowQuorum");
  });

  it("gives a vote no confidence of its own", async () => {
    const { all } = scorers([ok(1), failure("PeerClosed"), failure("PeerClosed")], {
      ...options,
      combine: vote as never,
    });
    expect(await all.score(1)).toMatchObject({ value: 10, confidence: 0 });
  });
});

describe("an answer that cannot be combined", () => {
  it("is that of a failed member, and the others are combined", async () => {
    const { all } = scorers([ok(1), ok(Number.NaN), ok(3)], { quorum: 2 });
    const { value, members, degraded } = await all.score(1);
    expect({ value, degraded }).toEqual({ value: 2, degraded: true });
    expect(statuses(members)).toEqual(["ok", "failed", "ok"]);
  });

  it("is told as the reason", async () => {
    const error = await rejection(scorers([ok(1), ok(Number.NaN)]).all.score(1));
    expect(error.message).toContain("m1 failed: a mean is of finite numbers, not of NaN");
  });
});

describe("while the edge is overloaded", () => {
  const lean = () => new FakeContext({ lean: true });

  it("optional members are not asked, and reported as shed", async () => {
    const { all, port } = scorers([ok(1), ok(5), ok(3)], { optional: ["m1"] });
    const context = lean();
    const { value, degraded, members, confidence } = await runInContext(context, () => all.score(1));
    expect(port.calls.map(({ deployment }) => deployment)).toEqual(["m0", "m2"]);
    expect({ value, degraded }).toEqual({ value: 2, degraded: true });
    expect(confidence).toBeCloseTo(2 / 3, 10);
    expect(members[1]).toMatchObject({
      name: "m1",
      status: "shed",
      output: undefined,
      latencyMs: expect.any(Number),
    });
    expect(members[1]).toMatchObject({ queueMs: 0, runMs: 0, batchSize: 0 });
    expect(statuses(members)).toEqual(["ok", "shed", "ok"]);
    expect(context.degraded).toBe(true);
  });

  it("defaults stand in for them too", async () => {
    const options = { optional: ["m1"], onMissing: "default", default: 9, quorum: 1 } as const;
    const { all } = scorers([ok(1), ok(5), ok(2)], options);
    expect((await runInContext(lean(), () => all.score(1))).value).toBe(4);
  });

  it("an ensemble without optional members asks all", async () => {
    const { all, port } = scorers([ok(1), ok(5)]);
    expect((await runInContext(lean(), () => all.score(1))).degraded).toBe(false);
    expect(port.calls).toHaveLength(2);
  });

  it("the first of the missing that is named is not one that was left out", async () => {
    const { all } = scorers([ok(1), ok(5), failure("PeerClosed")], { optional: ["m0"] });
    const error = await rejection(runInContext(lean(), () => all.score(1)));
    expect(error.message).toContain("m2 (required) failed: it was PeerClosed");
    expect(error.details?.["missing"]).toContainEqual({
      name: "m0",
      status: "shed",
      required: false,
      reason: "left out while the edge is overloaded",
    });
  });

  it("an input that no asked member takes is still the caller's fault", async () => {
    const { all } = scorers([ok(1), failure("TensorMismatch"), failure("TensorMismatch")], {
      optional: ["m0"],
    });
    expect((await rejection(runInContext(lean(), () => all.score(1)))).code).toBe("TensorMismatch");
  });

  it("optional members are asked as soon as it no longer is", async () => {
    const { all, port } = scorers([ok(1), ok(5)], { optional: ["m1"] });
    expect(await runInContext(new FakeContext(), () => all.score(1))).toMatchObject({
      value: 3,
      degraded: false,
    });
    expect(port.calls).toHaveLength(2);
  });
});

describe("hedging", () => {
  it("is asked of the port by the option, and by with for one copy", async () => {
    const hedges = async (options: object, more: object) => {
      const { all, port } = scorers([ok(1)], options);
      await all.with(more).score(1);
      return port.hedges;
    };
    expect(await hedges({}, {})).toEqual([false]);
    expect(await hedges({ hedge: true }, {})).toEqual([true]);
    expect(await hedges({ hedge: true }, { hedge: false })).toEqual([false]);
    expect(await hedges({}, { hedge: true })).toEqual([true]);
  });
});

describe("any ensemble, with any rules", () => {
  const member = fc.record({
    plan: fc.oneof<fc.Arbitrary<PlannedEnd>[]>(
      fc.record({ value: fc.integer({ min: -100, max: 100 }), turns: fc.nat(3) }),
      fc
        .constantFrom("PeerClosed", "Overloaded", "DeadlineExceeded")
        .chain((code) => fc.nat(3).map((turns) => failure(code, turns))),
    ),
    weight: fc.integer({ min: 0, max: 9 }),
    required: fc.boolean(),
    optional: fc.boolean(),
  });

  it("answers with the combiner over those that are ok and the defaults asked for, or names what it lacks (E1, E2)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(member, { minLength: 1, maxLength: 10 }),
        fc.nat(10),
        fc.nat(30),
        fc.boolean(),
        fc.boolean(),
        async (all, count, least, withDefault, lean) => {
          const names = (take: (one: (typeof all)[number]) => boolean) =>
            all.flatMap((one, index) => (take(one) ? [`m${index}`] : []));
          const isOptional = (one: (typeof all)[number]) => one.optional && !one.required;
          const sure = all.filter((one) => !isOptional(one));
          fc.pre(sure.length > 0);
          const weightOf = (some: typeof all) => some.reduce((sum, { weight }) => sum + weight, 0);
          const quorum = Math.min(sure.length, Math.max(1, count));
          const minWeight = Math.min(least, weightOf(sure));
          const built = scorers(
            all.map(({ plan }) => plan),
            {
              quorum,
              minWeight,
              required: names(({ required }) => required),
              optional: names(isOptional),
              weights: Object.fromEntries(all.map(({ weight }, index) => [`m${index}`, weight])),
              ...(withDefault ? { onMissing: "default" as const, default: -7 } : {}),
            },
          );
          const context = new FakeContext({ lean });
          const answering = all.filter((one) => one.plan.value !== undefined && !(lean && isOptional(one)));
          const suffices =
            answering.length >= quorum &&
            weightOf(answering) >= minWeight &&
            all.every((one) => !one.required || answering.includes(one));
          const call = runInContext(context, () => built.all.score(1));
          if (suffices) {
            const { value, degraded, members } = await call;
            const said = members.map(({ name, status, output }) => ({
              name,
              weight: 1,
              value: status === "ok" ? (output as number) : withDefault ? -7 : undefined,
            }));
            const given = said.filter((one) => one.value !== undefined) as Parameters<typeof mean>[0];
            expect(value).toBe(mean(given));
            expect(statuses(members).map((status) => status === "ok")).toEqual(
              all.map((one) => answering.includes(one)),
            );
            expect(degraded).toBe(answering.length < all.length);
            expect(context.degraded).toBe(degraded);
          } else {
            const error = await rejection(call);
            expect(error.code).toBe("BelowQuorum");
            const lost = all.findIndex((one) => one.required && one.plan.value === undefined);
            const missing = error.details?.["missing"] as { name: string }[];
            if (lost >= 0) expect(missing.map(({ name }) => name)).toContain(`m${lost}`);
            expect(reportsOf(error).map(({ name }) => name)).toEqual(all.map((_, index) => `m${index}`));
          }
          expect(context.adopted.size).toBe(0);
        },
      ),
    );
  });
});
