import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode } from "./codes.ts";
import {
  fromWireError,
  HttpError,
  type Started,
  TuttiError,
  type TuttiErrorOptions,
  toWireError,
} from "./tutti-error.ts";

const codes = Object.keys(ERROR_CODES) as ErrorCode[];

const anyError = fc
  .record({
    code: fc.constantFrom(...codes),
    message: fc.string(),
    options: fc.record(
      {
        started: fc.constantFrom<Started>("no", "maybe", "yes"),
        path: fc.string(),
        status: fc.integer({ min: 400, max: 599 }),
        publicCode: fc.string(),
        retryAfterSeconds: fc.nat(3600),
        details: fc.dictionary(
          fc.string().filter((key) => key !== "__proto__"),
          fc.oneof(fc.integer(), fc.string()),
        ),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ code, message, options }) => new TuttiError(code, message, options as TuttiErrorOptions));

const fields = ({
  code,
  message,
  started,
  path,
  status,
  publicCode,
  retryAfterSeconds,
  details,
}: TuttiError) => ({
  code,
  message,
  started,
  path,
  status,
  publicCode,
  retryAfterSeconds,
  details: details === undefined ? undefined : { ...details },
});

describe("the wire form of an error", () => {
  it("gives every field back after a trip through JSON", () => {
    fc.assert(
      fc.property(anyError, (error) => {
        expect(fields(fromWireError(JSON.parse(JSON.stringify(toWireError(error)))))).toEqual(fields(error));
      }),
    );
  });

  it("leaves out what the code says already", () => {
    expect(toWireError(new TuttiError("Overloaded", "full", { started: "no" }))).toEqual({
      code: "Overloaded",
      message: "full",
      started: "no",
    });
  });

  it("keeps the status, code and path that a method chose", () => {
    const back = fromWireError(
      toWireError(new HttpError(404, "unknown-game", "no such game", "params.game")),
    );
    expect(back).toMatchObject({
      code: "HttpError",
      status: 404,
      publicCode: "unknown-game",
      path: "params.game",
    });
  });

  it("reads anything a peer may send without a throw, as a TuttiError with an HTTP error status", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          fc.record({
            code: fc.anything(),
            message: fc.anything(),
            started: fc.anything(),
            path: fc.anything(),
            status: fc.oneof(fc.integer(), fc.double(), fc.anything()),
            publicCode: fc.anything(),
            retryAfterSeconds: fc.oneof(fc.double(), fc.anything()),
            details: fc.anything(),
          }),
        ),
        (value) => {
          const error = fromWireError(value);
          expect(error).toBeInstanceOf(TuttiError);
          expect(codes).toContain(error.code);
          expect(typeof error.message).toBe("string");
          expect(["no", "maybe", "yes"]).toContain(error.started);
          expect(Number.isInteger(error.status) && error.status >= 400 && error.status <= 599).toBe(true);
          expect(error.retryAfterSeconds === undefined || Number.isFinite(error.retryAfterSeconds)).toBe(
            true,
          );
        },
      ),
    );
  });

  it("makes an unknown code Internal and keeps the message", () => {
    expect(fromWireError({ code: "toString", message: "what it said" })).toMatchObject({
      code: "Internal",
      message: "what it said",
      started: "yes",
    });
  });

  it("takes work for begun when the peer does not say", () => {
    expect(fromWireError({ code: "PeerClosed" }).started).toBe("yes");
  });
});

describe("TuttiError.from", () => {
  it("passes a TuttiError on as it is", () => {
    const error = new TuttiError("NotFound", "not here");
    expect(TuttiError.from(error)).toBe(error);
  });

  it("wraps anything else, with its message and itself as the cause", () => {
    const thrown = new RangeError("too far");
    expect(TuttiError.from(thrown)).toMatchObject({
      code: "ApplicationError",
      message: "too far",
      cause: thrown,
    });
    expect(TuttiError.from("just words", "StartFailed")).toMatchObject({
      code: "StartFailed",
      message: "just words",
    });
    expect(TuttiError.from(undefined).message).toBe("undefined");
  });

  it("wraps even what cannot be made a string: a call must end, whatever its method throws (D1)", () => {
    const unprintable = {
      toString: () => {
        throw new Error("no");
      },
    };
    for (const thrown of [Object.create(null), unprintable, Symbol("s")]) {
      expect(TuttiError.from(thrown)).toMatchObject({ code: "ApplicationError", cause: thrown });
    }
  });
});

describe("a TuttiError", () => {
  it("has its code's status and public code unless told otherwise", () => {
    expect(new TuttiError("DeadlineExceeded", "late")).toMatchObject({
      status: 504,
      publicCode: "DeadlineExceeded",
    });
    expect(new TuttiError("PayloadTooLarge", "big", { status: 500 }).status).toBe(500);
  });

  it("counts as started unless it says otherwise, so that nothing is repeated by mistake (D3)", () => {
    expect(new TuttiError("PeerClosed", "gone").started).toBe("yes");
  });
});

describe("an HttpError", () => {
  it.each([400, 404, 429, 500, 503, 599])("takes the status %d", (status) => {
    expect(new HttpError(status, "some-code", "a message")).toMatchObject({
      name: "HttpError",
      code: "HttpError",
      status,
      publicCode: "some-code",
    });
  });

  it.each([0, 200, 302, 399, 600, 404.5, Number.NaN, "404" as unknown as number])(
    "refuses the status %s by name",
    (status) => {
      expect(() => new HttpError(status, "some-code", "a message")).toThrow(
        /status must be 400 to 599, got /,
      );
    },
  );
});
