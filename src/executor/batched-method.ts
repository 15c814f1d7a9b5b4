import type { Batched } from "../api/batched.ts";
import { runInContext } from "../api/context.ts";
import type { CancelTimer, Clock } from "../clock/clock.ts";
import { failedWhileRunning, TuttiError } from "../errors/tutti-error.ts";
import { DeadlineWatch } from "../wire/deadline-watch.ts";
import { NO_STATS } from "../wire/messages.ts";
import type { BatchingStatus } from "./batch-decisions.ts";
import { announceSuspects, type BatchQueueLimits, type OnLost, type QueuedItem } from "./batch-queue.ts";
import { type Batch, Batcher, type FreeSlot } from "./batcher.ts";
import { BusyTime } from "./busy-time.ts";
import type { ReplySink } from "./hosted-replica.ts";
import type { ServedCall } from "./served-call.ts";

/** What a batched method is given of each call: its one input, and the call it serves. */
export interface BatchedInput {
  readonly value: unknown;
  readonly served: ServedCall;
}

/** A call is given up this long after its deadline: its caller has had its answer from the other end long ago. */
export const HUNG_GRACE_MS = 250;

interface RunningBatch {
  readonly freeAtMs: number;
}

const lastDeadlineMs = (items: readonly QueuedItem<BatchedInput>[]): number =>
  items.reduce((last, { deadlineAtMs }) => Math.max(last, deadlineAtMs), 0);

/**
 * The batcher and the slots of one `batched` field of one replica; forms a batch when a slot is free (D7). With several
 * slots nothing is awaited: while one runs, who comes next has another.
 */
export class BatchedMethod implements FreeSlot {
  readonly name: string;
  readonly isOnlyWork: boolean;
  readonly decisions = undefined;
  readonly #run: (inputs: unknown[]) => Promise<unknown[]>;
  readonly #maxConcurrent: number;
  readonly #batcher: Batcher<BatchedInput>;
  readonly #clock: Clock;
  readonly #running = new Set<RunningBatch>();
  readonly #overdue: DeadlineWatch;
  readonly #onLost: OnLost | undefined;
  /** While every slot is taken. */
  readonly #full = new BusyTime();
  #cancelTimer: CancelTimer | undefined;
  #scheduled = false;

  constructor(name: string, method: Batched<unknown, unknown>, limits: BatchQueueLimits, clock: Clock) {
    this.name = name;
    this.#onLost = limits.onLost;
    this.#clock = clock;
    this.#overdue = new DeadlineWatch((nowMs) => this.#freeOverdue(nowMs), clock);
    this.#run = method;
    this.#maxConcurrent = method.batchedOptions.maxConcurrentBatches;
    this.isOnlyWork = this.#maxConcurrent === 1;
    const { maxBatchSize: maxBatchRows } = method.batchedOptions;
    this.#batcher = new Batcher(name, { ...limits, maxBatchRows }, clock.now());
  }

