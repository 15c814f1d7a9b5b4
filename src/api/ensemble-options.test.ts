import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Tensor } from "../wire/tensor.ts";
import { mean } from "./combiners.ts";
import { type EnsembleOptions, resolveEnsembleOptions } from "./ensemble-options.ts";

const NAMES = ["m1", "m2", "m3", "m4", "m5"];

const resolve = (options: unknown) =>
  resolveEnsembleOptions(NAMES, { combine: mean, ...(options as object) } as EnsembleOptions<
    unknown,
    number,
    number
  >);
const selectWith = (select: unknown) => resolve({ select }).select;
const column = (...values: number[]) => new Tensor("float32", Float32Array.from(values), [values.length, 1]);

describe("the options of an ensemble", () => {
  it("have their documented defaults, frozen", () => {
    const resolved = resolve({});
    expect(resolved).toMatchObject({
      rules: { weights: [1, 1, 1, 1, 1], totalWeight: 5, quorum: 5, minWeight: 0 },
      optional: [false, false, false, false, false],
      deadlineMs: undefined,
      reserveMs: 25,
      defaults: undefined,
      hedge: false,
    });
    for (const part of [resolved, resolved.rules, resolved.rules.weights, resolved.optional]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it.each([
    [1, 1],
    [3, 3],
    [5, 5],
    [0.2, 1],
    [0.5, 3],
    [0.6, 3],
    [0.8, 4],
    [0.99, 5],
    [0.001, 1],
  ])("take the quorum %d of five as %d members", (quorum, members) => {
    expect(resolve({ quorum }).rules.quorum).toBe(members);
  });

  it("take a fraction as the fewest members that are at least that share, free of rounding noise", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 1, max: 39 }), (members, count) => {
        fc.pre(count < members);
        const names = Array.from({ length: members }, (_, index) => `m${index}`);
        expect(resolveEnsembleOptions(names, { combine: mean, quorum: count / members }).rules.quorum).toBe(
          count,
        );
      }),
    );
  });

  it.each([0, -1, 6, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "3", null])(
    "refuse the quorum %j",
    (quorum) => {
      expect(() => resolve({ quorum })).toThrow(
        "ensemble: quorum must be a count from 1 to 5 or a fraction above 0 and below 1, got ",
      );
    },
  );

  it("give weights by name, 1 where they say nothing", () => {
    expect(resolve({ weights: { m2: 3, m4: 0 } }).rules.weights).toEqual([1, 3, 1, 0, 1]);
  });

  it.each([
    [{ weights: { other: 1 } }, "ensemble: weights names other, which is no member: m1, m2, m3, m4, m5"],
    [{ weights: { m1: -1 } }, "ensemble: the weight of m1 must be 0 or more, got -1"],
    [{ weights: { m1: Number.NaN } }, "ensemble: the weight of m1 must be 0 or more, got NaN"],
    [{ weights: { m1: "2" } }, "ensemble: the weight of m1 must be 0 or more, got 2"],
    [{ combine: undefined }, "ensemble: combine is mean, weightedMean, vote or a function"],
    [{ combine: "mean" }, "ensemble: combine is mean, weightedMean, vote or a function"],
    [{ deadlineMs: 0 }, "ensemble: deadlineMs: expected a number at least 1, got 0"],
    [{ reserveMs: -1 }, "ensemble: reserveMs: expected a number at least 0, got -1"],
    [
      { timeoutMs: 5 },
      "ensemble: unknown option timeoutMs; known: combine, select, weights, quorum, required, optional, minWeight, deadlineMs, reserveMs, onMissing, default, hedge",
    ],
  ])("refuse %o, naming the option", (options, message) => {
    expect(() => resolve(options)).toThrow(message);
    expect(() => resolve(options)).toThrow(expect.objectContaining({ code: "InvalidOptions" }));
  });
});

