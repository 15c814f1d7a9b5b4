import { expect, test } from "vitest";
import { checkAnswer, type ReferenceAnswer } from "./answer-check.ts";

const expected: ReferenceAnswer = { propensity: 0.25, offers: ["chest/30"] };
const right = {
  propensity: 0.250004,
  personalised: true,
  degraded: false,
  offer: { sku: "chest", discountPercent: 30 },
};

function verdict(answer: unknown, status = 200, degradedHeader?: string) {
  return checkAnswer({ status, degradedHeader, closes: false, body: JSON.stringify(answer) }, expected);
}

test("an answer within the tolerance is right", () => {
  expect(verdict(right)).toEqual({ kind: "right" });
});

test("another propensity or another offer is wrong, and the reason says which", () => {
  expect(verdict({ ...right, propensity: 0.2501 })).toMatchObject({ kind: "wrong" });
  expect(verdict({ ...right, propensity: Number.NaN })).toMatchObject({ kind: "wrong" });
  expect(verdict({ ...right, offer: { sku: "chest", discountPercent: 40 } })).toMatchObject({
    kind: "wrong",
    reason: "offer chest/40, the reference says chest/30",
  });
});

test("either of two offers is right where the tolerance decides between them", () => {
  const close = { ...expected, offers: ["chest/30", "chest/40"] };
  const other = { ...right, offer: { sku: "chest", discountPercent: 40 } };
  expect(
    checkAnswer(
      { status: 200, degradedHeader: undefined, closes: false, body: JSON.stringify(other) },
      close,
    ),
  ).toEqual({ kind: "right" });
});

test("degraded and default answers are counted apart, whatever their values", () => {
  expect(verdict({ ...right, propensity: 0.9 }, 200, "1")).toEqual({ kind: "degraded", shed: false });
  expect(verdict({ ...right, propensity: 0.9, degraded: true })).toEqual({ kind: "degraded", shed: false });
  const fallback = { ...right, propensity: null, personalised: false };
  expect(verdict(fallback)).toEqual({ kind: "fallback", shed: false });
});

test("what lacks a member that was refused inside the system is told apart", () => {
  const members = (shed: number) => ({ ok: 15 - shed, late: 0, failed: 0, shed, cancelled: 0 });
  const degraded = { ...right, degraded: true };
  expect(verdict({ ...degraded, members: members(0) })).toEqual({ kind: "degraded", shed: false });
  expect(verdict({ ...degraded, members: members(2) })).toEqual({ kind: "degraded", shed: true });
  const fallback = { ...degraded, personalised: false, members: members(9) };
  expect(verdict(fallback)).toEqual({ kind: "fallback", shed: true });
});

test("a refusal is a 503 that says when to come back", () => {
  const refusal = { status: 503, degradedHeader: "0", retryAfter: "2", closes: false, body: "{}" };
  expect(checkAnswer(refusal, expected)).toEqual({ kind: "refused" });
});

test("other statuses and bodies that are not JSON have failed", () => {
  expect(verdict(right, 503)).toEqual({ kind: "failed", reason: "status 503" });
  const garbage = { status: 200, degradedHeader: undefined, closes: false, body: "<html>" };
  expect(checkAnswer(garbage, expected)).toMatchObject({ kind: "failed" });
});
