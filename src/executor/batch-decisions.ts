import { sizeClassOf } from "../policy/cost-table.ts";
import type { RunReason } from "../policy/release-batch.ts";

/** What one batcher has decided, since its replica began. Counts only rise. */
export interface BatchingStatus {
  /** The replica. */
  readonly target: number;
  /** The deployment, and of a class the method. */
  readonly name: string;
  /** Batches by why they were run as they were. */
  readonly reasons: Readonly<Record<RunReason, number>>;
  /** Batches by size: up to so many rows, and more than the entry before. Only sizes that occurred. */
  readonly sizes: readonly { readonly upToRows: number; readonly batches: number }[];
  /** Rows and calls in all batches, how long the calls had waited, and how long the batches that did not fail ran. */
  readonly rows: number;
  readonly calls: number;
  readonly waitedMs: number;
  readonly runMs: number;
  /** Now. */
  readonly queuedCalls: number;
  /** How often company was awaited although a slot was free. */
  readonly waits: number;
  /** Calls ended early: they could not have been on time even if they had been run at once. */
  readonly hopeless: number;
  /** Calls ended early: they would have made more of the others late. */
  readonly givenUp: number;
  /** Rows in one run, at most, as of now: what was configured, or less while runs take longer than predicted. */
  readonly capRows: number;
}

/** One decision, for those who want to see each: tests, and whoever explains a simulation. */
export interface BatchDecisionEntry {
  readonly atMs: number;
  readonly name: string;
  readonly kind: "run" | "wait";
  readonly waitingItems: number;
  /** 0 for a wait. */
  readonly runItems: number;
  readonly droppedItems: number;
  readonly reason: RunReason | undefined;
  readonly untilMs: number | undefined;
}

/** The last decisions, at most so many. */
export class DecisionLog {
  readonly #maxEntries: number;
  readonly #entries: BatchDecisionEntry[] = [];

  constructor(maxEntries = 10_000) {
    this.#maxEntries = maxEntries;
  }

  /** Oldest first. */
  get entries(): readonly BatchDecisionEntry[] {
    return this.#entries;
  }

  record(entry: BatchDecisionEntry): void {
    if (this.#entries.length >= this.#maxEntries) this.#entries.shift();
    this.#entries.push(entry);
  }
}

/** Counts of one batcher: a few additions for each batch, and no memory that grows. */
export class BatchCounts {
  readonly #reasons: Record<RunReason, number> = { full: 0, all: 0, urgent: 0, efficient: 0, probe: 0 };
  readonly #sizes = new Float64Array(17);
  #rows = 0;
  calls = 0;
  waitedMs = 0;
  runUs = 0;
  waits = 0;
  hopeless = 0;
  givenUp = 0;

  ran(rows: number, reason: RunReason): void {
    this.#rows += rows;
    this.#reasons[reason] += 1;
    const index = sizeClassOf(rows);
    this.#sizes[index] = this.#sizes[index]! + 1;
  }

  status(target: number, name: string, capRows: number, queuedCalls: number): BatchingStatus {
    const sizes: { upToRows: number; batches: number }[] = [];
    this.#sizes.forEach((batches, index) => {
      if (batches > 0) sizes.push({ upToRows: 2 ** index, batches });
    });
    const { calls, waitedMs, waits, hopeless, givenUp } = this;
    return {
      target,
      name,
      reasons: { ...this.#reasons },
      sizes,
      rows: this.#rows,
      calls,
      waitedMs,
      runMs: this.runUs / 1000,
      queuedCalls,
      waits,
      hopeless,
      givenUp,
      capRows,
    };
  }
}
