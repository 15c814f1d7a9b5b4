import { TuttiError } from "../errors/tutti-error.ts";
import type { CostTable } from "../policy/cost-table.ts";
import { soonestMs } from "../policy/release-batch.ts";
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
  /** For how long what is to run it had been at work in all when it was queued. */
  readonly busyBeforeMs: number;
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
  readonly onLost?: OnLost;
}

/**
 * Calls waiting for one replica, most urgent first: by priority, then by deadline (EDF), then by arrival.
 *
 * Holds D4 (bounded in items; by time through deadlines and `maxQueueMs`) and the executor's part of D2: an item that
 * expired, was cancelled or could not be on time any more leaves with its reply and never starts.
 */
export class BatchQueue<I> {
  readonly #limits: BatchQueueLimits;
  #items: QueuedItem<I>[] = [];
  #rows = 0;
  readonly #cancelled = new Map<ReplySink, Set<number>>();

  constructor(limits: BatchQueueLimits) {
    this.#limits = limits;
  }

  get items(): readonly QueuedItem<I>[] {
    return this.#items;
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

  /**
   * Ends what has expired, was cancelled, or has waited too long.
   *
   * @param costs of a run: what could not be on time even if it was run now, alone, is ended too. Undefined to keep it.
   * @returns how many were ended for that last reason.
   */
  sweep(costs: CostTable | undefined, nowMs: number): number {
    const { maxQueueMs } = this.#limits;
    const items = this.#items;
    const oneRowAtMs = nowMs + (costs === undefined ? 0 : soonestMs(costs, 1));
    const oldestMs = maxQueueMs === undefined ? Number.NEGATIVE_INFINITY : nowMs - maxQueueMs;
    const anyCancelled = this.#cancelled.size > 0;
    let kept = 0;
    let hopeless = 0;
    for (let at = 0; at < items.length; at++) {
      const item = items[at]!;
      let why: Why | undefined;
      if (item.deadlineAtMs <= nowMs) why = "expired";
      else if (anyCancelled && this.#cancelled.get(item.from)?.has(item.call.id) === true) {
        why = "cancelled";
      } else if (item.queuedAtMs < oldestMs) why = "refused";
      else if (
        item.deadlineAtMs < oneRowAtMs ||
        (item.rows > 1 && costs !== undefined && item.deadlineAtMs < nowMs + soonestMs(costs, item.rows))
      ) {
        why = "hopeless";
        hopeless += 1;
      }
      if (why === undefined) items[kept++] = item;
      else this.#end(item, why, nowMs);
    }
    if (kept < items.length) items.length = kept;
    if (anyCancelled) this.#cancelled.clear();
    return hopeless;
  }

  /** Ends the first `count`, so that those after them can be on time. */
  giveUp(count: number, nowMs: number): void {
    for (const item of this.#items.splice(0, count)) this.#end(item, "hopeless", nowMs);
  }

  /** The first `wanted`, which are to run, or as many of them as may run together. */
  take(wanted: number): QueuedItem<I>[] {
    const count = beforeAlone(this.#items, Math.min(wanted, this.#items.length));
    const all = count >= this.#items.length;
    const batch = all ? this.#items : this.#items.slice(0, count);
    this.#items = all ? [] : this.#items.slice(count);
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

  #end(item: QueuedItem<I>, why: Why, nowMs: number): void {
    this.#rows -= item.rows;
    this.#limits.onLost?.(item, nowMs, why === "hopeless" ? "expired" : why);
    const stats = { queueUs: (nowMs - item.queuedAtMs) * 1000, runUs: 0, batchItems: 0 };
    item.from.reply(item.call.id, { ok: false, error: this.#errorOf(item, why, nowMs) }, stats, item.part);
  }

  #errorOf(item: QueuedItem<I>, why: Why, nowMs: number): TuttiError {
    const started = "no";
    switch (why) {
      case "expired":
        return new TuttiError("DeadlineExceeded", "the deadline passed while the call waited", { started });
      case "cancelled":
        return new TuttiError("Cancelled", "the call was cancelled while it waited", { started });
      case "refused": {
        const message = `the call waited longer than ${this.#limits.maxQueueMs} ms`;
        return new TuttiError("Overloaded", message, { started });
      }
      case "hopeless": {
        const leftMs = Math.round((item.deadlineAtMs - nowMs) * 10) / 10;
        const message = `with ${leftMs} ms left, the call could not be answered in time`;
        return new TuttiError("DeadlineExceeded", message, { started });
      }
    }
  }
}

/** Why an item leaves the queue without having been run; hopeless: it could not be on time any more. */
type Why = Parameters<OnLost>[2] | "hopeless";

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
