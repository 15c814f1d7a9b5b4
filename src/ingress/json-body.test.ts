import { describe, expect, test } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import { parseJsonBody } from "./json-body.ts";

const parse = (text: string, maxDepth = 32) => parseJsonBody(new TextEncoder().encode(text), maxDepth);

describe("parsing a JSON body", () => {
  test("gives the value, with or without a byte order mark", () => {
    expect(parse('{"a":[1,"é"]}')).toEqual({ value: { a: [1, "é"] } });
    expect(parse("\ufeff1")).toEqual({ value: 1 });
  });

  test("J1: refuses what nests deeper than the limit, before parsing it", () => {
    expect(parse(`${"[".repeat(33)}`)).toMatchObject({
      code: "MalformedJson",
      message: "the body nests deeper than 32 levels",
    });
  });

  test.each([
    '{"__proto__":{"admin":true}}',
    '{"a":[{"\\u005f_proto__":1}]}',
    '{"constructor":{"prototype":{"x":1}}}',
    '[{"\\u0063onstructor":{"prototype":1}}]',
  ])("J2: refuses the poisoned body %s", (text) => {
    expect(parse(text)).toMatchObject({ code: "InvalidArgument" });
  });

  test("J2: lets the words through where they do no harm", () => {
    expect(parse('{"constructor":"Bugatti","note":"__proto__"}')).toEqual({
      value: { constructor: "Bugatti", note: "__proto__" },
    });
  });

  test("J3: names the position of the first fault", () => {
    const error = parse('{"playerId": oops}');
    expect(error).toBeInstanceOf(TuttiError);
    expect(error).toMatchObject({
      code: "MalformedJson",
      message: 'the body is not JSON: expected a value, got "o" at position 13 (line 1, column 14)',
      details: { offset: 13, line: 1, column: 14 },
    });
  });

  test("refuses bytes that are not UTF-8", () => {
    expect(parseJsonBody(Uint8Array.of(0x22, 0xff, 0x22), 32)).toMatchObject({ code: "MalformedJson" });
  });
});
