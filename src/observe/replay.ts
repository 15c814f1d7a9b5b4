import { isAwaited, laneMsOf, partsOf, type TreeCall, type TreeGroup } from "./request-tree.ts";

/** What is thought away or made quicker: the new latency of a call, or nothing when it would not be made. */
export type Change = (call: TreeCall, group: TreeGroup) => number | undefined;

/** How long the slowest of a group's calls would have taken, each of those that are left having taken so long. */
export type Slowest = (latencies: ReadonlyMap<TreeCall, number>, group: TreeGroup) => number;

const slowestOf: Slowest = (latencies) => Math.max(...latencies.values());

/**
 * How long a call would have taken, had some of those below it taken another time. What waited for a group's end waits
 * for its new end; a call's own work takes as long as it did; what ran beside each other still does.
 */
export function replay(call: TreeCall, change: Change, slowest: Slowest = slowestOf): number {
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
  for (const group of groups) newEnds.push(moved(group.startMs) + newDuration(group, change, slowest));
  const beyondMs = call.latencyMs - runMs;
  return beyondMs + moved(runMs);
}

/** A group ends with the last of those it waited for, and with what its caller did then. */
function newDuration(group: TreeGroup, change: Change, slowest: Slowest): number {
  const durationMs = group.endMs - group.startMs;
  const awaited = group.calls.filter(isAwaited);
  if (awaited.length === 0) return durationMs;
  const latencies = new Map<TreeCall, number>();
  let oldLastMs = 0;
  for (const call of awaited) {
    oldLastMs = Math.max(oldLastMs, call.latencyMs);
    const latencyMs = change(call, group);
    if (latencyMs !== undefined) latencies.set(call, latencyMs);
  }
  return latencies.size === 0 ? 0 : Math.max(0, durationMs - oldLastMs + slowest(latencies, group));
}

/**
 * The latency without one deployment: its calls are not made, those that it kept waiting on their lane wait less, and
 * where that leaves lanes unequally laden the router sends the last call to where it ends sooner.
 */
export function latencyWithout(root: TreeCall, deployment: string): number {
  let ofGroup: TreeGroup | undefined;
  let gone: TreeCall[] = [];
  const change: Change = (call, group) => {
    if (call.name === deployment) return undefined;
    if (ofGroup !== group) gone = group.calls.filter(({ name }) => name === deployment);
    ofGroup = group;
    if (gone.length === 0) return replay(call, change, slowest);
    const lessMs = gone.reduce((sum, one) => sum + keptWaitingMs(one, call), 0);
    return Math.max(0, replay(call, change, slowest) - Math.min(lessMs, partsOf(call).queueMs));
  };
  const slowest: Slowest = (latencies, group) =>
    group.calls.some((call) => call.name === deployment && isAwaited(call))
      ? slowestLevelled(latencies)
      : slowestOf(latencies, group);
  return replay(root, change, slowest);
}

/** How long the slowest takes when the last call of the lane that ends last goes elsewhere, as often as that gains. */
function slowestLevelled(latencies: ReadonlyMap<TreeCall, number>): number {
  const lanes = new Map<string, { readonly latencyMs: number; readonly runMs: number }[]>();
  let apartMs = 0;
  for (const [call, latencyMs] of latencies) {
    // What did not run on a lane cannot be moved to another.
    if (call.executor === "" || call.runMs === 0 || call.groups.length > 0) {
      apartMs = Math.max(apartMs, latencyMs);
      continue;
    }
    const lane = lanes.get(call.executor);
    if (lane === undefined) lanes.set(call.executor, [{ latencyMs, runMs: call.runMs }]);
    else lane.push({ latencyMs, runMs: call.runMs });
  }
  const sorted = [...lanes.values()];
  for (const lane of sorted) lane.sort((a, b) => a.latencyMs - b.latencyMs);
  const endOf = (lane: (typeof sorted)[number]): number => lane.at(-1)?.latencyMs ?? 0;
  for (;;) {
    sorted.sort((a, b) => endOf(a) - endOf(b));
    const [first, last] = [sorted[0], sorted.at(-1)];
    if (first === undefined || last === undefined) return apartMs;
    const { latencyMs, runMs } = last.at(-1)!;
    const movedMs = endOf(first) + runMs;
    if (movedMs >= latencyMs) return Math.max(apartMs, latencyMs);
    last.pop();
    first.push({ latencyMs: movedMs, runMs });
  }
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
 * The latency with one more replica of a deployment: each of its calls would have waited for a lane at work no longer than
 * calls of its group did on other executors, or, where there were none, a share of what it waited: `replicas` of
 * `replicas + 1`. What it waited for while its lane had nothing to do is its own, and would be the new replica's too.
 */
export function latencyWithReplica(root: TreeCall, deployment: string, replicas: number): number {
  const change: Change = (call, group) => {
    const latencyMs = replay(call, change);
    if (call.name !== deployment) return latencyMs;
    const laneMs = laneMsOf(call);
    const elsewhereMs = shortestWaitElsewhere(call, group) ?? (laneMs * replicas) / (replicas + 1);
    return latencyMs - Math.max(0, laneMs - elsewhereMs);
  };
  return replay(root, change);
}

/** Mean wait for a lane at work, on the other executor where calls of the group waited least. */
function shortestWaitElsewhere(call: TreeCall, group: TreeGroup): number | undefined {
  const waits = new Map<string, { ms: number; calls: number }>();
  for (const other of group.calls) {
    if (other.status !== "ok" || other.executor === call.executor || other.executor === "") continue;
    const wait = waits.get(other.executor) ?? { ms: 0, calls: 0 };
    wait.ms += laneMsOf(other);
    wait.calls += 1;
    waits.set(other.executor, wait);
  }
  if (waits.size === 0) return undefined;
  return Math.min(...[...waits.values()].map(({ ms, calls }) => ms / calls));
}