describe("which members are needed", () => {
  const names = (flags: readonly boolean[]) => NAMES.filter((_, index) => flags[index]);

  it("is said by names, and none is optional and required at once", () => {
    const { rules, optional } = resolve({ quorum: 2, required: ["m4", "m2"], optional: ["m5"] });
    expect(names(rules.required)).toEqual(["m2", "m4"]);
    expect(names(optional)).toEqual(["m5"]);
  });

  it("is every one that is not optional when no quorum is given", () => {
    for (const more of [{}, { onMissing: "fail" }]) {
      const { rules } = resolve({ optional: ["m1", "m5"], ...more });
      expect(names(rules.required)).toEqual(["m2", "m3", "m4"]);
      expect(rules.quorum).toBe(3);
    }
  });

  it.each([
    [{ required: ["m9"] }, 'required names "m9", which is no member: m1, m2, m3, m4, m5'],
    [{ optional: ["m9"] }, 'optional names "m9", which is no member: m1, m2, m3, m4, m5'],
    [{ required: "m1" }, 'required must be a list of members, got "m1"'],
    [{ optional: null }, "optional must be a list of members, got null"],
    [{ required: ["m1"], optional: ["m1"] }, "m1 cannot be both required and optional"],
    [{ optional: NAMES }, "a member at least must not be optional"],
    [{ optional: ["m1"], quorum: 5 }, "at most the 4 members that are not optional, got 5"],
    [{ optional: ["m1", "m2"], quorum: 0.7 }, "at most the 3 members that are not optional, got 0.7"],
    [{ minWeight: -1 }, "minWeight: expected a number from 0 to "],
    [{ minWeight: 4.5, optional: ["m1"] }, "minWeight: expected a number from 0 to "],
    [
      { onMissing: "fail", quorum: 3 },
      "onMissing fail asks for every member that is not optional: leave quorum out",
    ],
    [{ onMissing: "skip" }, 'onMissing: expected renormalise or default or fail, got "skip"'],
    [{ onMissing: "default" }, "onMissing is default, but no default is given"],
    [{ default: 0 }, 'a default is given, but onMissing is renormalise; say onMissing: "default"'],
    [
      { onMissing: "default", default: Number.NaN },
      "the default of m1 cannot be combined: a mean is of finite numbers",
    ],
    [{ hedge: 1 }, "hedge must be true or false, got 1"],
  ])("refuses %o, naming the option", (options, message) => {
    expect(() => resolve(options)).toThrow(message);
    expect(() => resolve(options)).toThrow(expect.objectContaining({ code: "InvalidOptions" }));
  });

  it("may ask for the whole weight, though fractions do not add up to 1 exactly", () => {
    const weights = Object.fromEntries(NAMES.map((name, index) => [name, [0.1, 0.2, 0.3, 0.3, 0.1][index]]));
    expect(resolve({ weights, minWeight: 1 }).rules.minWeight).toBe(1);
  });
});

describe("what stands in for a missing member", () => {
  it("is one value, or what a function says of its name", () => {
    const values = (options: object) =>
      resolve({ onMissing: "default", ...options }).defaults?.map(({ value }) => value);
    expect(values({ default: 0.5 })).toEqual([0.5, 0.5, 0.5, 0.5, 0.5]);
    expect(values({ default: (name: string) => Number(name.slice(1)) })).toEqual([1, 2, 3, 4, 5]);
  });

  it("has the member's weight", () => {
    const { defaults } = resolve({ onMissing: "default", default: 0, weights: { m2: 4 } });
    expect(defaults?.map(({ weight }) => weight)).toEqual([1, 4, 1, 1, 1]);
  });
});

describe("what is selected of a member's answer", () => {
  it("is the answer itself when that is a number or a string", () => {
    expect(selectWith(undefined)(0.5)).toBe(0.5);
    expect(selectWith(undefined)("cat")).toBe("cat");
  });

  it("is the one number of a tensor, or of a model's only output", () => {
    expect(selectWith(undefined)(column(0.5))).toBe(0.5);
    expect(selectWith(undefined)({ probability: column(0.25) })).toBe(0.25);
    expect(selectWith(undefined)({ label: new Tensor("string", ["cat"], [1]) })).toBe("cat");
    expect(selectWith(undefined)({ label: new Tensor("int64", BigInt64Array.of(7n), [1]) })).toBe(7);
  });

  it("is the output of that name when it is told one", () => {
    const answer = { label: column(1), probability: column(0.75) };
    expect(selectWith("probability")(answer)).toBe(0.75);
  });

  it("is what a function makes of it", () => {
    expect(selectWith((output: { scores: number[] }) => output.scores[1])({ scores: [1, 2] })).toBe(2);
  });

  it.each([
    [undefined, { a: column(1), b: column(2) }, "ensemble: a member has 2 outputs; say which by select"],
    [undefined, { a: column(1, 2) }, "ensemble: a member's answer is not one number or string; give select"],
    [undefined, {}, "ensemble: a member's answer is not one number or string; give select"],
    [undefined, null, "ensemble: a member's answer is not one number or string; give select"],
    [undefined, true, "ensemble: a member's answer is not one number or string; give select"],
    [undefined, [1], "ensemble: a member's answer is not one number or string; give select"],
    ["b", { a: column(1) }, "ensemble: a member has no output b"],
    ["b", null, "ensemble: a member has no output b"],
    ["toString", {}, "ensemble: a member's answer is not one number or string; give select"],
  ])("by %o of %o is nothing, and says so", (select, output, message) => {
    expect(() => selectWith(select)(output)).toThrow(message);
  });
});
