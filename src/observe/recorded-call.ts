import type { ErrorCode } from "../errors/codes.ts";
import type { CallSpan } from "./call-group.ts";

/** How a request or call ended, for those who ask what went wrong. `refused`: it was never worked on. */
export type Outcome = "ok" | "degraded" | "failed" | "refused";

/** Part of a call's own time, as user code named it with `recordStage`. From the call's start. */
export interface NamedStage {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** Calls made together, from the start of the call that made them. */
export interface RecordedGroup {
  readonly method: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly calls: readonly CallSpan[];
}

/** One call that a code executor served, with the calls that it made. Holds no arguments and no results. */
export interface RecordedCall {
  readonly requestId: string;
  readonly deployment: string;
  readonly method: string;
  /** Name and index, e.g. `Supervisor#0`. */
  readonly replica: string;
  readonly application: string;
  readonly applicationVersion: string;
  /** Milliseconds since 1970. */
  readonly startedAtEpochMs: number;
  readonly latencyMs: number;
  readonly outcome: Outcome;
  readonly code: ErrorCode | undefined;
  readonly groups: readonly RecordedGroup[];
  readonly stages: readonly NamedStage[];
}

/** One request as the edge saw it, from its head to its answer. */
export interface RecordedRequest {
  readonly requestId: string;
  readonly application: string;
  /** As declared, e.g. `POST /offers/:game`: what a client put into the path is not kept. */
  readonly route: string;
  readonly startedAtEpochMs: number;
  readonly latencyMs: number;
  /** From its head to the call of the application: reading and parsing the body. */
  readonly readMs: number;
  readonly outcome: Outcome;
  /** 499 for a client that went away. */
  readonly status: number;
  readonly code: ErrorCode | undefined;
  /** The edge served the route's fallback. */
  readonly fallback: boolean;
}

/** A call that waited long for its replica's turn, or in vain, and what the lane did meanwhile. */
export interface LongWait {
  readonly requestId: string;
  readonly deployment: string;
  /** When it was queued. */
  readonly startedAtEpochMs: number;
  readonly queueMs: number;
  /** How much of that the lane was free: the batch was held back for company. */
  readonly heldMs: number;
  readonly ended: "ran" | "expired" | "cancelled" | "refused";
  /** What ran meanwhile, longest first. */
  readonly behind: readonly LaneRuns[];
}

/** What one replica of a lane ran during some time. */
export interface LaneRuns {
  readonly deployment: string;
  readonly runs: number;
  /** Items of its largest run. */
  readonly largestBatch: number;
  readonly ms: number;
}
