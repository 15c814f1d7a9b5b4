import { TuttiError } from "../errors/tutti-error.ts";
import { type EnsembleRules, type EnsembleTally, weighsEnough } from "../policy/ensemble-decision.ts";
import type { MemberReport } from "./ensemble-result.ts";

/**
 * Why an ensemble has no answer: how many members answered, what is needed, and the first that is missing, a required one
 * before others. `details` has all that are missing with their reasons, and every report.
 *
 * @param errors by member; undefined for those that answered or were only cancelled with the rest.
 */
export function belowQuorum(
  rules: EnsembleRules,
  tally: EnsembleTally,
  members: readonly MemberReport[],
  errors: readonly (TuttiError | undefined)[],
): TuttiError {
  const { quorum, minWeight, required } = rules;
  const missing = members.flatMap(({ name, status }, index) =>
    status === "ok"
      ? []
      : [{ name, status, required: required[index]!, reason: errors[index]?.message ?? status }],
  );
  const culprits = missing.filter(({ status }) => status !== "cancelled");
  const culprit = culprits.find((one) => one.required) ?? culprits[0] ?? missing[0];
  const mark = culprit?.required && quorum < members.length ? " (required)" : "";
  const isTooLight = !weighsEnough(tally.okWeight + tally.pendingWeight, rules);
  const lightness = isTooLight
    ? `; they weigh ${round(tally.okWeight)}, and ${round(minWeight)} is needed`
    : "";
  return new TuttiError(
    "BelowQuorum",
    `${tally.ok} of ${members.length} members answered, ${quorum} are needed${lightness}; ` +
      `${culprit?.name}${mark} ${culprit?.status}: ${culprit?.reason}`,
    { details: { missing, members } },
  );
}

/** The error, with the reports of the members in its details: nothing is dropped silently (E2). */
export function withReports(error: TuttiError, members: readonly MemberReport[]): TuttiError {
  const { code, message, started, status, retryAfterSeconds } = error;
  return new TuttiError(code, message, {
    started,
    status,
    details: { ...error.details, members },
    cause: error,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

const round = (weight: number): number => Number(weight.toPrecision(6));
