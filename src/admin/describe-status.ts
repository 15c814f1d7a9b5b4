import { type CallCounts, ENDINGS, STAGES } from "../observe/call-counters.ts";
import { formatMs } from "../observe/format-ms.ts";
import type { BatchMetrics } from "../observe/node-metrics.ts";
import type { DeploymentStatus, ExecutorReport, NodeStatus, ReplicaStatus } from "./node-status.ts";

/** What a piece of text is, for who shows it in colours. */
export type Tone = "good" | "bad" | "changing" | "heading" | "plain";
export type Paint = (tone: Tone, text: string) => string;

const PLAIN: Paint = (_, text) => text;

interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

/** A node's status as text for terminals. */
export function describeStatus(status: NodeStatus, paint: Paint = PLAIN): string {
  const { application, executors, calls, batches, ingress } = status;
  const name = application === undefined ? "no application" : `${application.name} ${application.version}`;
  const ready = status.ready ? paint("good", "ready") : paint("bad", `not ready: ${oneLine(status.reason)}`);
  const lines = [`${name}, ${ready}; node ${status.pid}, up ${upFor(status.uptimeMs)}`];
  if (application !== undefined) {
    lines.push("", paint("heading", "deployments"));
    lines.push(...table(application.deployments.map(deploymentCells), paint));
  }
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

const DEPLOYMENT_TONES = { ready: "good", short: "changing", down: "bad" } as const;
const PLACE_TONES = { ready: "good", filling: "changing", waiting: "bad", stopped: "plain" } as const;

function deploymentCells({ name, kind, state, ready, wanted, replicas }: DeploymentStatus): Cell[] {
  return [
    { text: name },
    { text: kind },
    { text: state, tone: DEPLOYMENT_TONES[state] },
    { text: `${ready} of ${wanted} ready` },
    { text: replicas.map(replicaText).join(", ") },
  ];
}

/** Why it waits is told once, with its place. */
const replicaText = ({ executor, state }: ReplicaStatus): string =>
  state === "ready" ? executor : `${executor} (${state})`;

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

/** What user code says of its failure may be anything, and terminals obey what they are sent. */
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ").slice(0, 500);

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

/** Columns as wide as their widest cell; the last one of a row is as long as it is, and makes none wider. */
function table(rows: readonly (readonly Cell[])[], paint: Paint): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, { text }] of row.slice(0, -1).entries()) widths[i] = Math.max(widths[i] ?? 0, text.length);
  }
  return rows.map((row) => {
    const cells = row.map(({ text, tone = "plain" }, i) => {
      const isLast = row.slice(i + 1).every((cell) => cell.text === "");
      return paint(tone, text) + (isLast ? "" : " ".repeat(Math.max(0, (widths[i] ?? 0) - text.length)));
    });
    return `  ${cells.join("  ")}`.trimEnd();
  });
}
