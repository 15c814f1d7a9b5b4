import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { locateJsonFault } from "./json-fault.ts";

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("locating a fault in JSON", () => {
  test.each([
    ["", 0, "a value"],
    ['{"a":1,}', 7, "a property name in double quotes"],
    ['{"a" 1}', 5, '":"'],
    ["[1 2]", 3, '"," or "]"'],
    ['{"a":tru}', 5, "a value"],
    ['"abc', 4, "the end of a string"],
    ['"a\\x"', 2, "a valid escape"],
    ['"a\nb"', 2, "no control character in a string"],
    ["1 2", 2, "the end of the text"],
    ["{'a':1}", 1, "a property name in double quotes"],
  ])("%j is at fault at %i", (text, offset, expected) => {
    expect(locateJsonFault(text)).toMatchObject({ offset, expected });
  });

  test("lines and columns count from 1", () => {
    expect(locateJsonFault('{\n  "a": x\n}')).toMatchObject({ line: 2, column: 8 });
  });

  test("finds a fault exactly where JSON.parse throws, for JSON with one edit", () => {
    const edited = fc
      .tuple(
        fc.json({ maxDepth: 4 }),
        fc.nat(),
        fc.constantFrom("", '"', "{", "]", ",", ":", "0", "-", ".", "e", "\\", "t", " "),
      )
      .map(([json, at, piece]) => {
        const i = at % (json.length + 1);
        return json.slice(0, i) + piece + json.slice(piece === "" ? i + 1 : i);
      });
    fc.assert(
      fc.property(edited, (text) => {
        expect(locateJsonFault(text) === undefined).toBe(parses(text));
      }),
      { numRuns: 1000 },
    );
  });
});
