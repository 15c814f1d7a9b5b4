import type { HttpResponse } from "../../src/load/response-parser.ts";

/** What the same ONNX files say when they are run directly, for one player. */
export interface ReferenceAnswer {
  readonly propensity: number;
  /** Offers that are right: more than one when a change of the propensity within the tolerance changes the offer. */
  readonly offers: readonly string[];
}

export type Verdict =
  | { readonly kind: "right" }
  /** `shed`: an answer that lacks something because a bound inside the system refused work. */
  | { readonly kind: "degraded" | "fallback"; readonly shed: boolean }
  /** Refused as it should be: 503 that says when to come back. */
  | { readonly kind: "refused" }
  | { readonly kind: "wrong" | "failed"; readonly reason: string };

export const PROPENSITY_TOLERANCE = 1e-5;

/** An offer as one comparable word. */
export function offerKey(offer: { readonly sku: string; readonly discountPercent: number }): string {
  return `${offer.sku}/${offer.discountPercent}`;
}

const RIGHT: Verdict = { kind: "right" };
const REFUSED: Verdict = { kind: "refused" };

/** Judges one answer of `POST /offers/{game}`. */
export function checkAnswer(response: HttpResponse, expected: ReferenceAnswer): Verdict {
  if (response.status === 503 && response.retryAfter !== undefined) return REFUSED;
  if (response.status !== 200) return { kind: "failed", reason: `status ${response.status}` };
  let answer: unknown;
  try {
    answer = JSON.parse(response.body);
  } catch {
    return { kind: "failed", reason: "the body is not JSON" };
  }
  if (!isRecord(answer)) return { kind: "failed", reason: "the body is not an object" };
  if (response.degradedHeader === "1" || answer.degraded === true) {
    return { kind: answer.personalised === false ? "fallback" : "degraded", shed: hasShed(answer) };
  }
  if (answer.personalised === false) return { kind: "fallback", shed: hasShed(answer) };
  const { propensity, offer } = answer;
  if (typeof propensity !== "number" || !isOffer(offer)) {
    return { kind: "wrong", reason: "propensity or offer is missing" };
  }
  if (!(Math.abs(propensity - expected.propensity) <= PROPENSITY_TOLERANCE)) {
    return { kind: "wrong", reason: `propensity ${propensity}, the reference says ${expected.propensity}` };
  }
  const key = offerKey(offer);
  if (!expected.offers.includes(key)) {
    return { kind: "wrong", reason: `offer ${key}, the reference says ${expected.offers.join(" or ")}` };
  }
  return RIGHT;
}

function hasShed({ members }: Record<string, unknown>): boolean {
  return isRecord(members) && typeof members["shed"] === "number" && members["shed"] > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isOffer(value: unknown): value is { sku: string; discountPercent: number } {
  return isRecord(value) && typeof value.sku === "string" && typeof value.discountPercent === "number";
}
