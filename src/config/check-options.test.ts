import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import { checkKeys, describe as describeValue, finiteNumber, oneOf, wholeNumber } from "./check-options.ts";

describe("checkKeys", () => {
  it("lets known keys pass and names the first that is not, with those that are", () => {
    expect(() => checkKeys("here", { a: 1, b: undefined }, ["a", "b"])).not.toThrow();
    expect(() => checkKeys("here", { a: 1, c: 2 }, ["a", "b"])).toThrow(
      "here: unknown option c; known: a, b",
    );
  });

  it.each([
    [null, "null"],
    [5, "5"],
    [true, "true"],
    ["text", '"text"'],
    [[], "a list of 0"],
    [() => {}, "a function"],
  ] as const)("refuses %o, which holds no options", (value, found) => {
    expect(() => checkKeys("here", value as unknown as object, ["a"])).toThrow(
      `here: expected an object of options, got ${found}`,
    );
  });
});

describe("finiteNumber and wholeNumber", () => {
  const bounds = { default: 7, min: 2, max: 9 };

  it("give the default for nothing", () => {
    expect(finiteNumber("here", undefined, bounds)).toBe(7);
    expect(wholeNumber("here", undefined, bounds)).toBe(7);
  });

  it("take exactly what lies within the bounds", () => {
    fc.assert(
      fc.property(fc.oneof(fc.double(), fc.integer({ min: -20, max: 20 })), (value) => {
        if (value >= 2 && value <= 9) expect(finiteNumber("here", value, bounds)).toBe(value);
        else
          expect(() => finiteNumber("here", value, bounds)).toThrow(
            /^here: expected a number from 2 to 9, got /,
          );
      }),
    );
  });

  it("say what was found", () => {
    expect(() => finiteNumber("here", "5", bounds)).toThrow('here: expected a number from 2 to 9, got "5"');
    expect(() => finiteNumber("here", null, { default: 0, min: 1 })).toThrow(
      "expected a number at least 1, got null",
    );
    expect(() => wholeNumber("here", 2.5, bounds)).toThrow("here: expected a whole number, got 2.5");
  });

  it("fail as InvalidOptions", () => {
    expect(() => finiteNumber("here", {}, bounds)).toThrow(TuttiError);
    expect(() => finiteNumber("here", {}, bounds)).toThrow(
      expect.objectContaining({ code: "InvalidOptions" }),
    );
  });
});

describe("oneOf", () => {
  it("takes one of the known, the fallback for nothing, and names all for anything else", () => {
    expect(oneOf("here", "b", ["a", "b"], "a")).toBe("b");
    expect(oneOf("here", undefined, ["a", "b"], "a")).toBe("a");
    expect(() => oneOf("here", 3, ["a", "b"], "a")).toThrow("here: expected a or b, got 3");
  });
});

describe("describe", () => {
  it("tells a value in a few words", () => {
    expect([1, "x", [1, 2], {}, null, undefined, () => 1].map(describeValue)).toEqual([
      "1",
      '"x"',
      "a list of 2",
      "an object",
      "null",
      "undefined",
      "a function",
    ]);
  });
});
