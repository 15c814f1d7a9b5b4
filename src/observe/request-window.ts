import type { Observed } from "../policy/rollout.ts";

/** So many of the last latencies are remembered: enough for a 95th percentile, and no more than it needs. */
const REMEMBERED = 2048;

/** What is seen of one version's requests from now on. */
export class RequestWindow {
  readonly #latenciesMs = new Float64Array(REMEMBERED);
  #requests = 0;
  #failed = 0;

  ended(latencyMs: number, failed: boolean): void {
    this.#latenciesMs[this.#requests % REMEMBERED] = latencyMs;
    this.#requests += 1;
    if (failed) this.#failed += 1;
  }

  observed(): Observed {
    const count = Math.min(this.#requests, REMEMBERED);
    const sorted = this.#latenciesMs.slice(0, count).sort();
    const p95Ms = count === 0 ? undefined : sorted[Math.min(count - 1, Math.ceil(0.95 * count) - 1)];
    return { requests: this.#requests, failed: this.#failed, p95Ms };
  }
}
