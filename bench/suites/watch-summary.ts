import { spread } from "../measure/statistics.ts";
import type { WatchResult, WatchVisit } from "../schema.ts";

/** What may be called quick. */
export const SOON_MS = 1000;

const KINDS = [
  { changed: "module", way: "renamed" },
  { changed: "module", way: "in-place" },
  { changed: "model", way: "renamed" },
  { changed: "model", way: "in-place" },
  { changed: "model", way: "version-folder" },
] as const;

/** All changes of all rounds, by what was changed and how. Pure. */
export function summariseWatch(visits: readonly WatchVisit[]): WatchResult[] {
  return KINDS.flatMap(({ changed, way }) => {
    const changes = visits.flatMap((visit) =>
      visit.changes.filter((one) => one.changed === changed && one.way === way),
    );
    const tookMs = changes.map(({ servedMs }) => servedMs);
    const servedMs = spread(tookMs);
    if (servedMs === undefined) return [];
    const sum = (of: (change: (typeof changes)[number]) => number) =>
      changes.reduce((total, change) => total + of(change), 0);
    return [
      {
        changed,
        way,
        rounds: visits.length,
        changes: changes.length,
        servedMs,
        p95Ms: nearestRank(tookMs, 0.95),
        soonShare: tookMs.filter((ms) => ms < SOON_MS).length / tookMs.length,
        requests: sum(({ requests }) => requests),
        failed: sum(({ failed }) => failed),
        wrong: sum(({ wrong }) => wrong),
        slowestRequestMs: Math.max(...changes.map(({ latency }) => latency.maxMs)),
      },
    ];
  });
}

function nearestRank(values: readonly number[], quantile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(quantile * sorted.length) - 1] ?? Number.NaN;
}
