import { isErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { ReplicaSpec } from "../executor/control-messages.ts";
import type { Executor } from "../executor/executor.ts";
import type { LiveReplica, PlannedReplica } from "./slot.ts";

/** Beyond the time that it was given to drain. */
const DRAIN_GRACE_MS = 1000;

export interface HostLimits {
  readonly hostTimeoutMs: number;
  /** A number that no replica of the node has had. */
  readonly nextTarget: () => number;
}

/**
 * Has an executor host replicas: all of them, or none.
 *
 * @throws TuttiError the first failure.
 */
export async function hostReplicas(
  executor: Executor,
  slot: string,
  replicas: readonly PlannedReplica[],
  { hostTimeoutMs, nextTarget }: HostLimits,
): Promise<LiveReplica[]> {
  const specs = replicas.map(({ spec }) => ({ ...spec, target: nextTarget() }));
  const results = await executor.order({ type: "host", replicas: specs }, hostTimeoutMs);
  const failed = results.find(({ error }) => error !== undefined)?.error;
  if (failed !== undefined) {
    const targets = results.flatMap(({ target, error }) => (error === undefined ? [target] : []));
    if (targets.length > 0) await executor.order({ type: "drop", targets }, hostTimeoutMs).catch(() => {});
    throw new TuttiError(isErrorCode(failed.code) ? failed.code : "StartFailed", failed.message);
  }
  if (executor.hasEnded) throw new TuttiError("StartFailed", `${slot}: executor ${executor.id} has ended`);
  return replicas.map(({ key, deployment, index }, i) => ({
    key,
    deployment,
    index,
    target: specs[i]!.target,
    executor: executor.id,
  }));
}

export const computes = (spec: ReplicaSpec): boolean => spec.kind === "model" || spec.options.compute;

/** Lets an executor finish what it has within this time. */
export async function drain(executor: Executor, deadlineMs: number): Promise<void> {
  // One that does not get so far as to finish ends as it is.
  await executor.order({ type: "drain", deadlineMs }, deadlineMs + DRAIN_GRACE_MS).catch(() => {});
}

/** An executor that ends does not know which of its replicas was the reason: all it was to host are named. */
export function failedToFill(slot: string, planned: readonly PlannedReplica[], thrown: unknown): TuttiError {
  const error = TuttiError.from(thrown, "StartFailed");
  if (error.code !== "PeerClosed" && error.code !== "DeadlineExceeded") return error;
  const hosted = [...new Set(planned.map(({ deployment }) => deployment))].join(", ");
  return new TuttiError("StartFailed", `${slot}, which was to host ${hosted}: ${error.message}`, {
    cause: thrown,
  });
}
