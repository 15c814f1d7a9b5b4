import { describe, expect, test } from "vitest";
import { refuseMediaType } from "./media-type.ts";

describe("the media type of a JSON body", () => {
  test.each([
    undefined,
    "",
    "application/json",
    "Application/JSON; charset=UTF-8",
    'application/ld+json;charset="utf-8"',
    "application/json; profile=x",
  ])("takes %j", (type) => {
    expect(refuseMediaType(type, undefined)).toBeUndefined();
  });

  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json5",
    "application/json; charset=utf-16",
    "json",
  ])("refuses %j", (type) => {
    expect(refuseMediaType(type, undefined)).toMatchObject({ code: "UnsupportedMediaType" });
  });

  test("refuses a compressed body, but not one declared as identity", () => {
    expect(refuseMediaType("application/json", "gzip")).toMatchObject({ code: "UnsupportedMediaType" });
    expect(refuseMediaType("application/json", "identity")).toBeUndefined();
  });
});
