import { describe, expect, test } from "vitest";
import { ERROR_CODES, isErrorCode } from "../errors/codes.ts";
import { HttpError, TuttiError } from "../errors/tutti-error.ts";
import { serverTiming } from "./answer-headers.ts";
import { errorAnswer, rawErrorAnswer } from "./error-answer.ts";
import { RequestIds } from "./request-id.ts";

const bodyOf = (error: TuttiError) => JSON.parse(errorAnswer(error, "r-1").body).error;

describe("an error's answer", () => {
  test("has code, message, path and request id", () => {
    expect(bodyOf(new TuttiError("InvalidArgument", "too short", { path: "body.playerId" }))).toEqual({
      code: "InvalidArgument",
      message: "too short",
      path: "body.playerId",
      requestId: "r-1",
    });
  });

  test("does not show the message of a bug, but that of an HttpError of any status", () => {
    expect(errorAnswer(new TuttiError("ApplicationError", "secret"), "r-1").body).not.toContain("secret");
    expect(errorAnswer(new TuttiError("ProtocolError", "secret"), "r-1").body).not.toContain("secret");
    expect(bodyOf(new HttpError(500, "sold-out", "no more offers"))).toMatchObject({
      code: "sold-out",
      message: "no more offers",
    });
  });

  test("every code has a status a client can be given, and 503 says when to come back", () => {
    for (const code of Object.keys(ERROR_CODES).filter(isErrorCode)) {
      const { status, headers } = errorAnswer(new TuttiError(code, ""), "r-1");
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).not.toBe(499);
      expect(headers.includes("retry-after")).toBe(status === 503);
    }
    expect(errorAnswer(new TuttiError("Overloaded", "", { retryAfterSeconds: 2.2 }), "r").headers).toEqual([
      "retry-after",
      "3",
    ]);
  });

  test("a status from the wire that is none becomes 500", () => {
    expect(errorAnswer(new TuttiError("HttpError", "", { status: 999 }), "r").status).toBe(500);
  });

  test("the raw form is a whole HTTP answer", () => {
    const [head = "", body = ""] = rawErrorAnswer(new TuttiError("HeaderTooLarge", "é"), "r-1").split(
      "\r\n\r\n",
    );
    expect(head).toMatch(/^HTTP\/1\.1 431 /);
    expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`);
    expect(head).toContain("connection: close");
  });
});

describe("headers of an answer", () => {
  test("server-timing has the stages and the total, with names made tokens", () => {
    expect(serverTiming([{ name: "my model", ms: 1.239 }], 4)).toBe("my_model;dur=1.24,total;dur=4");
  });

  test("a client's request id is kept if it is safe and short, else replaced by a unique one", () => {
    const ids = new RequestIds("p");
    expect(ids.idFor("trace-1.a:b_c")).toBe("trace-1.a:b_c");
    const made = ["", "a b", "x".repeat(65), "é", undefined, ["a", "b"]].map((id) => ids.idFor(id));
    expect(new Set(made).size).toBe(made.length);
    expect(made.every((id) => /^p-[0-9a-z]+$/.test(id))).toBe(true);
  });
});
