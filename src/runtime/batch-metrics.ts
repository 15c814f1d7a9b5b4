import type { SlotView } from "../controller/slot.ts";
import type { BatchingStatus } from "../executor/batch-decisions.ts";
import type { Executor } from "../executor/executor.ts";
import type { BatchMetrics } from "../observe/node-metrics.ts";
import type { ApplicationNames } from "./application-names.ts";

/** Those of one name as one: two versions may have models of one name, and a replica of each in one lane. */
export function sumBatches(all: readonly BatchMetrics[]): BatchMetrics[] {
  const byName = new Map<string, BatchMetrics>();
  for (const one of all) {
    const name = JSON.stringify([one.application, one.deployment, one.method, one.replica]);
    const known = byName.get(name);
    byName.set(name, known === undefined ? one : add(known, one));
  }
  return [...byName.values()];
}

function add(a: BatchMetrics, b: BatchMetrics): BatchMetrics {
  const reasons = { ...a.reasons };
  for (const [reason, count] of Object.entries(b.reasons)) reasons[reason] = (reasons[reason] ?? 0) + count;
  const sizes = new Map<number, number>();
  for (const { upToRows, batches } of [...a.sizes, ...b.sizes])
    sizes.set(upToRows, (sizes.get(upToRows) ?? 0) + batches);
  return {
    ...a,
    reasons,
    sizes: [...sizes]
      .sort(([one], [other]) => one - other)
      .map(([upToRows, batches]) => ({ upToRows, batches })),
    rows: a.rows + b.rows,
    calls: a.calls + b.calls,
    waitedMs: a.waitedMs + b.waitedMs,
    runMs: a.runMs + b.runMs,
    waits: a.waits + b.waits,
    hopeless: a.hopeless + b.hopeless,
    givenUp: a.givenUp + b.givenUp,
    queuedCalls: a.queuedCalls + b.queuedCalls,
    capRows: Math.max(a.capRows, b.capRows),
  };
}

/**
 * What an executor has said of its batchers, by what they are of. Only of replicas that calls go to: another one may have
 * the number of one that is being replaced.
 */
export function toBatches(
  batching: readonly BatchingStatus[],
  executor: Executor,
  slots: readonly SlotView[],
  names: ApplicationNames,
): BatchMetrics[] {
  // One that runs inline fills several slots.
  const live = slots.flatMap((slot) =>
    slot.executor === executor ? slot.live.map((replica) => ({ slot, replica })) : [],
  );
  return batching.flatMap(({ target, name, ...counts }) => {
    const found = live.find(({ replica }) => replica.target === target);
    if (found === undefined) return [];
    const { slot, replica } = found;
    const { deployment, index, key } = replica;
    const application = slot.kind === "model" ? names.ofModel(key) : names.ofPlace(slot);
    const method = name === deployment ? "predict" : name.slice(deployment.length + 1);
    return [{ application, deployment, method, replica: index, ...counts }];
  });
}
