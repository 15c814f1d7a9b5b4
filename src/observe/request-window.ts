import type { Observed } from "../policy/rollout.ts";

/** So many of the last latencies are remembered: enough for a 95th percentile, and no more than it needs. */
const REMEMBERED = 2048;

/** What is seen of one version's requests from now on. */
export class RequestWindow {
  readonly #latenciesMs = new Float64Array(REMEMBERED);
  #cold: number;
  #requests = 0;
  #timed = 0;
  #failed = 0;

  /** @param cold the latencies of so many requests do not count. */
  constructor(cold = 0) {
    this.#cold = cold;
  }

  /** How many requests more it takes until latencies count. */
  get cold(): number {
    return this.#cold;
  }

  ended(latencyMs: number, failed: boolean): void {
    this.#requests += 1;
    if (failed) this.#failed += 1;
    if (this.#cold > 0) {
      this.#cold -= 1;
      return;
    }
    this.#latenciesMs[this.#timed % REMEMBERED] = latencyMs;
    this.#timed += 1;
  }

  observed(): Observed {
    const count = Math.min(this.#timed, REMEMBERED);
    const sorted = this.#latenciesMs.slice(0, count).sort();
    const p95Ms = count === 0 ? undefined : sorted[Math.min(count - 1, Math.ceil(0.95 * count) - 1)];
    return { requests: this.#requests, failed: this.#failed, timed: this.#timed, p95Ms };
  }
}
