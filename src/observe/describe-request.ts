import type { SecondAttemptNote } from "./call-group.ts";
import { type Cause, causeOf } from "./cause.ts";
import { criticalPath, type PathStage } from "./critical-path.ts";
import { formatMs } from "./format-ms.ts";
import type { LaneRuns, LongWait } from "./recorded-call.ts";
import { latencyWithout } from "./replay.ts";
import { EDGE, isAwaited, laneMsOf, partsOf, type RequestTree, type TreeCall } from "./request-tree.ts";
import type { UsualTimes } from "./usual-times.ts";

/** Shorter times are left out of what is told of one request. */
const TOLD_FROM_MS = 0.005;

/** What people call an executor, e.g. `lane 1`; its id when it is not known any more. */
export type ExecutorNames = (executorId: string) => string;

/**
 * One line that says what happened, e.g. `offers v1 req-17 1,312 ms degraded: m07 late (queued 1,290 ms on lane 1 behind
 * m03 batches of 48); without m07 22 ms`.
 */
export function describeRequest(tree: RequestTree, usual: UsualTimes, nameOf: ExecutorNames): string {
  const cause = causeOf(tree, usual);
  const version = tree.applicationVersion === "" ? "" : ` ${tree.applicationVersion}`;
  const head = `${tree.application}${version} ${tree.requestId} ${formatMs(tree.latencyMs)} ${ending(tree)}`;
  if (cause === undefined) return head;
  return `${head}: ${describeCause(cause, nameOf)}${withoutIt(tree, cause)}`;
}

function ending({ outcome, status, code, fallback }: RequestTree): string {
  if (outcome === "ok") return "ok";
  const answered = status === undefined || outcome === "degraded" ? "" : ` ${status}`;
  return `${outcome}${answered}${code === undefined ? "" : ` ${code}`}${fallback ? ", fallback served" : ""}`;
}

export function describeCause(cause: Cause, nameOf: ExecutorNames): string {
  if (cause.kind === "missing") {
    const { call, name, status, others } = cause;
    const more = others === 0 ? "" : ` and ${others} more`;
    return `${name} ${status}${missingDetail(call, nameOf)}${more}`;
  }
  const usually = cause.usualMs > 0 ? ` (usually ${formatMs(cause.usualMs)})` : "";
  const second = cause.call?.secondAttempt;
  const also =
    second === undefined || cause.stage.kind === "router" ? "" : `, ${describeSecond(second, nameOf)}`;
  return `${describeStage(cause, nameOf)}${usually}${also}`;
}

/** What is known of a call that did not answer. */
function missingDetail(call: TreeCall, nameOf: ExecutorNames): string {
  const { queueMs, heldMs, runMs } = partsOf(call);
  const details: string[] = [];
  if (queueMs + heldMs > 0)
    details.push(`queued ${formatMs(queueMs + heldMs)}${on(call, nameOf)}${behind(call.wait)}`);
  else if (call.executor !== "") details.push(`${formatMs(call.latencyMs)}${on(call, nameOf)}`);
  if (runMs > 0) details.push(`ran ${formatMs(runMs)}`);
  if (call.secondAttempt !== undefined) details.push(describeSecond(call.secondAttempt, nameOf));
  else if (call.attempts > 1) details.push(`${call.attempts} attempts`);
  if (call.status === "failed" && call.code !== undefined) details.push(call.code);
  return details.length === 0 ? "" : ` (${details.join(", ")})`;
}

function describeStage(cause: Cause & { readonly kind: "stage" }, nameOf: ExecutorNames): string {
  const { stage, call } = cause;
  const name = stage.stage === undefined ? cause.name : `${cause.name} ${stage.stage}`;
  const ms = formatMs(cause.ms);
  switch (stage.kind) {
    case "edge":
      return `${ms} in the edge`;
    case "router":
      if (call?.secondAttempt !== undefined)
        return `${name} was ${describeSecond(call.secondAttempt, nameOf)}`;
      return `${name} was sent only after ${ms}, ${call?.attempts ?? 1} attempts`;
    case "wire":
      return `${ms} on the way to ${name} and back`;
    case "queue":
      return `${name} queued ${ms}${on(call, nameOf)}${behind(call?.wait)}${freeLane(call)}`;
    case "batch wait":
      return `${name} waited ${ms} in its queue while ${call === undefined ? "its lane" : nameOf(call.executor)} was free`;
    case "run":
      return `${name} ran ${ms}${on(call, nameOf)}${batchOf(call)}`;
    case "features":
      return `${name} took ${ms} for features`;
    case "unanswered":
      return `${name} did not answer for ${ms}${on(call, nameOf)}`;
  }
}

const on = (call: TreeCall | undefined, nameOf: ExecutorNames): string =>
  call === undefined || call.executor === "" ? "" : ` on ${nameOf(call.executor)}`;

/** Whoever reads that a call waited looks for what it waited for. */
function freeLane(call: TreeCall | undefined): string {
  if (call === undefined || call.executor === "" || (call.wait?.behind.length ?? 0) > 0) return "";
  const { queueMs, heldMs } = partsOf(call);
  return laneMsOf(call) < (queueMs + heldMs) * FREE_FRACTION ? ", which was free" : "";
}

