import { LatencyHistogram, LONGEST_MS } from "../../src/load/latency-histogram.ts";
import type { HttpResponse } from "../../src/load/response-parser.ts";
import { checkAnswer, type ReferenceAnswer, type Verdict } from "./answer-check.ts";
import type { LoadResult } from "./messages.ts";

const FAILURES_KEPT = 5;

/** Counts the requests of one window. */
export class Recorder {
  readonly #reference: readonly ReferenceAnswer[];
  readonly #latency = new LatencyHistogram();
  readonly #admitted = new LatencyHistogram();
  readonly #refusals = new LatencyHistogram();
  readonly #settled = new LatencyHistogram();
  readonly #lag = new LatencyHistogram();
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
    this.#lag.record(lagMs);
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
    this.#latency.record(countedMs);
    this.#admitted.record(countedMs);
    if (isSettled) this.#settled.record(countedMs);
  }

  #refusal(latencyMs: number): void {
    this.#refused += 1;
    this.#refusals.record(latencyMs);
    this.#counts.failed += 1;
    this.#keep("refused (503 with retry-after)");
    this.#latency.record(LONGEST_MS);
  }

  failed(reason: string, isSettled = false): void {
    this.#counts.failed += 1;
    this.#keep(reason);
    this.#latency.record(LONGEST_MS);
    this.#admitted.record(LONGEST_MS);
    if (isSettled) this.#settled.record(LONGEST_MS);
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
      admitted: this.#admitted.summary(),
      refusals: this.#refusals.summary(),
      statuses: this.#statuses,
      failures: this.#failures,
      resent: this.resent,
      throughputRps: counts.right / run.windowSeconds,
      latency: this.#latency.summary(),
      settled: this.#settled.summary(),
      ...(run.openLoop ? { sendLag: this.#lag.summary() } : {}),
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
