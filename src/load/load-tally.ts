import { LatencyHistogram, type LatencySummary } from "./latency-histogram.ts";
import type { HttpResponse } from "./response-parser.ts";

/** What became of the requests of a window. */
export interface LoadReport {
  readonly windowSeconds: number;
  /** Those that ended, in whatever way. */
  readonly requests: number;
  /** Answered with a status below 400. */
  readonly ok: number;
  /** All others: other statuses, and errors. */
  readonly failed: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** No answer, or none that is HTTP, by the reason. */
  readonly errors: Readonly<Record<string, number>>;
  /** Of the ok: labelled `x-tutti-degraded: 1`. */
  readonly degraded: number;
  /** Of the ok: within the deadline. Absent: there is none. */
  readonly inTime?: number;
  /** Of the ok. */
  readonly throughputRps: number;
  /** Of the ok. */
  readonly latency: LatencySummary;
  /** Open loop: how much later than intended requests were written. */
  readonly sendLag?: LatencySummary;
  readonly connectionsOpened: number;
  /** Reused connections that the server had just closed; their request was sent again on a new one. */
  readonly resent: number;
}

/** Reasons told apart; what comes beyond them is counted as one. */
const MAX_REASONS = 20;
const OTHER = "other";

/** Counts what becomes of requests. */
export class LoadTally {
  readonly #deadlineMs: number | undefined;
  readonly #latency = new LatencyHistogram();
  readonly #lag = new LatencyHistogram();
  readonly #statuses: Record<string, number> = {};
  readonly #errors: Record<string, number> = {};
  #ok = 0;
  #failed = 0;
  #degraded = 0;
  #inTime = 0;
  connectionsOpened = 0;
  resent = 0;

  constructor(deadlineMs: number | undefined) {
    this.#deadlineMs = deadlineMs;
  }

  get ok(): number {
    return this.#ok;
  }

  get failures(): number {
    return this.#failed;
  }

  sent(lagMs: number): void {
    this.#lag.record(lagMs);
  }

  answered({ status, degradedHeader }: HttpResponse, latencyMs: number): void {
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
    if (status >= 400) {
      this.#failed += 1;
      return;
    }
    this.#ok += 1;
    if (degradedHeader === "1") this.#degraded += 1;
    if (latencyMs <= (this.#deadlineMs ?? Number.POSITIVE_INFINITY)) this.#inTime += 1;
    this.#latency.record(latencyMs);
  }

  failed(reason: string): void {
    this.#failed += 1;
    const isKnown = reason in this.#errors || Object.keys(this.#errors).length < MAX_REASONS;
    const key = isKnown ? reason : OTHER;
    this.#errors[key] = (this.#errors[key] ?? 0) + 1;
  }

  report(windowSeconds: number, isOpenLoop: boolean): LoadReport {
    return {
      windowSeconds,
      requests: this.#ok + this.#failed,
      ok: this.#ok,
      failed: this.#failed,
      statuses: this.#statuses,
      errors: this.#errors,
      degraded: this.#degraded,
      ...(this.#deadlineMs === undefined ? {} : { inTime: this.#inTime }),
      throughputRps: windowSeconds === 0 ? 0 : this.#ok / windowSeconds,
      latency: this.#latency.summary(),
      ...(isOpenLoop ? { sendLag: this.#lag.summary() } : {}),
      connectionsOpened: this.connectionsOpened,
      resent: this.resent,
    };
  }
}
