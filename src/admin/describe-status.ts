import { type CallCounts, ENDINGS, STAGES } from "../observe/call-counters.ts";
import { formatMs } from "../observe/format-ms.ts";
import type { BatchMetrics } from "../observe/node-metrics.ts";
import type { DeploymentStatus, ExecutorReport, NodeStatus } from "./node-status.ts";

/** A node's status as text for terminals. */
export function describeStatus(status: NodeStatus): string {
  const { application, executors, calls, batches, ingress } = status;
  const name = application === undefined ? "no application" : `${application.name} ${application.version}`;
  const ready = status.ready ? "ready" : `not ready: ${status.reason}`;
  const lines = [`${name}, ${ready}; node ${status.pid}, up ${upFor(status.uptimeMs)}`];
  if (application !== undefined) {
    lines.push("", "deployments");
    lines.push(...table(application.deployments.map(deploymentCells)));
  }
  lines.push("", "executors", ...table(executors.map(executorCells)));
  const ran = batches.filter(({ calls: batched, queuedCalls }) => batched + queuedCalls > 0);
  if (ran.length > 0) lines.push("", "batches", ...table(ran.map(batchCells)));
  lines.push("", "calls that ended without an answer that was used", `  ${describeCounts(calls)}`);
  const counted = Object.entries(ingress).filter(([, count]) => (count ?? 0) > 0);
  lines.push(
    "",
    "edge",
    `  ${counted.map(([what, count]) => `${what} ${count}`).join(", ") || "nothing yet"}`,
  );
  return `${lines.join("\n")}\n`;
}

function deploymentCells({ name, kind, ready, wanted, replicas }: DeploymentStatus): string[] {
  return [name, kind, `${ready} of ${wanted} ready`, replicas.map(({ executor }) => executor).join(", ")];
}

function executorCells(executor: ExecutorReport): string[] {
  const { name, id, state, reason, pid, replicas, rssMb, ongoing, backlogMs } = executor;
  if (pid === undefined || rssMb === undefined)
    return [name, id, reason === undefined ? state : `${state}: ${reason}`];
  const backlog = backlogMs !== undefined && backlogMs > 0 ? `, backlog ${formatMs(backlogMs)}` : "";
  return [
    name,
    id,
    state,
    `pid ${pid}`,
    `${replicas} replicas`,
    `${Math.round(rssMb)} MB`,
    `${ongoing} ongoing${backlog}`,
  ];
}

function batchCells(batcher: BatchMetrics): string[] {
  const { deployment, method, replica, calls, rows, waitedMs, queuedCalls, capRows } = batcher;
  const batches = Object.values(batcher.reasons).reduce((sum, count) => sum + count, 0);
  const mean = (total: number) => formatMs(calls === 0 ? 0 : total / calls);
  return [
    `${deployment}.${method}#${replica}`,
    `${batches} batches`,
    `${batches === 0 ? 0 : Math.round((10 * rows) / batches) / 10} rows each, at most ${capRows}`,
    `waited ${mean(waitedMs)}`,
    `${queuedCalls} queued, ${batcher.hopeless + batcher.givenUp} ended early`,
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

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ")}`.trimEnd());
}
