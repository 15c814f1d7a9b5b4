import type { TuttiError } from "../errors/tutti-error.ts";
import { arrivalsPerMs, learnArrivals, noArrivals } from "../policy/arrival-rate.ts";
import { fullCap, learnCap } from "../policy/batch-cap.ts";
import {
  costLine,
  efficientRows,
  emptyCostTable,
  learnCost,
  predictCostUs,
  predictSpreadUs,
  scaleCosts,
} from "../policy/cost-table.ts";
import { type ReleaseState, type RunReason, releaseBatch } from "../policy/release-batch.ts";
import { BatchCounts, type BatchingStatus, type DecisionLog } from "./batch-decisions.ts";
import { BatchQueue, type BatchQueueLimits, type QueuedItem } from "./batch-queue.ts";
import type { ReplySink } from "./hosted-replica.ts";

export interface BatcherLimits extends BatchQueueLimits {
  /** Most rows in one run. */
  readonly maxBatchRows: number;
}

/** The slot that is free, and what else is to run in it. */
export interface FreeSlot {
  /** No other queue has anything for this slot, and no other slot is free for this queue. */
  readonly isOnlyWork: boolean;
  /** Work that arrives for the slot, from all queues, in each unit of its time. */
  loadFraction(nowMs: number): number;
  /** Where decisions are written down one by one. */
  readonly decisions: DecisionLog | undefined;
}

/** Calls that are to run together, now. */
export interface Batch<I> {
  readonly kind: "run";
  readonly items: readonly QueuedItem<I>[];
  readonly rows: number;
  readonly predictedUs: number;
  /** The sooner deadline of its items, and how long it is predicted to take at most: for the guard on sizes. */
  readonly dueAtMs: number;
  readonly promisedUs: number;
}

export type NextBatch<I> =
  | Batch<I>
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "empty" };

const EMPTY = { kind: "empty" } as const;

/** So many calls are ended as hopeless without a run between them before one is run all the same, to learn. */
const MAX_HOPELESS_IN_A_ROW = 16;
/** Weight of one call in what is remembered of losses. */
const LOSS_FORGETTING = 1 / 128;

/**
 * The queue of one replica or batched method, with what was learned of its cost and its arrivals: what runs next is
 * decided by `releaseBatch` from that. Nothing has to be set.
 */
export class Batcher<I> implements ReleaseState {
  readonly name: string;
  readonly costs = emptyCostTable();
  readonly maxQueueMs: number | undefined;
  mayWait = false;
  lostFraction = 0;
  readonly #queue: BatchQueue<I>;
  readonly #cap: { rows: number; readonly maxRows: number };
  readonly #arrivals;
  readonly #counts = new BatchCounts();
  #arrivedRows = 0;
  #hopelessInARow = 0;
  #slot: FreeSlot | undefined;

  constructor(name: string, limits: BatcherLimits, nowMs: number) {
    this.name = name;
    this.maxQueueMs = limits.maxQueueMs;
    this.#queue = new BatchQueue<I>(limits);
    this.#cap = fullCap(limits.maxBatchRows);
    this.#arrivals = noArrivals(nowMs);
  }

  get length(): number {
    return this.#queue.length;
  }

  get head(): QueuedItem<I> | undefined {
    return this.#queue.head;
  }

