import { describe, expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode, isErrorCode } from "./codes.ts";

const ENTRIES = Object.entries(ERROR_CODES);
/** The names of gRPC's status codes. */
const GRPC = [
  ..."CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED".split(
    " ",
  ),
  ..."RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE UNAUTHENTICATED DATA_LOSS".split(
    " ",
  ),
];

describe("the table of error codes", () => {
  it.each(ENTRIES)("%s has a meaning of one sentence, an HTTP status and a gRPC status", (_, entry) => {
    expect(entry.meaning).toMatch(/^[A-Z][^\n]+\.$/);
    expect(entry.http).toBeGreaterThanOrEqual(400);
    expect(entry.http).toBeLessThan(600);
    expect(GRPC).toContain(entry.grpc);
  });

  it("has no two codes of one meaning", () => {
    expect(new Set(ENTRIES.map(([, { meaning }]) => meaning)).size).toBe(ENTRIES.length);
  });

  it("says that it is worth trying again of 503 alone", () => {
    for (const [, { http, retryable }] of ENTRIES) expect(retryable).toBe(http === 503);
  });

  it.each([
    ["MalformedJson", 400],
    ["NotFound", 404],
    ["MethodNotAllowed", 405],
    ["RequestTimeout", 408],
    ["PayloadTooLarge", 413],
    ["UnsupportedMediaType", 415],
    ["Cancelled", 499],
    ["ApplicationError", 500],
    ["Overloaded", 503],
    ["Unavailable", 503],
    ["DeadlineExceeded", 504],
  ] as readonly (readonly [ErrorCode, number])[])(
    "answers %s with %d, as the API promises",
    (code, status) => {
      expect(ERROR_CODES[code].http).toBe(status);
    },
  );
});

describe("isErrorCode", () => {
  it("knows the codes of the table and nothing that an object merely inherits", () => {
    expect(isErrorCode("PeerClosed")).toBe(true);
    for (const other of ["toString", "__proto__", "constructor", "", "peerclosed", 5, null, undefined]) {
      expect(isErrorCode(other)).toBe(false);
    }
  });
});
