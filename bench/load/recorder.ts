import { build, type Histogram } from "hdr-histogram-js";
import { checkAnswer, type ReferenceAnswer, type Verdict } from "./answer-check.ts";
import type { LatencySummary, LoadResult } from "./messages.ts";
import type { HttpResponse } from "./response-parser.ts";

const LONGEST_MS = 60_000;
const FAILURES_KEPT = 5;

/** Latencies in microseconds, three significant digits, up to one minute. */
function histogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST_MS * 1000,
    numberOfSignificantValueDigits: 3,
  });
}

function record(into: Histogram, latencyMs: number): void {
  into.recordValue(Math.min(LONGEST_MS * 1000, Math.max(1, Math.round(latencyMs * 1000))));
}

function summary(of: Histogram): LatencySummary {
  const at = (percentile: number): number => of.getValueAtPercentile(percentile) / 1000;
  return {
    p50Ms: at(50),
    p95Ms: at(95),
    p99Ms: at(99),
    p999Ms: at(99.9),
    maxMs: of.maxValue / 1000,
    meanMs: of.mean / 1000,
    count: of.totalCount,
  };
}

/** Counts the requests of one window. */
export class Recorder {
  readonly #reference: readonly ReferenceAnswer[];
  readonly #latency = histogram();
  readonly #admitted = histogram();
  readonly #refusals = histogram();
  readonly #settled = histogram();
  readonly #lag = histogram();
  readonly #counts = { right: 0, degraded: 0, fallback: 0, wrong: 0, failed: 0 };
  readonly #inTimeMs: number;
  #rightInTime = 0;
  #refused = 0;
  #shed = 0;
  readonly #statuses: Record<string, number> = {};
  readonly #failures: string[] = [];
  resent = 0;
  connectionsOpened = 0;

  constructor(reference: readonly ReferenceAnswer[], inTimeMs = Number.POSITIVE_INFINITY) {
    this.#reference = reference;
    this.#inTimeMs = inTimeMs;
  }

  sent(lagMs: number): void {
    record(this.#lag, lagMs);
  }

  /** @param isSettled it is one of those whose latencies are given apart too. */
  answered(player: number, response: HttpResponse, latencyMs: number, isSettled = false): void {
    this.#statuses[response.status] = (this.#statuses[response.status] ?? 0) + 1;
    const expected = this.#reference[player];
    const verdict: Verdict =
      expected === undefined
        ? { kind: "failed", reason: `no reference for player ${player}` }
        : checkAnswer(response, expected);
    if (verdict.kind === "refused") return this.#refusal(latencyMs);
    this.#counts[verdict.kind] += 1;
    if (verdict.kind === "wrong" || verdict.kind === "failed") this.#keep(verdict.reason);
    if ((verdict.kind === "degraded" || verdict.kind === "fallback") && verdict.shed) this.#shed += 1;
    if (verdict.kind === "right" && latencyMs <= this.#inTimeMs) this.#rightInTime += 1;
    const countedMs = verdict.kind === "failed" ? LONGEST_MS : latencyMs;
    record(this.#latency, countedMs);
    record(this.#admitted, countedMs);
    if (isSettled) record(this.#settled, countedMs);
  }

  #refusal(latencyMs: number): void {
    this.#refused += 1;
    record(this.#refusals, latencyMs);
    this.#counts.failed += 1;
    this.#keep("refused (503 with retry-after)");
    record(this.#latency, LONGEST_MS);
  }

  failed(reason: string, isSettled = false): void {
    this.#counts.failed += 1;
    this.#keep(reason);
    record(this.#latency, LONGEST_MS);
    record(this.#admitted, LONGEST_MS);
    if (isSettled) record(this.#settled, LONGEST_MS);
  }

  result(run: {
    readonly windowSeconds: number;
    readonly generatorCpuSeconds: number;
    readonly overloaded: boolean;
    readonly openLoop: boolean;
  }): LoadResult {
    const counts = this.#counts;
    return {
      windowSeconds: run.windowSeconds,
      requests: counts.right + counts.degraded + counts.fallback + counts.wrong + counts.failed,
      ...counts,
      refused: this.#refused,
      rightInTime: this.#rightInTime,
      shed: this.#shed,
      admitted: summary(this.#admitted),
      refusals: summary(this.#refusals),
      statuses: this.#statuses,
      failures: this.#failures,
      resent: this.resent,
      throughputRps: counts.right / run.windowSeconds,
      latency: summary(this.#latency),
      settled: summary(this.#settled),
      ...(run.openLoop ? { sendLag: summary(this.#lag) } : {}),
      overloaded: run.overloaded,
      connectionsOpened: this.connectionsOpened,
      generatorCpuSeconds: run.generatorCpuSeconds,
    };
  }

  #keep(reason: string): void {
    if (this.#failures.length < FAILURES_KEPT && !this.#failures.includes(reason))
      this.#failures.push(reason);
  }
}
