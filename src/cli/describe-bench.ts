import { type Cell, oneLine, type Paint, table } from "../admin/describe-table.ts";
import type { LatencySummary } from "../load/latency-histogram.ts";
import type { LoadRun } from "../load/run-load.ts";
import { formatMs } from "../observe/format-ms.ts";
import type { MainCause } from "./bench-causes.ts";

export interface BenchResult extends LoadRun {
  readonly target: string;
  /** Of the load, for people. */
  readonly load: string;
  /** Undefined where no flight recorder was asked. */
  readonly causes: readonly MainCause[] | undefined;
}

/** From here on the time at which requests were sent is not that of the plan. */
const LATE_MS = 5;
const KIND_NAMES = { slow: "slowest", degraded: "degraded", failed: "failed" } as const;

/** What was measured, as text for terminals. */
export function describeBench(result: BenchResult, paint: Paint): string {
  const { report, causes } = result;
  const lines = [headline(result, paint), "", ...table(figures(result), paint), ...remarks(result)];
  if (causes === undefined) return `${lines.join("\n")}\n`;
  lines.push("", paint("heading", "why, by the flight recorder"));
  if (causes.length === 0) lines.push(`  it has none of these ${count(report.requests)} requests`);
  for (const { kind, cause, requests, of, line, during } of causes)
    lines.push(
      `  ${KIND_NAMES[kind].padEnd(8)}  ${requests} of ${of}${during === "warm-up" ? " in the warm-up" : ""}: ${cause}`,
      `            ${oneLine(line)}`,
    );
  return `${lines.join("\n")}\n`;
}

function headline({ report, load, ended }: BenchResult, paint: Paint): string {
  const { ok, failed, degraded, requests, windowSeconds } = report;
  const how = ended === "complete" ? "" : `, ${paint("bad", ended)}`;
  return (
    `${load}, ${windowSeconds.toFixed(1)} s${how}: ${report.throughputRps.toFixed(1)} answers/s; ` +
    `${paint(ok > 0 ? "good" : "bad", `${count(ok)} ok`)}, ` +
    `${paint(failed === 0 ? "plain" : "bad", `${count(failed)} failed${share(failed, requests)}`)}, ` +
    paint(degraded === 0 ? "plain" : "changing", `${count(degraded)} degraded${share(degraded, ok)}`)
  );
}

function figures({ report }: BenchResult): Cell[][] {
  const { latency, inTime, ok, statuses, errors } = report;
  const row = (name: string, text: string): Cell[] => [{ text: name }, { text }];
  const rows: Cell[][] = [];
  if (ok > 0) rows.push(row("latency", latencies(latency)));
  if (inTime !== undefined) rows.push(row("in time", `${count(inTime)} of ${count(ok)}`));
  Object.entries(statuses).forEach(([status, n], i) => {
    rows.push(row(i === 0 ? "statuses" : "", `${status}: ${count(n)}`));
  });
  Object.entries(errors).forEach(([reason, n], i) => {
    rows.push(row(i === 0 ? "errors" : "", `${oneLine(reason)}: ${count(n)}`));
  });
  return rows;
}

function remarks({ report: { sendLag }, ended }: BenchResult): string[] {
  const lines: string[] = [];
  if (ended === "overloaded")
    lines.push("", "The rate cannot be carried: requests waited 5 s for a connection. Try a lower --rate.");
  else if (sendLag !== undefined && sendLag.p99Ms > LATE_MS)
    lines.push(
      "",
      `Requests were sent late (p99 ${formatMs(sendLag.p99Ms)}): all connections were busy, or this machine was. It counts as latency.`,
    );
  return lines;
}

const latencies = ({ p50Ms, p95Ms, p99Ms, maxMs }: LatencySummary): string =>
  `p50 ${formatMs(p50Ms)}, p95 ${formatMs(p95Ms)}, p99 ${formatMs(p99Ms)}, max ${formatMs(maxMs)}`;

const count = (n: number): string => n.toLocaleString("en-US");

const share = (n: number, of: number): string =>
  n === 0 || of === 0 ? "" : ` (${((n / of) * 100).toFixed(1)} %)`;
