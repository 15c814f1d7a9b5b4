import { Latest } from "../policy/latest.ts";
import { Slowest } from "../policy/slowest.ts";
import { type Stratum, UniformSample } from "../policy/uniform-sample.ts";
import type { Outcome } from "./recorded-call.ts";

/** What is asked for: why it was kept. */
export type Kept = "slow" | "degraded" | "failed" | "refused";

export const KEPT: readonly Kept[] = ["slow", "degraded", "failed", "refused"];

const SLOW = 1;
const SAMPLED = 2;
const ENDED_BADLY = 4;

const SLOWEST_PER_MINUTE = 16;
const MINUTES = 5;
const LATEST_OF_EACH = 32;
const SAMPLED_PER_MINUTE = 512;
const MINUTE_MS = 60_000;

/**
 * What is kept of the requests of one route, or of the calls of one method: the slowest of the last minutes, the last
 * that were degraded, failed or were refused, and a uniform sample. Bounded, whatever comes: at most 16 (or as many as
 * asked) in each of 5 minutes, 32 of each other kind, 512 in each of 2 minutes for the sample.
 *
 * In two steps, so that what is not kept is never made: `choose` says why something would be kept, 0 if for no reason;
 * `add` keeps it.
 */
export class RecordBook<T> {
  readonly #slowest: Slowest<T>;
  readonly #sample = new UniformSample<T>(SAMPLED_PER_MINUTE, MINUTE_MS);
  readonly #latest = {
    degraded: new Latest<T>(LATEST_OF_EACH),
    failed: new Latest<T>(LATEST_OF_EACH),
    refused: new Latest<T>(LATEST_OF_EACH),
  };
  readonly #random: () => number;

  /** @param slowestPerMinute default 16. */
  constructor(random: () => number, slowestPerMinute = SLOWEST_PER_MINUTE) {
    this.#random = random;
    this.#slowest = new Slowest<T>(slowestPerMinute, MINUTE_MS, MINUTES);
  }

  choose(latencyMs: number, outcome: Outcome, nowMs: number): number {
    // A refusal says nothing of how long work takes.
    if (outcome === "refused") return ENDED_BADLY;
    let reasons = outcome === "ok" ? 0 : ENDED_BADLY;
    if (this.#slowest.wants(latencyMs, nowMs)) reasons |= SLOW;
    if (this.#sample.offer(nowMs, this.#random)) reasons |= SAMPLED;
    return reasons;
  }

  /** @param reasons what `choose` has said of it. */
  add(reasons: number, item: T, latencyMs: number, outcome: Outcome, nowMs: number): void {
    if ((reasons & SLOW) !== 0) this.#slowest.add(latencyMs, nowMs, item);
    if ((reasons & SAMPLED) !== 0) this.#sample.take(item, this.#random);
    if (outcome !== "ok") this.#latest[outcome].add(item);
  }

  kept(kept: Kept, nowMs: number): T[] {
    return kept === "slow" ? this.#slowest.items(nowMs) : this.#latest[kept].items();
  }

  sample(nowMs: number): Stratum<T>[] {
    return this.#sample.read(nowMs);
  }
}
