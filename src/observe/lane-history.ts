import { Latest } from "../policy/latest.ts";
import { Slowest } from "../policy/slowest.ts";
import type { LaneRuns, LongWait } from "./recorded-call.ts";

/** Runs remembered; a wait longer than they reach back is told by what is left of them. */
const RUNS = 256;
/** Of those that ran behind, so many are told. */
const MOST_BEHIND = 3;
const LONGEST_PER_MINUTE = 64;
const MINUTES = 5;
const LOST = 512;
/** Shorter waits explain nothing. */
const MIN_WAIT_MS = 5;

interface Run {
  deployment: string;
  items: number;
  startedAtMs: number;
  endedAtMs: number;
}

/** A call that waits, as a queue has it. */
export interface Waiting {
  readonly call: { readonly requestId: string };
  readonly queuedAtMs: number;
}

/**
 * What one lane ran last, and the calls that waited longest for it or in vain, so that a long wait can be told by what
 * it was for. Bounded; a call that waited for nothing long costs one comparison.
 */
export class LaneHistory {
  readonly #runs: Run[] = [];
  #nextRun = 0;
  readonly #longest = new Slowest<LongWait>(LONGEST_PER_MINUTE, 60_000, MINUTES);
  readonly #lost = new Latest<LongWait>(LOST);

  /** Once a batch, when it has run. */
  ran(deployment: string, items: number, startedAtMs: number, endedAtMs: number): void {
    const place = this.#runs[this.#nextRun];
    if (place === undefined) this.#runs.push({ deployment, items, startedAtMs, endedAtMs });
    else Object.assign(place, { deployment, items, startedAtMs, endedAtMs });
    this.#nextRun = (this.#nextRun + 1) % RUNS;
  }

  /** An item leaves its queue to be run. */
  started(deployment: string, item: Waiting, nowMs: number): void {
    const queueMs = nowMs - item.queuedAtMs;
    if (queueMs < MIN_WAIT_MS || !this.#longest.wants(queueMs, nowMs)) return;
    this.#longest.add(queueMs, nowMs, this.#wait(deployment, item, nowMs, "ran"));
  }

  /** An item leaves its queue because nobody waits for it any more, or because it waited too long. */
  lost(deployment: string, item: Waiting, nowMs: number, ended: Exclude<LongWait["ended"], "ran">): void {
    if (nowMs - item.queuedAtMs < MIN_WAIT_MS) return;
    this.#lost.add(this.#wait(deployment, item, nowMs, ended));
  }

  waits(nowMs: number): LongWait[] {
    return [...this.#longest.items(nowMs), ...this.#lost.items()];
  }

  #wait(deployment: string, item: Waiting, nowMs: number, ended: LongWait["ended"]): LongWait {
    const { queuedAtMs, call } = item;
    const behind = new Map<string, { runs: number; largestBatch: number; ms: number }>();
    let busyMs = 0;
    for (const run of this.#runs) {
      const ms = Math.min(run.endedAtMs, nowMs) - Math.max(run.startedAtMs, queuedAtMs);
      if (ms <= 0) continue;
      busyMs += ms;
      const seen = behind.get(run.deployment);
      if (seen === undefined) behind.set(run.deployment, { runs: 1, largestBatch: run.items, ms });
      else {
        seen.runs += 1;
        seen.largestBatch = Math.max(seen.largestBatch, run.items);
        seen.ms += ms;
      }
    }
    const queueMs = nowMs - queuedAtMs;
    // What is not remembered may have been busy too: only a wait within memory can be called idle.
    const oldestMs =
      this.#runs.length < RUNS ? Number.NEGATIVE_INFINITY : this.#runs[this.#nextRun]!.startedAtMs;
    const reach = behind as Map<string, Omit<LaneRuns, "deployment">>;
    return {
      requestId: call.requestId,
      deployment,
      startedAtEpochMs: performance.timeOrigin + queuedAtMs,
      queueMs,
      heldMs: oldestMs > queuedAtMs ? 0 : Math.max(0, queueMs - busyMs),
      ended,
      behind: [...reach]
        .map(([name, runs]) => ({ deployment: name, ...runs }))
        .sort((a, b) => b.ms - a.ms)
        .slice(0, MOST_BEHIND),
    };
  }
}
