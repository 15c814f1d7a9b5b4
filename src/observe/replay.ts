import { isAwaited, partsOf, type TreeCall, type TreeGroup } from "./request-tree.ts";

/** What is thought away or made quicker: the new latency of a call, or nothing when it would not be made. */
export type Change = (call: TreeCall, group: TreeGroup) => number | undefined;

/**
 * How long a call would have taken, had some of those below it taken another time. What waited for a group's end waits
 * for its new end; a call's own work takes as long as it did; what ran beside each other still does.
 */
export function replay(call: TreeCall, change: Change): number {
  if (call.groups.length === 0) return call.latencyMs;
  const { runMs } = partsOf(call);
  const groups = [...call.groups].sort((a, b) => a.startMs - b.startMs);
  const newEnds: number[] = [];
  /** When a moment of the call's own work would have come: so long after the last group that it may have waited for. */
  const moved = (momentMs: number): number => {
    let waitedUntilMs = 0;
    let newUntilMs = 0;
    for (let i = 0; i < newEnds.length; i++) {
      const { endMs } = groups[i]!;
      if (endMs > momentMs) continue;
      waitedUntilMs = Math.max(waitedUntilMs, endMs);
      newUntilMs = Math.max(newUntilMs, newEnds[i]!);
    }
    return newUntilMs + momentMs - waitedUntilMs;
  };
  for (const group of groups) newEnds.push(moved(group.startMs) + newDuration(group, change));
  const beyondMs = call.latencyMs - runMs;
  return beyondMs + moved(runMs);
}

/** A group ends with the last of those it waited for, and with what its caller did then. */
function newDuration(group: TreeGroup, change: Change): number {
  const durationMs = group.endMs - group.startMs;
  const awaited = group.calls.filter(isAwaited);
  let oldLastMs = 0;
  let newLastMs = 0;
  let left = 0;
  for (const call of awaited) {
    oldLastMs = Math.max(oldLastMs, call.latencyMs);
    const latencyMs = change(call, group);
    if (latencyMs === undefined) continue;
    left += 1;
    newLastMs = Math.max(newLastMs, latencyMs);
  }
  if (awaited.length === 0) return durationMs;
  return left === 0 ? 0 : Math.max(0, durationMs - oldLastMs + newLastMs);
}

/** The latency without one deployment: its calls are not made, and those that it kept waiting on its lane wait less. */
export function latencyWithout(root: TreeCall, deployment: string): number {
  let ofGroup: TreeGroup | undefined;
  let gone: TreeCall[] = [];
  const change: Change = (call, group) => {
    if (call.name === deployment) return undefined;
    if (ofGroup !== group) gone = group.calls.filter(({ name }) => name === deployment);
    ofGroup = group;
    if (gone.length === 0) return replay(call, change);
    const lessMs = gone.reduce((sum, one) => sum + keptWaitingMs(one, call), 0);
    return Math.max(0, replay(call, change) - Math.min(lessMs, partsOf(call).queueMs));
  };
  return replay(root, change);
}

/** How long a call waited on its lane while another of the same group ran there. */
function keptWaitingMs(running: TreeCall, waiting: TreeCall): number {
  if (running.executor === "" || running.executor !== waiting.executor) return 0;
  const ran = endsOf(running);
  const waited = endsOf(waiting);
  const fromMs = Math.max(ran.runStartMs, waited.runStartMs - partsOf(waiting).queueMs);
  return Math.max(0, Math.min(ran.runEndMs, waited.runStartMs) - fromMs);
}

/** When a call's run began and ended, from the group's start, if both ways took the same time. */
function endsOf(call: TreeCall): { readonly runStartMs: number; readonly runEndMs: number } {
  const { runMs, wireMs } = partsOf(call);
  const runEndMs = call.latencyMs - wireMs / 2;
  return { runStartMs: runEndMs - runMs, runEndMs };
}

/**
 * The latency with one more replica of a deployment: each of its calls would have waited no longer than calls of its group
 * did on other executors, or, where there were none, a share of what it waited: `replicas` of `replicas + 1`.
 */
export function latencyWithReplica(root: TreeCall, deployment: string, replicas: number): number {
  const change: Change = (call, group) => {
    const latencyMs = replay(call, change);
    if (call.name !== deployment) return latencyMs;
    const { queueMs, heldMs } = partsOf(call);
    const elsewhereMs =
      shortestWaitElsewhere(call, group) ?? ((queueMs + heldMs) * replicas) / (replicas + 1);
    return latencyMs - Math.max(0, queueMs + heldMs - elsewhereMs);
  };
  return replay(root, change);
}

/** Mean wait on the other executor where calls of the group waited least. */
function shortestWaitElsewhere(call: TreeCall, group: TreeGroup): number | undefined {
  const waits = new Map<string, { ms: number; calls: number }>();
  for (const other of group.calls) {
    if (other.status !== "ok" || other.executor === call.executor || other.executor === "") continue;
    const wait = waits.get(other.executor) ?? { ms: 0, calls: 0 };
    const { queueMs, heldMs } = partsOf(other);
    wait.ms += queueMs + heldMs;
    wait.calls += 1;
    waits.set(other.executor, wait);
  }
  if (waits.size === 0) return undefined;
  return Math.min(...[...waits.values()].map(({ ms, calls }) => ms / calls));
}