  /** False when the queue is full. */
  push(item: QueuedItem<BatchedInput>): boolean {
    if (!this.#batcher.push(item)) return false;
    this.#schedule();
    return true;
  }

  withdraw(id: number, part: number, from: ReplySink): void {
    this.#batcher.withdraw(id, part, from, this.#clock.now());
  }

  /** For how long all its slots were taken. */
  busyMs(nowMs: number): number {
    return this.#full.totalMs(nowMs);
  }

  get queuedItems(): number {
    return this.#batcher.length;
  }

  loadFraction(nowMs: number): number {
    return this.#batcher.demandFraction(nowMs) / this.#maxConcurrent;
  }

  status(target: number): BatchingStatus {
    return this.#batcher.status(target);
  }

  close(error: TuttiError): void {
    this.#endWait();
    this.#batcher.clear(error);
    this.#overdue.close();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // The frame that brought this call may have brought its company: they are all read before a batch is formed.
    this.#clock.onNextTurn(() => {
      this.#scheduled = false;
      this.#fillSlots();
    });
  }

  #fillSlots(): void {
    this.#endWait();
    while (this.#running.size < this.#maxConcurrent && this.#batcher.length > 0) {
      const nowMs = this.#clock.now();
      const next = this.#batcher.next(this, nowMs);
      if (next.kind === "wait") {
        this.#cancelTimer = this.#clock.after(next.untilMs - nowMs, () => this.#fillSlots());
        return;
      }
      if (next.kind === "run") {
        const items = next.items.filter((item) => !this.#endIfAborted(item));
        if (items.length > 0) void this.#runBatch(items, next);
      }
    }
  }

  #endWait(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  /** What nobody wants any more never starts. */
  #endIfAborted(item: QueuedItem<BatchedInput>): boolean {
    const { call, part, from, input } = item;
    const reason = input.served.abortReason;
    if (reason === undefined) return false;
    this.#onLost?.(item, this.#clock.now(), reason.code === "DeadlineExceeded" ? "expired" : "cancelled");
    const error = new TuttiError(reason.code, reason.message, { started: "no" });
    from.reply(call.id, { ok: false, error }, NO_STATS, part);
    return true;
  }

  async #runBatch(items: QueuedItem<BatchedInput>[], formed: Batch<BatchedInput>): Promise<void> {
    const batch: RunningBatch = { freeAtMs: lastDeadlineMs(items) + HUNG_GRACE_MS };
    this.#running.add(batch);
    this.#overdue.add(batch.freeAtMs);
    announceSuspects(items);
    const startedAtMs = this.#clock.now();
    const fullMs = this.#full.totalMs(startedAtMs);
    if (this.#running.size >= this.#maxConcurrent) this.#full.begin(startedAtMs);
    try {
      const runUs = await this.#attempt(items, fullMs);
      if (runUs !== undefined) this.#batcher.learnCap(formed, startedAtMs, runUs);
    } finally {
      if (this.#free(batch)) this.#fillSlots();
    }
  }

  /** False when its slot was free already. */
  #free(batch: RunningBatch): boolean {
    if (!this.#running.delete(batch)) return false;
    this.#full.end(this.#clock.now());
    return true;
  }

  /** A batch that does not return by the last of its deadlines holds its slot no longer. */
  #freeOverdue(nowMs: number): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const batch of this.#running) {
      if (batch.freeAtMs <= nowMs) this.#free(batch);
      else earliestMs = Math.min(earliestMs, batch.freeAtMs);
    }
    this.#fillSlots();
    return earliestMs;
  }

  /**
   * @param fullMs for how long all slots had been taken when this began.
   * @returns how long the run took, in µs; undefined when it failed, and its items have been dealt with.
   */
  async #attempt(items: QueuedItem<BatchedInput>[], fullMs: number): Promise<number | undefined> {
    const startedAtMs = this.#clock.now();
    for (const { input } of items) input.served.startedAtMs = startedAtMs;
    let results: unknown[];
    try {
      // One context for the whole batch: that of its most urgent call.
      results = await runInContext(items[0]!.input.served, () =>
        this.#run(items.map((item) => item.input.value)),
      );
      if (!Array.isArray(results) || results.length !== items.length) {
        const got = Array.isArray(results) ? `${results.length} results` : "no list";
        throw new TuttiError("BatchSizeMismatch", `${this.name}: ${got} for ${items.length} inputs`);
      }
    } catch (thrown) {
      await this.#failed(items, failedWhileRunning(thrown));
      return undefined;
    }
    const runUs = (this.#clock.now() - startedAtMs) * 1000;
    this.#batcher.learn(items.length, runUs);
    const [{ input: first }] = items as [QueuedItem<BatchedInput>];
    items.forEach(({ call, part, from, queuedAtMs, busyBeforeMs }, index) => {
      const stats = {
        queueUs: (startedAtMs - queuedAtMs) * 1000,
        runUs,
        batchItems: items.length,
        laneUs: (fullMs - busyBeforeMs) * 1000,
        // They ran in one context, that of the first: what it lacks any of them may lack.
        degraded: first.served.degraded,
      };
      from.reply(call.id, { ok: true, value: results[index] }, stats, part);
    });
    return runUs;
  }

  /** D7: each item alone once, where repeating is allowed, so that only the culprit fails. */
  async #failed(items: QueuedItem<BatchedInput>[], error: TuttiError): Promise<void> {
    const alone = items.length > 1 && error.code !== "BatchSizeMismatch";
    for (const item of items) {
      const mayRunAgain = alone && item.call.idempotent && item.deadlineAtMs > this.#clock.now();
      if (mayRunAgain) await this.#attempt([item], this.#full.totalMs(this.#clock.now()));
      else item.from.reply(item.call.id, { ok: false, error }, NO_STATS, item.part);
    }
  }
}
