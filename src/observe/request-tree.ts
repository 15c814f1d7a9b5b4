import type { ErrorCode } from "../errors/codes.ts";
import type { CallSpan } from "./call-group.ts";
import type { LongWait, NamedStage, Outcome } from "./recorded-call.ts";

/** A request with all that is known of the calls that it led to. */
export interface RequestTree {
  readonly requestId: string;
  readonly application: string;
  readonly applicationVersion: string;
  /** As declared, or deployment and method when the edge knows nothing of it. */
  readonly route: string;
  readonly startedAtEpochMs: number;
  readonly latencyMs: number;
  readonly outcome: Outcome;
  /** Of the answer over HTTP, 499 for a client that went away; undefined when the edge knows nothing of it. */
  readonly status: number | undefined;
  readonly code: ErrorCode | undefined;
  /** The edge served the route's fallback. */
  readonly fallback: boolean;
  readonly root: TreeCall;
}

/** A call as its caller saw it and, if it was recorded where it was served, with the calls that it made. */
export interface TreeCall extends CallSpan {
  readonly method: string;
  readonly wait: LongWait | undefined;
  /** Groups and stages count from here, so much after the call was made. */
  readonly servedAfterMs: number;
  readonly groups: readonly TreeGroup[];
  readonly stages: readonly NamedStage[];
}

export interface TreeGroup {
  readonly startMs: number;
  readonly endMs: number;
  readonly calls: readonly TreeCall[];
}

/** The name of the outermost call of a request that came over HTTP. */
export const EDGE = "edge";

/** Where the time of one call went, apart from what it called; adds up to its latency. */
export interface CallParts {
  /** Before its last attempt was sent. */
  readonly routedMs: number;
  /** On the way, both ways, with what both processes needed to get to it. Of a call without an answer: all that is not known. */
  readonly wireMs: number;
  readonly queueMs: number;
  /** In the queue, while the lane was free. */
  readonly heldMs: number;
  /** At work; of a call that made calls, including the wait for them. */
  readonly runMs: number;
}

/**
 * What is measured in two processes may exceed what the caller measured, by the grain of its clocks or by a reply that
 * came when nobody waited any more: then what comes first in a call's life is cut.
 */
export function partsOf(call: TreeCall): CallParts {
  const atWorkMs = call.groups.length > 0 ? call.latencyMs - call.servedAfterMs : call.runMs;
  const runMs = Math.max(0, Math.min(call.latencyMs, atWorkMs));
  const waitedMs = Math.min(call.latencyMs - runMs, Math.max(call.queueMs, call.wait?.queueMs ?? 0));
  const heldMs = Math.min(waitedMs, call.wait?.heldMs ?? 0);
  const routedMs = Math.min(call.latencyMs - runMs - waitedMs, call.routedMs);
  return {
    routedMs,
    wireMs: Math.max(0, call.latencyMs - runMs - waitedMs - routedMs),
    queueMs: waitedMs - heldMs,
    heldMs,
    runMs,
  };
}

/** How much of its wait, queued or held, its lane was at work: what another replica elsewhere might have spared. */
export function laneMsOf(call: TreeCall): number {
  const { queueMs, heldMs } = partsOf(call);
  return Math.min(queueMs + heldMs, call.laneMs ?? queueMs + heldMs);
}

/** Whether the end of a group waited for this call: one that was given up held nobody up. */
export const isAwaited = (call: TreeCall): boolean => call.status !== "cancelled";

/** All calls of a tree, callers first. */
export function* callsOf(call: TreeCall): Generator<TreeCall> {
  yield call;
  for (const { calls } of call.groups) for (const inner of calls) yield* callsOf(inner);
}