  /** Predicted µs of all that waits, as one batch. */
  get backlogUs(): number {
    return predictCostUs(this.costs, this.#queue.rows);
  }

  get longestRunUs(): number {
    return predictCostUs(this.costs, this.#cap.maxRows);
  }

  get capRows(): number {
    return Math.floor(this.#cap.rows);
  }

  costLine(): { readonly fixedUs: number; readonly itemUs: number } {
    return costLine(this.costs);
  }

  status(target: number): BatchingStatus {
    return this.#counts.status(target, this.name, this.capRows, this.length);
  }

  arrivalsPerMs(nowMs: number): number {
    return arrivalsPerMs(this.#arrivals, nowMs);
  }

  loadFraction(nowMs: number): number {
    return this.#slot?.loadFraction(nowMs) ?? 0;
  }

  /** The part of a slot's time that what arrives here needs. */
  demandFraction(nowMs: number): number {
    const rows = efficientRows(this.costs, this.#cap.maxRows);
    return (this.arrivalsPerMs(nowMs) * predictCostUs(this.costs, rows)) / (rows * 1000);
  }

  /** False when the queue is full: the caller refuses the item. */
  push(item: QueuedItem<I>): boolean {
    if (!this.#queue.push(item)) return false;
    this.#arrivedRows += item.rows;
    return true;
  }

  cancel(id: number, from: ReplySink): void {
    this.#queue.cancel(id, from);
  }

  /** Takes one part of a call back, if it waits here. */
  withdraw(id: number, part: number, from: ReplySink, nowMs: number): void {
    this.#queue.withdraw(id, part, from, nowMs);
  }

  clear(error: TuttiError): void {
    this.#queue.clear(error);
  }

  /** What is to run in a slot that is free now (D7). Ends what must not run any more (D2). */
  next(slot: FreeSlot, nowMs: number): NextBatch<I> {
    learnArrivals(this.#arrivals, this.#arrivedRows, nowMs);
    this.#arrivedRows = 0;
    this.#sweep(nowMs);
    const queue = this.#queue;
    const waitingItems = queue.length;
    if (waitingItems === 0) return EMPTY;
    this.#slot = slot;
    this.mayWait = slot.isOnlyWork;
    const decision = releaseBatch(queue.items, this, nowMs);
    if (decision.kind === "wait") {
      this.#counts.waits += 1;
      slot.decisions?.record({
        atMs: nowMs,
        name: this.name,
        kind: "wait",
        waitingItems,
        runItems: 0,
        droppedItems: 0,
        reason: undefined,
        untilMs: decision.untilMs,
      });
      return decision;
    }
    const { drop, run, reason } = decision;
    if (drop > 0) {
      queue.giveUp(drop, nowMs);
      this.#counts.givenUp += drop;
      this.#learnLoss(drop, 1);
    }
    const batch = this.#toBatch(queue.take(run), reason, nowMs);
    slot.decisions?.record({
      atMs: nowMs,
      name: this.name,
      kind: "run",
      waitingItems,
      runItems: run,
      droppedItems: drop,
      reason,
      untilMs: undefined,
    });
    return batch;
  }

  /** A batch has run. One that failed, or was run again in parts, teaches nothing about the cap. */
  learn(rows: number, runUs: number): void {
    learnCost(this.costs, rows, runUs);
  }

  /** All its runs take so many times as long as was learned. */
  scaleCosts(factor: number): void {
    scaleCosts(this.costs, factor);
  }

  learnCap(batch: Batch<I>, startedAtMs: number, runUs: number): void {
    this.#counts.runUs += runUs;
    learnCap(this.#cap, runUs, batch.promisedUs, (batch.dueAtMs - startedAtMs) * 1000);
  }

  #sweep(nowMs: number): void {
    const learns = this.#hopelessInARow >= MAX_HOPELESS_IN_A_ROW;
    const hopeless = this.#queue.sweep(learns ? undefined : this.costs, nowMs);
    this.#hopelessInARow += hopeless;
    this.#counts.hopeless += hopeless;
    this.#learnLoss(hopeless, 1);
  }

  #learnLoss(calls: number, lost: 0 | 1): void {
    this.lostFraction += Math.min(1, calls * LOSS_FORGETTING) * (lost - this.lostFraction);
  }

  #toBatch(items: QueuedItem<I>[], reason: RunReason, nowMs: number): Batch<I> {
    let rows = 0;
    let waitedMs = 0;
    let dueAtMs = Number.POSITIVE_INFINITY;
    for (const item of items) {
      rows += item.rows;
      waitedMs += nowMs - item.queuedAtMs;
      if (item.deadlineAtMs < dueAtMs) dueAtMs = item.deadlineAtMs;
    }
    this.#hopelessInARow = 0;
    this.#counts.ran(rows, reason);
    this.#counts.calls += items.length;
    this.#counts.waitedMs += waitedMs;
    this.#learnLoss(items.length, 0);
    const predictedUs = predictCostUs(this.costs, rows);
    const promisedUs = predictedUs + predictSpreadUs(this.costs, rows);
    return { kind: "run", items, rows, predictedUs, dueAtMs, promisedUs };
  }
}
