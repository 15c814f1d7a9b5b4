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

/** A request that took less than so many times what requests usually take is judged by its longest stage, usual or not. */
const UNUSUAL = 1.5;

/**
 * The stage or call to look at first. Of a request that lacks something, the missing call that was waited for longest;
 * else the stage of the critical path that exceeds its usual time by most; or the
 * longest, when the request as a whole took about as long as usual.
 */
export function causeOf(tree: RequestTree, usual: UsualTimes = new UsualTimes()): Cause | undefined {
  const missing = missingCalls(tree.root);
  const [longest] = missing.sort((a, b) => b.latencyMs - a.latencyMs);
  if (longest !== undefined && longest.status !== "ok" && tree.outcome !== "ok") {
    const { status, name, latencyMs } = longest;
    return { kind: "missing", status, name, ms: latencyMs, call: longest, others: missing.length - 1 };
  }
  const isUnusual = tree.latencyMs >= UNUSUAL * usual.latencyMs;
  let worst: { readonly stage: PathStage; readonly usualMs: number; readonly excessMs: number } | undefined;
  for (const stage of stageTotals(criticalPath(tree.root))) {
    const usualMs = usual.of(stage);
    const excessMs = isUnusual ? stage.ms - usualMs : stage.ms;
    if (worst === undefined || excessMs > worst.excessMs) worst = { stage, usualMs, excessMs };
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
