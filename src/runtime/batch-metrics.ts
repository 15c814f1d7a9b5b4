import type { SlotView } from "../controller/slot.ts";
import type { BatchingStatus } from "../executor/batch-decisions.ts";
import type { Executor } from "../executor/executor.ts";
import type { BatchMetrics } from "../observe/node-metrics.ts";

/**
 * What an executor has said of its batchers, by what they are of. Only of replicas that calls go to: another one may have
 * the number of one that is being replaced.
 */
export function toBatches(
  batching: readonly BatchingStatus[],
  executor: Executor,
  slots: readonly SlotView[],
): BatchMetrics[] {
  const live = slots.flatMap((slot) => (slot.executor === executor ? slot.live : []));
  return batching.flatMap(({ target, name, ...counts }) => {
    const replica = live.find((one) => one.target === target);
    if (replica === undefined) return [];
    const { deployment, index } = replica;
    const method = name === deployment ? "predict" : name.slice(deployment.length + 1);
    return [{ deployment, method, replica: index, ...counts }];
  });
}