/** With less of the wait at work than this, work was not what it waited for. */
const FREE_FRACTION = 0.1;

/** E.g. `hedged to lane 1 when lane 0 had not answered for 12 ms`. */
function describeSecond(attempt: SecondAttemptNote, nameOf: ExecutorNames): string {
  const { why, afterMs, decided } = attempt;
  const [first, second] = [nameOf(attempt.first), nameOf(attempt.second)];
  const verb = why === "hedge" ? "hedged" : "rescued";
  const had = why === "hedge" ? "had not answered" : "was silent";
  return decided === "second"
    ? `${verb} to ${second} when ${first} ${had} for ${formatMs(afterMs)}`
    : `${verb} to ${second} after ${formatMs(afterMs)}, but ${first} was first`;
}

const batchOf = (call: TreeCall | undefined): string =>
  call !== undefined && call.batchSize > 1 ? ` in a batch of ${call.batchSize}` : "";

function behind(wait: LongWait | undefined): string {
  const [longest] = wait?.behind ?? [];
  return longest === undefined ? "" : ` behind ${describeRuns(longest)}`;
}

function describeRuns({ deployment, runs, largestBatch, ms }: LaneRuns): string {
  if (runs === 1) return `a ${deployment} batch of ${largestBatch} that ran ${formatMs(ms)}`;
  return `${deployment} batches of ${largestBatch}`;
}

/** What the request would have taken without the deployment named as the cause, where there is an answer without it. */
function withoutIt({ root, latencyMs }: RequestTree, { name }: Cause): string {
  if (!hasCompany(root, name)) return "";
  const withoutMs = latencyWithout(root, name);
  return withoutMs < latencyMs * WORTH_TELLING ? `; without ${name} ${formatMs(withoutMs)}` : "";
}

/** What would have changed less is not told. */
const WORTH_TELLING = 0.9;

/** Whether a deployment is one of several that a group waited for. */
export function hasCompany(call: TreeCall, deployment: string): boolean {
  return call.groups.some(
    ({ calls }) =>
      (calls.length > 1 && calls.some(({ name }) => name === deployment)) ||
      calls.some((inner) => hasCompany(inner, deployment)),
  );
}

/** The critical path on one line, e.g. `edge 0.3 ms, Supervisor run 0.2 ms, m07 queue 30 ms`. */
export function describePath(root: TreeCall): string {
  return criticalPath(root)
    .filter(({ ms }) => ms >= TOLD_FROM_MS)
    .map((stage) => `${titleOf(stage)} ${formatMs(stage.ms)}`)
    .join(", ");
}

function titleOf({ kind, name, stage }: PathStage): string {
  if (kind === "edge") return kind;
  if (stage !== undefined) return `${name} ${stage}`;
  return kind === "features" && /feature/i.test(name) ? name : `${name} ${kind}`;
}

/** The whole tree, a line for each call. What a group waited for longest is marked. */
export function describeTree({ root }: RequestTree, nameOf: ExecutorNames): string[] {
  const lines: string[] = [];
  const add = (call: TreeCall, depth: number, isLast: boolean) => {
    const parts = partsOf(call);
    const times = [
      ["router", parts.routedMs],
      ["wire", parts.wireMs],
      ["queue", parts.queueMs],
      ["batch wait", parts.heldMs],
      ["run", parts.runMs],
    ] as const;
    const told = times.filter(([, ms]) => ms >= TOLD_FROM_MS).map(([name, ms]) => `${name} ${formatMs(ms)}`);
    const label = call.name === EDGE ? call.method : `${call.name}.${call.method}`;
    const facts = [
      ...(call.status === "ok"
        ? []
        : [call.code === undefined ? call.status : `${call.status}: ${call.code}`]),
      ...(call.executor === "" ? [] : [nameOf(call.executor)]),
      ...(call.batchSize > 1 ? [`batch of ${call.batchSize}`] : []),
      ...(call.attempts > 1 ? [`${call.attempts} attempts`] : []),
      ...(call.secondAttempt === undefined ? [] : [describeSecond(call.secondAttempt, nameOf)]),
      ...(call.degraded === true ? ["degraded"] : []),
    ];
    lines.push(
      `${"  ".repeat(depth)}${isLast ? "*" : "-"} ${label} ${formatMs(call.latencyMs)}` +
        `${told.length === 0 ? "" : `: ${told.join(", ")}`}${facts.length === 0 ? "" : ` (${facts.join(", ")})`}${behind(call.wait)}`,
    );
    for (const { name, startMs, endMs } of call.stages) {
      lines.push(`${"  ".repeat(depth + 1)}- stage ${name} ${formatMs(endMs - startMs)}`);
    }
    for (const { calls } of call.groups) {
      const longestMs = Math.max(...calls.filter(isAwaited).map(({ latencyMs }) => latencyMs));
      for (const inner of calls) add(inner, depth + 1, isAwaited(inner) && inner.latencyMs === longestMs);
    }
  };
  add(root, 0, true);
  return lines;
}
