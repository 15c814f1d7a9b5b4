import { TuttiError } from "../errors/tutti-error.ts";
import { formBatch } from "../policy/form-batch.ts";
import { Suspicion } from "../policy/suspicion.ts";
import { type IncomingCall, NO_STATS } from "../wire/messages.ts";
import type { ReplySink } from "./hosted-replica.ts";

/** A call that waits for its batch. `I` is what the batch is made of: tensors by name, or any one input. */
export interface QueuedItem<I> {
  readonly call: IncomingCall;
  readonly part: number;
  readonly from: ReplySink;
  readonly input: I;
  readonly rows: number;
  readonly deadlineAtMs: number;
  readonly queuedAtMs: number;
}

/** An item leaves the queue without having been run: its time was up, its caller gave it up, or it waited too long. */
export type OnLost = (
  item: QueuedItem<unknown>,
  nowMs: number,
  ended: "expired" | "cancelled" | "refused",
) => void;

export interface BatchQueueLimits {
  readonly maxItems: number;
  readonly maxQueueMs: number | undefined;
  readonly maxBatchRows: number;
  readonly onLost?: OnLost;
}

/**
 * Calls waiting for one replica, most urgent first: by priority, then by deadline (EDF), then by arrival.
 *
 * Holds D4 (bounded in items; by time through deadlines and `maxQueueMs`) and the executor's part of D2: an item that
 * expired or was cancelled leaves with its reply and never starts.
 */
export class BatchQueue<I> {
  readonly #limits: BatchQueueLimits;
  #items: QueuedItem<I>[] = [];
  #rows = 0;
  readonly #cancelled = new Map<ReplySink, Set<number>>();

  constructor(limits: BatchQueueLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#items.length;
  }

  get rows(): number {
    return this.#rows;
  }

  get head(): QueuedItem<I> | undefined {
    return this.#items[0];
  }

  /** False when the queue is full: the caller refuses the item. */
  push(item: QueuedItem<I>): boolean {
    if (this.#items.length >= this.#limits.maxItems) return false;
    let at = this.#items.length;
    // Deadlines come nearly in order, so the place is nearly always the end.
    while (at > 0 && isBefore(item, this.#items[at - 1]!)) at -= 1;
    if (at === this.#items.length) this.#items.push(item);
    else this.#items.splice(at, 0, item);
    this.#rows += item.rows;
    return true;
  }

  /** Looked up only when a batch is formed; most cancellations are of calls that have ended meanwhile. */
  cancel(id: number, from: ReplySink): void {
    if (this.#items.length === 0) return;
    const ids = this.#cancelled.get(from);
    if (ids === undefined) this.#cancelled.set(from, new Set([id]));
    else ids.add(id);
  }

  /** Takes one part of a call back, if it waits here, and replies so at once; false when it does not. */
  withdraw(id: number, part: number, from: ReplySink, nowMs: number): boolean {
    const at = this.#items.findIndex(
      (item) => item.call.id === id && item.part === part && item.from === from,
    );
    const [item] = at < 0 ? [] : this.#items.splice(at, 1);
    if (item === undefined) return false;
    this.#rows -= item.rows;
    const error = new TuttiError("Cancelled", "the call was withdrawn while it waited", { started: "no" });
    const queueUs = (nowMs - item.queuedAtMs) * 1000;
    from.reply(id, { ok: false, error }, { queueUs, runUs: 0, batchItems: 0 }, part);
    return true;
  }

  /** The batch to run now (D7), without what has expired or been cancelled; empty when nothing is left to run. */
  take(predictUs: (rows: number) => number, nowMs: number): QueuedItem<I>[] {
    this.#dropDead(nowMs);
    const count = beforeAlone(this.#items, formBatch(this.#items, this.#limits, predictUs, nowMs));
    const batch = count === this.#items.length ? this.#items : this.#items.slice(0, count);
    this.#items = count === this.#items.length ? [] : this.#items.slice(count);
    for (const item of batch) this.#rows -= item.rows;
    return batch;
  }

  /** Ends everything that waits. */
  clear(error: TuttiError): void {
    const items = this.#items;
    this.#items = [];
    this.#rows = 0;
    this.#cancelled.clear();
    for (const { from, call, part } of items) from.reply(call.id, { ok: false, error }, NO_STATS, part);
  }

  #dropDead(nowMs: number): void {
    const { maxQueueMs } = this.#limits;
    const dead = (item: QueuedItem<I>) =>
      item.deadlineAtMs <= nowMs ||
      this.#isCancelled(item) ||
      (maxQueueMs !== undefined && nowMs - item.queuedAtMs > maxQueueMs);
    if (this.#items.some(dead)) {
      const alive: QueuedItem<I>[] = [];
      for (const item of this.#items) {
        if (dead(item)) this.#drop(item, nowMs);
        else alive.push(item);
      }
      this.#items = alive;
    }
    if (this.#cancelled.size > 0) this.#cancelled.clear();
  }

  #isCancelled(item: QueuedItem<I>): boolean {
    return this.#cancelled.size > 0 && this.#cancelled.get(item.from)?.has(item.call.id) === true;
  }

  #drop(item: QueuedItem<I>, nowMs: number): void {
    this.#rows -= item.rows;
    const queueUs = (nowMs - item.queuedAtMs) * 1000;
    let error: TuttiError;
    let ended: Parameters<OnLost>[2];
    if (item.deadlineAtMs <= nowMs) {
      error = new TuttiError("DeadlineExceeded", "the deadline passed while the call waited", {
        started: "no",
      });
      ended = "expired";
    } else if (this.#isCancelled(item)) {
      error = new TuttiError("Cancelled", "the call was cancelled while it waited", { started: "no" });
      ended = "cancelled";
    } else {
      error = new TuttiError("Overloaded", `the call waited longer than ${this.#limits.maxQueueMs} ms`, {
        started: "no",
      });
      ended = "refused";
    }
    this.#limits.onLost?.(item, nowMs, ended);
    item.from.reply(item.call.id, { ok: false, error }, { queueUs, runUs: 0, batchItems: 0 }, item.part);
  }
}

/** An item that must run alone is a batch of its own (D10). */
function beforeAlone(items: readonly QueuedItem<unknown>[], count: number): number {
  for (let i = 0; i < count; i++) if (items[i]!.call.suspicion === Suspicion.alone) return Math.max(1, i);
  return count;
}

/** Says of the suspects in a batch that they are begun (D10); nothing in nearly every batch. */
export function announceSuspects(batch: readonly QueuedItem<unknown>[]): void {
  for (const { call, from } of batch) {
    if (call.suspicion !== undefined && call.suspicion !== Suspicion.none)
      from.begun?.(call.id, batch.length - 1);
  }
}

/**
 * Sends the replies to suspects: one that has ended must not be taken for running when what is begun next ends the
 * process (D10).
 */
export function flushSuspects(batch: readonly QueuedItem<unknown>[]): void {
  for (const { call, from } of batch) {
    if (call.suspicion !== undefined && call.suspicion !== Suspicion.none) from.flush?.();
  }
}

export function isBefore(a: QueuedItem<unknown>, b: QueuedItem<unknown>): boolean {
  const difference = a.call.priority - b.call.priority;
  return difference < 0 || (difference === 0 && a.deadlineAtMs < b.deadlineAtMs);
}
