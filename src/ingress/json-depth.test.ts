import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isJsonTooDeep } from "./json-depth.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe("the depth scan", () => {
  test("counts arrays and objects, the top one as depth 1", () => {
    expect(isJsonTooDeep(bytes('{"a":[{}]}'), 3)).toBe(false);
    expect(isJsonTooDeep(bytes('{"a":[{}]}'), 2)).toBe(true);
    expect(isJsonTooDeep(bytes("12"), 1)).toBe(false);
  });

  test("does not count brackets inside strings, nor end a string at an escaped quote", () => {
    expect(isJsonTooDeep(bytes('["[[[\\"[[[\\\\"]'), 1)).toBe(false);
  });

  test("does not take siblings for depth", () => {
    expect(isJsonTooDeep(bytes(`[${"[],".repeat(1000)}[]]`), 2)).toBe(false);
  });

  test("agrees with the depth of the parsed value, for any JSON and limit", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 0, max: 8 }), (value, max) => {
        const text = JSON.stringify(value, null, max % 2);
        expect(isJsonTooDeep(bytes(text), max)).toBe(depthOf(JSON.parse(text)) > max);
      }),
    );
  });

  test("passes everything the parser could choke on at the limit, without recursion, for hostile depth", () => {
    expect(isJsonTooDeep(bytes("[".repeat(1_000_000)), 32)).toBe(true);
  });
});
