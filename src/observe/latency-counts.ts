/** Upper bounds of the classes in which durations are counted, in ms; what is longer has a class of its own. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
];

/** How many durations were of each class, the longer ones last, and their sum. */
export interface LatencySnapshot {
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** Durations by class. Counts only rise; counting is a few comparisons and makes nothing. */
export class LatencyCounts {
  readonly #counts = new Float64Array(LATENCY_BOUNDS_MS.length + 1);
  #sumMs = 0;

  count(ms: number): void {
    let index = 0;
    while (index < LATENCY_BOUNDS_MS.length && ms > LATENCY_BOUNDS_MS[index]!) index += 1;
    this.#counts[index] = this.#counts[index]! + 1;
    this.#sumMs += ms;
  }

  snapshot(): LatencySnapshot {
    return { counts: [...this.#counts], sumMs: this.#sumMs };
  }
}
