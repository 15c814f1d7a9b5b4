import { offerKey, PROPENSITY_TOLERANCE } from "../bench/load/answer-check.ts";
import type { HttpResponse } from "../src/load/response-parser.ts";
import type { Reference } from "./reference.ts";

/**
 * What an answer is worth. `degraded`: less than all members, or the default offer, and it says so. `unlabelled`: less,
 * and it does not say so. `wrong`: another value than the members that it names give. `refused`: 503 or 429.
 */
export type Verdict =
  | { readonly kind: "right" | "degraded" | "refused" }
  /** With the reason that the answer gives. */
  | { readonly kind: "fallback"; readonly said: string }
  | { readonly kind: "wrong" | "unlabelled" | "failed"; readonly reason: string };

export type VerdictKind = Verdict["kind"];

/** Statuses by which a request is not admitted. */
const REFUSALS: readonly number[] = [429, 503];

/** Judges an answer to `POST /offers/tower?explain=1` for one of the reference's players. */
export function judgeAnswer(response: HttpResponse, player: number, reference: Reference): Verdict {
  const { status, body, degradedHeader } = response;
  if (REFUSALS.includes(status)) return { kind: "refused" };
  if (status !== 200) return { kind: "failed", reason: `status ${status}: ${body.slice(0, 200)}` };
  const answer = parseAnswer(body);
  if (answer === undefined) return wrong(`not an offer: ${body.slice(0, 200)}`);
  if (answer.playerId !== reference.playerIds[player]) return wrong(`an offer for ${answer.playerId}`);
  const isLess = !answer.personalised || answer.members.ok < reference.members.length;
  const labels = [degradedHeader === "1", answer.degraded];
  if (isLess !== labels[0] || isLess !== labels[1]) {
    const said = `members ok ${answer.members.ok}, personalised ${answer.personalised}`;
    const reason = `${said}, but degraded is ${answer.degraded} and its header ${degradedHeader}`;
    return { kind: "unlabelled", reason };
  }
  const key = offerKey(answer.offer);
  if (!answer.personalised) {
    if (key !== reference.defaultOffer || answer.propensity !== null || answer.reason === null)
      return wrong(`a fallback with offer ${key}, propensity ${answer.propensity}, reason ${answer.reason}`);
    return { kind: "fallback", said: answer.reason };
  }
  const fault = faultOfPersonal(answer, player, reference);
  if (fault !== undefined) return wrong(fault);
  return { kind: isLess ? "degraded" : "right" };
}

/** The mean, by their weights, of exactly the members that are reported ok, each of which said what its model says. */
function faultOfPersonal(answer: Answer, player: number, reference: Reference): string | undefined {
  const outputs = reference.outputs[player] ?? [];
  const ok = (answer.explain?.members ?? []).filter(({ status }) => status === "ok");
  if (ok.length !== answer.members.ok || ok.length === 0)
    return `${answer.members.ok} members are ok, ${ok.length} of them explained`;
  let sum = 0;
  let weights = 0;
  for (const { name, output } of ok) {
    const member = reference.members.indexOf(name);
    const expected = outputs[member];
    const weight = reference.weights[member];
    if (expected === undefined || weight === undefined || !isNear(output, expected))
      return `${name} said ${output}, its model says ${expected}`;
    sum += weight * expected;
    weights += weight;
  }
  const propensity = sum / weights;
  if (!isNear(answer.propensity, propensity))
    return `propensity ${answer.propensity}, its ${ok.length} members give ${propensity}`;
  const offers = reference.offersFor(propensity);
  const key = offerKey(answer.offer);
  return offers.includes(key) ? undefined : `offer ${key}, expected ${offers.join(" or ")}`;
}

const isNear = (value: number | null, expected: number): boolean =>
  value !== null && Math.abs(value - expected) <= PROPENSITY_TOLERANCE;

const wrong = (reason: string): Verdict => ({ kind: "wrong", reason });

interface Answer {
  readonly playerId: string;
  readonly offer: { readonly sku: string; readonly discountPercent: number };
  readonly propensity: number | null;
  readonly personalised: boolean;
  readonly degraded: boolean;
  readonly members: { readonly ok: number };
  readonly reason: string | null;
  readonly explain?: {
    readonly members: readonly {
      readonly name: string;
      readonly status: string;
      readonly output: number | null;
    }[];
  };
}

function parseAnswer(body: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isAnswer(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isAnswer(value: unknown): value is Answer {
  if (typeof value !== "object" || value === null) return false;
  const { playerId, offer, personalised, degraded, members } = value as Partial<Answer>;
  return (
    typeof playerId === "string" &&
    typeof offer === "object" &&
    typeof personalised === "boolean" &&
    typeof degraded === "boolean" &&
    typeof members?.ok === "number"
  );
}
