/** Invariants D3 and D10. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../errors/codes.ts";
import type { Started } from "../errors/tutti-error.ts";
import { type FailedAttempt, MAX_ATTEMPTS, retryDecision } from "./retry.ts";

const STARTED: readonly Started[] = ["no", "maybe", "yes"];
const PLACE_CODES: readonly ErrorCode[] = ["PeerClosed", "Draining", "Unavailable", "Overloaded"];

const first = (code: ErrorCode, started: Started, idempotent: boolean): FailedAttempt => ({
  code,
  started,
  idempotent,
  attempts: 1,
  isGuilty: false,
});

const anyAttempt: fc.Arbitrary<FailedAttempt> = fc.record({
  code: fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[])),
  started: fc.constantFrom(...STARTED),
  idempotent: fc.boolean(),
  attempts: fc.integer({ min: 1, max: 2 * MAX_ATTEMPTS }),
  isGuilty: fc.boolean(),
});

describe("retryDecision", () => {
  it.each([
    ["PeerClosed", "no", false, "retry"],
    ["PeerClosed", "no", true, "retry"],
    ["PeerClosed", "maybe", false, "give up"],
    ["PeerClosed", "maybe", true, "retry"],
    ["Draining", "no", false, "retry"],
    ["Draining", "maybe", false, "give up"],
    ["Unavailable", "no", false, "retry"],
    ["Overloaded", "no", false, "retry"],
    ["Overloaded", "yes", false, "give up"],
    ["Overloaded", "yes", true, "give up"],
    ["PeerClosed", "yes", true, "give up"],
    ["DeadlineExceeded", "no", true, "give up"],
    ["Cancelled", "no", true, "give up"],
    ["ApplicationError", "yes", true, "give up"],
    ["InvalidArgument", "no", true, "give up"],
    ["TensorMismatch", "no", true, "give up"],
    ["BatchSizeMismatch", "yes", true, "give up"],
    ["BelowQuorum", "yes", true, "give up"],
    ["PoisonInput", "maybe", true, "give up"],
  ] as const)("after %s, started %s, idempotent %s: %s (D3)", (code, started, idempotent, decision) => {
    expect(retryDecision(first(code, started, idempotent))).toBe(decision);
  });

  it("repeats only what certainly did not start, or may be repeated (D3)", () => {
    fc.assert(
      fc.property(anyAttempt, (attempt) => {
        if (retryDecision(attempt) !== "retry") return;
        expect(attempt.started === "no" || attempt.idempotent).toBe(true);
        expect(PLACE_CODES).toContain(attempt.code);
      }),
    );
  });

  it("ends: no call has more than its attempts", () => {
    fc.assert(
      fc.property(anyAttempt, (attempt) => {
        fc.pre(attempt.attempts >= MAX_ATTEMPTS);
        expect(retryDecision(attempt)).not.toBe("retry");
      }),
    );
  });

  it("gives an input up that was found guilty, and no other for its executors' deaths alone (D10)", () => {
    const died = (isGuilty: boolean) =>
      retryDecision({ code: "PeerClosed", started: "maybe", idempotent: true, attempts: 2, isGuilty });
    expect(died(false)).toBe("retry");
    expect(died(true)).toBe("poison");
  });
});
