import type { LatencySummary } from "../../src/load/latency-histogram.ts";

/** What the bench and the load generator's process say to each other (over the fork's channel). */

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

export interface ClosedLoop {
  readonly kind: "closed";
  readonly connections: number;
}

export interface OpenLoop {
  readonly kind: "open";
  readonly ratePerSecond: number;
  readonly seed: number;
  /** Upper bound; connections are opened as they are needed. */
  readonly maxConnections: number;
  /** Arrivals within it may be sent together; latencies count from when each was meant. Default: the generator's own, 0.5 ms. */
  readonly grainMs?: number;
  /** Which idle connection is used next; default `oldest`. */
  readonly reuse?: "oldest" | "latest";
  /** For so much of the plan's ramp the rate grows from nothing. Default 0: it is the whole rate from the start. */
  readonly risingMs?: number;
}

export interface LoadPlan {
  readonly shape: ClosedLoop | OpenLoop;
  /** Load before the window; nothing of it is counted. */
  readonly rampMs: number;
  /** The window that is counted. */
  readonly windowMs: number;
  /** How long unanswered requests are waited for after the window; then they count as failed. */
  readonly drainMs: number;
  /** Right answers are counted apart when they took no longer. Default: there is no such limit. */
  readonly inTimeMs?: number;
  /** Open loop: latencies of the requests that arrive later than this in the window are given apart too. */
  readonly settleMs?: number;
}

export interface LoadResult {
  readonly windowSeconds: number;
  /** Requests of the window that ended, in whatever way. */
  readonly requests: number;
  /** Right, personal, complete answers. */
  readonly right: number;
  /** Labelled as degraded; their value is not compared. */
  readonly degraded: number;
  /** The game's default offer (`personalised: false`). */
  readonly fallback: number;
  /** Status 200 whose propensity or offer is not the reference's. Never acceptable. */
  readonly wrong: number;
  /** Other statuses, broken connections, malformed or missing answers. */
  readonly failed: number;
  /** Of the failed: 503 with `retry-after`. */
  readonly refused: number;
  /** Of the right: those that were answered within `inTimeMs`. */
  readonly rightInTime: number;
  /** Of the degraded and default answers: something was refused inside the system, where it should not be. */
  readonly shed: number;
  /** Of all but the refused. */
  readonly admitted: LatencySummary;
  /** How long it took to be refused. */
  readonly refusals: LatencySummary;
  readonly statuses: Readonly<Record<string, number>>;
  /** The first few reasons, for the reader. */
  readonly failures: readonly string[];
  /** Reused connections that the server had just closed; their request was sent again on a new one. */
  readonly resent: number;
  readonly throughputRps: number;
  /** Failed requests are in it as the longest latency there is, so that refusing work never looks fast. */
  readonly latency: LatencySummary;
  /** Of all but the refused that arrived later than `settleMs` in the window. */
  readonly settled: LatencySummary;
  /** Open loop: how much later than intended requests were written because of the generator or of busy connections. */
  readonly sendLag?: LatencySummary;
  /** The queue grew past its bound and the run was ended early. */
  readonly overloaded: boolean;
  readonly connectionsOpened: number;
  /** CPU time of the generator over the window, all its threads. */
  readonly generatorCpuSeconds: number;
}

export type ToGenerator =
  | {
      readonly type: "prepare";
      readonly target: Target;
      readonly referenceFile: string;
      readonly seed: number;
    }
  | { readonly type: "run"; readonly plan: LoadPlan };

export type FromGenerator =
  | { readonly type: "prepared" }
  /** Sent as the window opens and closes, so that the bench can sample the system's CPU time. */
  | { readonly type: "window"; readonly edge: "open" | "close" }
  | { readonly type: "result"; readonly result: LoadResult }
  | { readonly type: "error"; readonly message: string };
