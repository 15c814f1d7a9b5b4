import { median, spread } from "../measure/statistics.ts";
import type { OverloadResult, OverloadStep, OverloadVisit } from "../schema.ts";

/** Medians over the rounds, shares taken round by round. Pure. */
export function summariseOverload(visits: readonly OverloadVisit[]): OverloadResult[] {
  return [...Map.groupBy(visits, (visit) => visit.case).values()].flatMap((rounds) => {
    const multiples = rounds[0]?.steps.map(({ multiple }) => multiple) ?? [];
    return multiples.map((multiple) => summariseStep(rounds, multiple));
  });
}

function summariseStep(rounds: readonly OverloadVisit[], multiple: number): OverloadResult {
  const found = rounds.flatMap((visit) => {
    const step = visit.steps.find((one) => one.multiple === multiple);
    return step === undefined ? [] : [{ visit, step }];
  });
  const first = found[0];
  const middle = (of: (step: OverloadStep) => number): number => median(found.map(({ step }) => of(step)));
  const ranged = (of: (step: OverloadStep, visit: OverloadVisit) => number) =>
    spread(found.map(({ step, visit }) => of(step, visit)));
  const shareOfCapacity = ranged((step, visit) => step.goodputRps / (step.carriedRps ?? visit.capacityRps));
  const admittedP95Ms = ranged(({ admitted }) => admitted.p95Ms);
  const shedShare = ranged(shedShareOf);
  if (!first || !shareOfCapacity || !admittedP95Ms || !shedShare) throw new Error("overload: an empty group");
  const lags = found.flatMap(({ step }) => step.sendLagP99Ms ?? []);
  return {
    case: first.visit.case,
    system: first.visit.system,
    multiple,
    rounds: found.length,
    capacityRps: median(found.map(({ step, visit }) => step.carriedRps ?? visit.capacityRps)),
    rateRps: middle(({ rateRps }) => rateRps),
    goodputRps: middle(({ goodputRps }) => goodputRps),
    shareOfCapacity,
    admittedP50Ms: middle(({ admitted }) => admitted.p50Ms),
    admittedP95Ms,
    refusedShare: middle(({ refused, requests }) => refused / Math.max(1, requests)),
    refusalP50Ms: middle(({ refusals }) => refusals.p50Ms),
    refusalP95Ms: middle(({ refusals }) => refusals.p95Ms),
    shedShare,
    failed: found.reduce((sum, { step }) => sum + step.failed - step.refused, 0),
    wrong: found.reduce((sum, { step }) => sum + step.wrong, 0),
    sendLagP99Ms: lags.length === 0 ? null : median(lags),
  };
}

function shedShareOf({ right, degraded, fallback, wrong, shed }: OverloadStep): number {
  return shed / Math.max(1, right + degraded + fallback + wrong);
}
