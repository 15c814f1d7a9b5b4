import type { CallStatus } from "./call-group.ts";
import { criticalPath, type PathStage, type StageKind, waitStages } from "./critical-path.ts";
import { callsOf, partsOf, type RequestTree, type TreeCall } from "./request-tree.ts";

/** What made a request slow, degraded or fail. */
export type Cause =
  /** A stage that took longer than it usually does. */
  | {
      readonly kind: "stage";
      readonly stage: StageKind;
      readonly name: string;
      readonly ms: number;
      readonly usualMs: number;
      readonly call: TreeCall | undefined;
    }
  /** A call without which the answer had to do, or could not be made. */
  | {
      readonly kind: "missing";
      readonly status: Exclude<CallStatus, "ok">;
      readonly name: string;
      readonly ms: number;
      readonly call: TreeCall;
      /** How many other calls are missing too. */
      readonly others: number;
    };

/** What each stage usually takes: the median over requests that were drawn at random. */
export type UsualTimes = ReadonlyMap<string, number>;

export const NOTHING_USUAL: UsualTimes = new Map();

/**
 * The stage or call to look at first. Of a request that lacks something, the missing call that was waited for longest;
 * else the stage of the critical path that exceeds its usual time by most.
 */
export function causeOf(tree: RequestTree, usual: UsualTimes = NOTHING_USUAL): Cause | undefined {
  const missing = missingCalls(tree.root);
  const [longest] = missing.sort((a, b) => b.latencyMs - a.latencyMs);
  if (longest !== undefined && longest.status !== "ok" && tree.outcome !== "ok") {
    const { status, name, latencyMs } = longest;
    return { kind: "missing", status, name, ms: latencyMs, call: longest, others: missing.length - 1 };
  }
  let worst: { readonly stage: PathStage; readonly usualMs: number } | undefined;
  for (const stage of criticalPath(tree.root)) {
    const usualMs = Math.min(stage.ms, usual.get(keyOf(stage)) ?? 0);
    if (worst === undefined || stage.ms - usualMs > worst.stage.ms - worst.usualMs)
      worst = { stage, usualMs };
  }
  if (worst === undefined) return undefined;
  const { stage, usualMs } = worst;
  const call = [...callsOf(tree.root)].find(({ name }) => name === stage.name);
  return { kind: "stage", stage: stage.kind, name: stage.name, ms: stage.ms, usualMs, call };
}

/** Calls that ended without an answer for a reason of their own, not of one that they made. */
function missingCalls(root: TreeCall): TreeCall[] {
  return [...callsOf(root)].filter((call) => {
    if (call === root || call.status === "ok" || call.status === "cancelled") return false;
    return [...callsOf(call)].every((inner) => inner === call || inner.status === "ok");
  });
}

const keyOf = ({ kind, name }: { readonly kind: string; readonly name: string }): string => `${kind} ${name}`;

export function usualTimes(trees: Iterable<RequestTree>): UsualTimes {
  const seen = new Map<string, number[]>();
  for (const { root } of trees) {
    for (const [key, ms] of stageTimes(root)) {
      const times = seen.get(key);
      if (times === undefined) seen.set(key, [ms]);
      else times.push(ms);
    }
  }
  return new Map([...seen].map(([key, times]) => [key, median(times)]));
}

/** Every stage of one request, those beside its critical path too. */
function stageTimes(root: TreeCall): Map<string, number> {
  const times = new Map<string, number>();
  const add = (stage: PathStage) => times.set(keyOf(stage), Math.max(times.get(keyOf(stage)) ?? 0, stage.ms));
  for (const stage of criticalPath(root)) add(stage);
  for (const call of callsOf(root)) {
    const parts = partsOf(call);
    for (const stage of waitStages(call, parts)) add(stage);
    if (call.groups.length === 0) for (const stage of criticalPath(call)) add(stage);
  }
  return times;
}

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[Math.floor((values.length - 1) / 2)]!;
}
