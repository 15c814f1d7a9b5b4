import { build, type Histogram } from "hdr-histogram-js";

/** What took longer counts as this. */
export const LONGEST_MS = 60_000;

export interface LatencySummary {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly meanMs: number;
  readonly count: number;
}

/** Latencies in microseconds, three significant digits, up to one minute. */
export class LatencyHistogram {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST_MS * 1000,
    numberOfSignificantValueDigits: 3,
  });

  record(latencyMs: number): void {
    this.#histogram.recordValue(Math.min(LONGEST_MS * 1000, Math.max(1, Math.round(latencyMs * 1000))));
  }

  summary(): LatencySummary {
    const at = (percentile: number): number => this.#histogram.getValueAtPercentile(percentile) / 1000;
    return {
      p50Ms: at(50),
      p95Ms: at(95),
      p99Ms: at(99),
      p999Ms: at(99.9),
      maxMs: this.#histogram.maxValue / 1000,
      meanMs: this.#histogram.mean / 1000,
      count: this.#histogram.totalCount,
    };
  }
}
