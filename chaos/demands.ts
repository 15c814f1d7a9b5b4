import type { Demands } from "./fault.ts";
import type { CampaignResult, PhaseResult } from "./schema.ts";

/** What is known of a phase before it is judged. */
export type PhaseFacts = Omit<PhaseResult, "broken" | "late" | "notJudged" | "attempts" | "examples">;

/**
 * What a demand is of. A `rule` holds on any machine and is never excused. A `share` of the answers and a `duration` may be missed
 * because others had the processor; a duration is a figure besides, which a test must not judge.
 */
export type DemandKind = "rule" | "share" | "duration";

/** A demand that was not met. */
export interface Broken {
  readonly what: string;
  readonly kind: DemandKind;
}

/** Ten times what a phase without a fault takes, about. */
const SLOW_P50_MS = 3;

/** Judges one phase. Pure. */
export function brokenDemands(facts: PhaseFacts, demands: Demands): Broken[] {
  const broken: Broken[] = [];
  const must = (holds: boolean, what: string, kind: DemandKind = "rule") => {
    if (!holds) broken.push({ what, kind });
  };
  must(facts.sent > 0, "no request was sent");
  must(facts.wrong === 0, `${facts.wrong} answers are wrong`);
  must(facts.unlabelled === 0, `${facts.unlabelled} answers are less than whole and do not say so`);
  must(facts.failed === 0, `${facts.failed} requests failed`);
  must(facts.status5xx === 0, `${facts.status5xx} answers have a status of 500 or above`);
  const personal = facts.right + facts.degraded;
  const { answeredWithinMs, replacedWithinMs, personalFraction = 0, rightFraction = 0 } = demands;
  must(
    personal >= personalFraction * facts.sent,
    `${personal} of ${facts.sent} answers are personal, which is below ${personalFraction}`,
    "share",
  );
  must(
    facts.right >= rightFraction * facts.sent,
    `${facts.right} of ${facts.sent} answers are right and whole, which is below ${rightFraction}`,
    "share",
  );
  if (answeredWithinMs !== undefined)
    must(
      facts.maxMs <= answeredWithinMs,
      `an answer took ${facts.maxMs} ms, more than ${answeredWithinMs}`,
      "duration",
    );
  const { slowestReplacementMs: tookMs } = facts;
  if (replacedWithinMs !== undefined) {
    must(tookMs !== null, "nothing was replaced");
    must(
      (tookMs ?? 0) <= replacedWithinMs,
      `a replacement took ${tookMs} ms, more than ${replacedWithinMs}`,
      "duration",
    );
  }
  if (demands.nothingReplaced === true)
    must(facts.replacements === 0, `${facts.replacements} executors were taken for dead`, "share");
  must(isSeen(facts, demands.seenAs), `the fault is not seen as ${demands.seenAs}: it was not planted`);
  return broken;
}

function isSeen(facts: PhaseFacts, seenAs: Demands["seenAs"]): boolean {
  if (seenAs === undefined) return true;
  if (seenAs === "replacement") return facts.replacements > 0;
  if (seenAs === "slow") return facts.p50Ms > SLOW_P50_MS;
  return facts[seenAs] > 0;
}

/** A process that is ready to run waits this long only where others take all of the processor. */
const STARVED_LAG_MS = 75;
const STARVED_CPU_FRACTION = 0.2;

/** Others had the processor: what took too long then says nothing of Tutti. */
export const isStarved = ({ ownLagMs, foreignCpuFraction }: PhaseFacts): boolean =>
  ownLagMs > STARVED_LAG_MS || foreignCpuFraction > STARVED_CPU_FRACTION;

const MEMORY_TOLERANCE = 0.1;

/** Judges the campaign as a whole. */
export function brokenByMemory(memory: CampaignResult["memory"]): string[] {
  return memory
    .filter(({ beforeMb, afterMb }) => afterMb > beforeMb * (1 + MEMORY_TOLERANCE))
    .map(
      ({ system, beforeMb, afterMb }) =>
        `${system}: memory grew from ${Math.round(beforeMb)} to ${Math.round(afterMb)} MB`,
    );
}
