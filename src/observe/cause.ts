import type { CallStatus } from "./call-group.ts";
import { criticalPath, type PathStage, stageTotals } from "./critical-path.ts";
import { callsOf, type RequestTree, type TreeCall } from "./request-tree.ts";
import { UsualTimes } from "./usual-times.ts";

/** What made a request slow, degraded or fail. */
export type Cause =
  /** A stage that took longer than it usually does. */
  | {
      readonly kind: "stage";
      readonly stage: PathStage;
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

/**
 * The stage or call to look at first. Of a request that lacks something, the missing call that was waited for longest;
 * else the stage of the critical path that exceeds its usual time by most.
 */
export function causeOf(tree: RequestTree, usual: UsualTimes = new UsualTimes()): Cause | undefined {
  const missing = missingCalls(tree.root);
  const [longest] = missing.sort((a, b) => b.latencyMs - a.latencyMs);
  if (longest !== undefined && longest.status !== "ok" && tree.outcome !== "ok") {
    const { status, name, latencyMs } = longest;
    return { kind: "missing", status, name, ms: latencyMs, call: longest, others: missing.length - 1 };
  }
  let worst: { readonly stage: PathStage; readonly usualMs: number } | undefined;
  for (const stage of stageTotals(criticalPath(tree.root))) {
    const usualMs = Math.min(stage.ms, usual.of(stage));
    if (worst === undefined || stage.ms - usualMs > worst.stage.ms - worst.usualMs)
      worst = { stage, usualMs };
  }
  if (worst === undefined) return undefined;
  const { stage, usualMs } = worst;
  const call = [...callsOf(tree.root)].find(({ name }) => name === stage.name);
  return { kind: "stage", stage, name: stage.name, ms: stage.ms, usualMs, call };
}

/** Calls that ended without an answer for a reason of their own, not of one that they made. */
function missingCalls(root: TreeCall): TreeCall[] {
  return [...callsOf(root)].filter((call) => {
    if (call === root || call.status === "ok" || call.status === "cancelled") return false;
    return [...callsOf(call)].every((inner) => inner === call || inner.status === "ok");
  });
}
