import { median, ratioSpread, spread } from "../measure/statistics.ts";
import type { RolloutResult, RolloutVisit, RolloutWindow } from "../schema.ts";

/** Medians over the rounds, the ratio of the two windows round by round. Pure. */
export function summariseRollout(visits: readonly RolloutVisit[]): RolloutResult[] {
  const by = (of: (visit: RolloutVisit) => number) =>
    new Map(visits.map((visit) => [visit.round, of(visit)]));
  const p95Times = ratioSpread(
    by(({ updating }) => updating.latency.p95Ms),
    by(({ steady }) => steady.latency.p95Ms),
  );
  const failedPerVisit = spread(visits.map(({ updating }) => updating.failed + updating.wrong));
  if (p95Times === undefined || failedPerVisit === undefined) return [];
  const figures = (of: (visit: RolloutVisit) => RolloutWindow) => ({
    p50Ms: median(visits.map((visit) => of(visit).latency.p50Ms)),
    p95Ms: median(visits.map((visit) => of(visit).latency.p95Ms)),
    p99Ms: median(visits.map((visit) => of(visit).latency.p99Ms)),
    maxMs: median(visits.map((visit) => of(visit).latency.maxMs)),
  });
  const sum = (of: (window: RolloutWindow) => number) =>
    visits.reduce((total, { updating }) => total + of(updating), 0);
  return [
    {
      rounds: visits.length,
      rateRps: median(visits.map(({ rateRps }) => rateRps)),
      updates: visits.reduce((total, { updates }) => total + updates, 0),
      updateMs: median(visits.flatMap(({ updateMs }) => updateMs)),
      steady: figures(({ steady }) => steady),
      updating: figures(({ updating }) => updating),
      p95Times,
      failedPerVisit,
      requests: sum(({ requests }) => requests),
      failed: sum(({ failed }) => failed),
      degraded: sum(({ degraded, fallback }) => degraded + fallback),
      wrong: sum(({ wrong }) => wrong),
    },
  ];
}
