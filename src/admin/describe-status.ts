import { type CallCounts, ENDINGS, STAGES } from "../observe/call-counters.ts";
import { formatMs } from "../observe/format-ms.ts";
import type { BatchMetrics } from "../observe/node-metrics.ts";
import { describeApplication } from "./describe-application.ts";
import { type Cell, oneLine, type Paint, table } from "./describe-table.ts";
import type { ExecutorReport, NodeStatus } from "./node-status.ts";

const PLAIN: Paint = (_, text) => text;

/** A node's status as text for terminals. */
export function describeStatus(status: NodeStatus, paint: Paint = PLAIN): string {
  const { applications, executors, calls, batches, ingress } = status;
  const names = applications.map(({ name, version }) => `${name} ${version}`.trimEnd());
  const name = names.join(", ") || "no application";
  const ready = status.ready ? paint("good", "ready") : paint("bad", `not ready: ${oneLine(status.reason)}`);
  const lines = [`${name}, ${ready}; node ${status.pid}, up ${upFor(status.uptimeMs)}`];
  for (const trouble of status.troubles) lines.push(paint("bad", oneLine(trouble)));
  for (const application of applications) lines.push("", ...describeApplication(application, paint));
  lines.push("", paint("heading", "executors"), ...table(executors.map(executorCells), paint));
  const ran = batches.filter(({ calls: batched, queuedCalls }) => batched + queuedCalls > 0);
  if (ran.length > 0) lines.push("", paint("heading", "batches"), ...table(ran.map(batchCells), paint));
  lines.push("", paint("heading", "calls that ended without an answer that was used"));
  lines.push(`  ${describeCounts(calls)}`);
  const counted = Object.entries(ingress).filter(([, count]) => (count ?? 0) > 0);
  lines.push("", paint("heading", "edge"));
  lines.push(`  ${counted.map(([what, count]) => `${what} ${count}`).join(", ") || "nothing yet"}`);
  return `${lines.join("\n")}\n`;
}

const PLACE_TONES = { ready: "good", filling: "changing", waiting: "bad", stopped: "plain" } as const;

function executorCells(executor: ExecutorReport): Cell[] {
  const { name, id, state, reason, pid, replicas, rssMb, ongoing, backlogMs } = executor;
  const place = [{ text: name }, { text: id }, { text: state, tone: PLACE_TONES[state] }];
  if (reason !== undefined) return [...place, { text: oneLine(reason) }];
  if (pid === undefined || rssMb === undefined) return place;
  const backlog = backlogMs !== undefined && backlogMs > 0 ? `, backlog ${formatMs(backlogMs)}` : "";
  return [
    ...place,
    { text: `pid ${pid}` },
    { text: `${replicas} ${replicas === 1 ? "replica" : "replicas"}` },
    { text: `${Math.round(rssMb)} MB` },
    { text: `${ongoing} ongoing${backlog}` },
  ];
}

function batchCells(batcher: BatchMetrics): Cell[] {
  const { deployment, method, replica, calls, rows, waitedMs, queuedCalls, capRows } = batcher;
  const batches = Object.values(batcher.reasons).reduce((sum, count) => sum + count, 0);
  const mean = (total: number) => formatMs(calls === 0 ? 0 : total / calls);
  return [
    { text: `${deployment}.${method}#${replica}` },
    { text: `${batches} batches` },
    { text: `${batches === 0 ? 0 : Math.round((10 * rows) / batches) / 10} rows each, at most ${capRows}` },
    { text: `waited ${mean(waitedMs)}` },
    { text: `${queuedCalls} queued, ${batcher.hopeless + batcher.givenUp} ended early` },
  ];
}

function describeCounts(calls: CallCounts): string {
  const told = STAGES.flatMap((stage) =>
    ENDINGS.flatMap((ending) => {
      const count = calls[stage]?.[ending] ?? 0;
      return count === 0
        ? []
        : [`${ending} ${stage === "run" ? "while running" : `at the ${stage}`} ${count}`];
    }),
  );
  return told.join(", ") || "none";
}

function upFor(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
