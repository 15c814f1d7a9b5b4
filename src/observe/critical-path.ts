import type { NamedStage } from "./recorded-call.ts";
import { type CallParts, EDGE, isAwaited, partsOf, type TreeCall, type TreeGroup } from "./request-tree.ts";

/**
 * `edge`: reading, parsing and writing. `router`: until the last attempt was sent. `wire`: on the way. `queue`: until the
 * lane had time. `batch wait`: held back for company. `run`: at work. `features`: at work on features. `unanswered`: no
 * answer came, and nobody said what became of the call.
 */
export type StageKind =
  | "edge"
  | "router"
  | "wire"
  | "queue"
  | "batch wait"
  | "run"
  | "features"
  | "unanswered";

export interface PathStage {
  readonly kind: StageKind;
  /** The deployment. */
  readonly name: string;
  /** What user code called this part of its work, by `recordStage`; undefined for the rest. */
  readonly stage: string | undefined;
  readonly ms: number;
}

/**
 * The chain of stages that the request waited for, in their order; they add up to its latency.
 *
 * Found backwards from the end: what a call did last was either its own work or the wait for the group of calls that
 * had just ended; of a group, it is the call that ended last.
 */
export function criticalPath(root: TreeCall): PathStage[] {
  const stages: PathStage[] = [];
  walkCall(root, stages);
  return merge(stages.reverse());
}

/** Adds a call's stages, last first. */
function walkCall(call: TreeCall, stages: PathStage[]): void {
  const parts = partsOf(call);
  if (call.groups.length === 0) stages.push(...ownStages(call, 0, parts.runMs));
  else walkServed(call, parts.runMs, stages);
  stages.push(...waitStages(call, parts));
}

/** The stages of a call before it was at work, last first. */
export function waitStages(call: TreeCall, parts: CallParts): PathStage[] {
  const { name } = call;
  const lost = call.status !== "ok" && call.runMs === 0 && call.groups.length === 0;
  const stage = undefined;
  return [
    { kind: "batch wait", name, stage, ms: parts.heldMs },
    { kind: "queue", name, stage, ms: parts.queueMs },
    { kind: lost ? "unanswered" : "wire", name, stage, ms: parts.wireMs },
    { kind: "router", name, stage, ms: parts.routedMs },
  ];
}

function walkServed(call: TreeCall, runMs: number, stages: PathStage[]): void {
  const groups = groupsWithin(call, runMs);
  let untilMs = runMs;
  for (;;) {
    const group = lastBefore(groups, untilMs);
    if (group === undefined) break;
    const last = lastOf(group);
    const lastMs = Math.min(last?.latencyMs ?? 0, group.endMs - group.startMs);
    stages.push(...ownStages(call, group.startMs + lastMs, untilMs));
    // What the caller did not see of a call it did not wait for either.
    if (last !== undefined) walkCall(last.latencyMs > lastMs ? { ...last, latencyMs: lastMs } : last, stages);
    untilMs = group.startMs;
  }
  stages.push(...ownStages(call, 0, untilMs));
}

/** The groups that began while the call's caller still waited, none beyond that. */
function groupsWithin(call: TreeCall, runMs: number): TreeGroup[] {
  return call.groups.flatMap((group) => {
    if (group.startMs >= runMs) return [];
    return [group.endMs > runMs ? { ...group, endMs: runMs } : group];
  });
}

/** Of the groups that had ended by then, the one that ended last. */
function lastBefore(groups: readonly TreeGroup[], untilMs: number): TreeGroup | undefined {
  let last: TreeGroup | undefined;
  for (const group of groups) {
    if (group.endMs > untilMs || group.startMs >= untilMs) continue;
    if (last === undefined || group.endMs > last.endMs) last = group;
  }
  return last;
}

/** The call that a group waited for longest; those given up count only when there is no other. */
export function lastOf(group: TreeGroup): TreeCall | undefined {
  let last: TreeCall | undefined;
  for (const call of group.calls) {
    const isLater =
      last === undefined ||
      (isAwaited(call) === isAwaited(last) ? call.latencyMs > last.latencyMs : isAwaited(call));
    if (isLater) last = call;
  }
  return last;
}

/** A call's own work between two moments, under the names that user code gave to parts of it; last first. */
function ownStages(call: TreeCall, fromMs: number, toMs: number): PathStage[] {
  const stages: PathStage[] = [];
  let untilMs = toMs;
  for (const stage of [...call.stages].sort((a, b) => b.endMs - a.endMs)) {
    const startMs = Math.max(fromMs, stage.startMs);
    const endMs = Math.min(untilMs, stage.endMs);
    if (endMs <= startMs) continue;
    stages.push(ownWork(call.name, untilMs - endMs), namedWork(call, stage, endMs - startMs));
    untilMs = startMs;
  }
  stages.push(ownWork(call.name, untilMs - fromMs));
  return stages;
}

const FEATURES = /feature/i;

function ownWork(name: string, ms: number): PathStage {
  if (name === EDGE) return { kind: "edge", name, stage: undefined, ms };
  return { kind: FEATURES.test(name) ? "features" : "run", name, stage: undefined, ms };
}

function namedWork(call: TreeCall, { name: stage }: NamedStage, ms: number): PathStage {
  const isFeatures = FEATURES.test(stage) || FEATURES.test(call.name);
  return { kind: isFeatures ? "features" : "run", name: call.name, stage, ms };
}

/** Neighbours of one kind and name become one; what took no time is left out. */
function merge(stages: readonly PathStage[]): PathStage[] {
  const merged: PathStage[] = [];
  for (const stage of stages) {
    if (stage.ms <= 0) continue;
    const last = merged.at(-1);
    if (last !== undefined && isSame(last, stage)) {
      merged[merged.length - 1] = { ...stage, ms: last.ms + stage.ms };
    } else merged.push(stage);
  }
  return merged;
}

/** Stages of one kind and name as one, wherever on the path they are; in the order of their first. */
export function stageTotals(path: readonly PathStage[]): PathStage[] {
  const totals: PathStage[] = [];
  for (const stage of path) {
    const at = totals.findIndex((total) => isSame(total, stage));
    if (at < 0) totals.push(stage);
    else totals[at] = { ...stage, ms: stage.ms + totals[at]!.ms };
  }
  return totals;
}

const isSame = (a: PathStage, b: PathStage): boolean =>
  a.kind === b.kind && a.name === b.name && a.stage === b.stage;
