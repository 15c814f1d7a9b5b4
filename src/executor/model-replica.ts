import type { Clock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallCounters } from "../observe/call-counters.ts";
import type { LaneHistory } from "../observe/lane-history.ts";
import { checkInputs } from "../onnx/check-inputs.ts";
import type { MergeMemo } from "../onnx/merge-memo.ts";
import type { ModelSession } from "../onnx/model-session.ts";
import type { CostSample } from "../onnx/warm-up.ts";
import { type CostReport, type IncomingCall, NO_STATS } from "../wire/messages.ts";
import { sliceRows } from "../wire/slice-rows.ts";
import type { Tensor, TensorMap } from "../wire/tensor.ts";
import type { BatchingStatus } from "./batch-decisions.ts";
import { announceSuspects, flushSuspects, type OnLost, type QueuedItem } from "./batch-queue.ts";
import { type Batch, Batcher, type FreeSlot, type NextBatch } from "./batcher.ts";
import type { ModelSpecToHost } from "./control-messages.ts";
import type { HostedReplica, ReplySink } from "./hosted-replica.ts";
import { type LaneArrival, LaneItem } from "./lane-item.ts";

/** Results up to this size travel to each caller's process as one whole batch; larger ones are cut for each call. */
const SHARED_RESULT_BYTES_A_ROW = 256;

export type ModelBatch = Batch<TensorMap>;

/** What a replica needs of the lane that runs it. */
export interface ReplicaLane {
  readonly clock: Clock;
  /** Of the whole process. */
  readonly counters: CallCounters;
  /** There is something to run. */
  wake(): void;
  /** For how long it has run batches in all, and what is done between them. */
  busyMs(nowMs: number): number;
  /** The same for all parts of a call that come at one moment. */
  arrivalOf(call: IncomingCall, from: ReplySink, nowMs: number): LaneArrival;
  /** Shared by all replicas of the lane, which get the same batches one after the other. */
  readonly merges: MergeMemo;
  /** Remembers what ran, and who waited for it. */
  readonly history: LaneHistory;
}

/** One ONNX model in a model executor. It queues; the lane decides when it runs. */
export class ModelReplica implements HostedReplica {
  readonly target: number;
  readonly deployment: string;
  readonly gracefulShutdownMs: number;
  readonly #session: ModelSession;
  readonly #batcher: Batcher<TensorMap>;
  readonly #lane: ReplicaLane;
  #running = 0;
  #closed = false;

  constructor(
    spec: ModelSpecToHost,
    session: ModelSession,
    warmUp: readonly CostSample[],
    lane: ReplicaLane,
  ) {
    this.target = spec.target;
    this.deployment = spec.deployment;
    this.gracefulShutdownMs = spec.gracefulShutdownMs;
    this.#session = session;
    this.#lane = lane;
    // A model without a batch axis takes one call at a time, whatever was asked.
    const maxBatchRows = session.metadata.batchAxis ? spec.maxBatchRows : 1;
    const { maxOngoing: maxItems, maxQueueMs } = spec;
    const { deployment } = this;
    const onLost: OnLost = (item, nowMs, ended) => {
      lane.counters.count("queue", ended);
      lane.history.lost(deployment, item, nowMs, ended);
    };
    const limits = { maxItems, maxQueueMs, maxBatchRows, onLost };
    this.#batcher = new Batcher(deployment, limits, lane.clock.now());
    for (const { rows, ms } of warmUp) this.#batcher.learn(rows, ms * 1000);
  }

  get ongoing(): number {
    return this.#batcher.length + this.#running;
  }

  get queuedItems(): number {
    return this.#batcher.length;
  }

  get backlogUs(): number {
    return this.#batcher.backlogUs;
  }

  /** The item by which the lane compares its replicas. */
  get head(): QueuedItem<TensorMap> | undefined {
    return this.#batcher.head;
  }

  cost(): CostReport {
    return { target: this.target, ...this.#batcher.costLine() };
  }

  get longestRunUs(): number {
    return this.#batcher.longestRunUs;
  }

  demandFraction(nowMs: number): number {
    return this.#batcher.demandFraction(nowMs);
  }

  batching(): readonly BatchingStatus[] {
    return [this.#batcher.status(this.target)];
  }

  accept(call: IncomingCall, from: ReplySink, part: number, nowMs = this.#lane.clock.now()): void {
    const refuse = (error: TuttiError) => from.reply(call.id, { ok: false, error }, NO_STATS, part);
    if (this.#closed)
      return refuse(new TuttiError("Draining", `${this.deployment} is stopping`, { started: "no" }));
    if (call.method !== "predict") {
      const message = `${this.deployment} has no method ${call.method}; a model has predict(inputs)`;
      return refuse(new TuttiError("NotFound", message, { started: "no" }));
    }
    if (call.deadlineAtMs <= nowMs) {
      this.#lane.counters.count("door", "expired");
      return refuse(new TuttiError("DeadlineExceeded", "the deadline passed on the way", { started: "no" }));
    }
    try {
      // What is given was decoded from bytes: `checkInputs` is what makes the type true.
      const given = call.args[0] as Tensor | TensorMap;
      const { inputs, rows } = checkInputs(this.#session.metadata, given, this.#lane.merges);
      const arrival = this.#lane.arrivalOf(call, from, nowMs);
      if (!this.#batcher.push(new LaneItem(arrival, part, inputs, rows))) {
        this.#lane.counters.count("door", "refused");
        const message = `${this.deployment} has ${this.#batcher.length} calls waiting, as many as it may`;
        return refuse(new TuttiError("Overloaded", message, { started: "no", retryAfterSeconds: 1 }));
      }
    } catch (thrown) {
      return refuse(TuttiError.from(thrown));
    }
    this.#lane.wake();
  }

  cancel(id: number, from: ReplySink): void {
    this.#batcher.cancel(id, from);
  }

  withdraw(id: number, part: number, from: ReplySink): void {
    this.#batcher.withdraw(id, part, from, this.#lane.clock.now());
  }

  async checkHealth(): Promise<void> {}

  /** What is to run now that the lane is free. */
  nextBatch(slot: FreeSlot, nowMs: number): NextBatch<TensorMap> {
    return this.#batcher.next(slot, nowMs);
  }

  /**
   * Resolves when its replies are made. Never rejects.
   * @returns how long the run took, in µs; undefined when it failed.
   */
  async runBatch(batch: ModelBatch): Promise<number | undefined> {
    const { items } = batch;
    const { clock, history } = this.#lane;
    const startedAtMs = clock.now();
    for (const item of items) history.started(this.deployment, item, startedAtMs);
    this.#running = items.length;
    announceSuspects(items);
    try {
      const runUs = await this.#run(items);
      this.#batcher.learnCap(batch, startedAtMs, runUs);
      return runUs;
    } catch (thrown) {
      await this.#failed(items, TuttiError.from(thrown));
      return undefined;
    } finally {
      flushSuspects(items);
      this.#running = 0;
      history.ran(this.deployment, items.length, startedAtMs, clock.now());
    }
  }

  /** The lane was found to take so many times as long for all it runs. */
  scaleCosts(factor: number): void {
    this.#batcher.scaleCosts(factor);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#batcher.clear(new TuttiError("Draining", `${this.deployment} is stopping`, { started: "no" }));
    await this.#session.close();
  }

  /** @returns how long the run took, in µs. */
  async #run(items: readonly QueuedItem<TensorMap>[]): Promise<number> {
    const startedAtMs = this.#lane.clock.now();
    const busyMs = this.#lane.busyMs(startedAtMs);
    const { metadata } = this.#session;
    const inputs = items.map((item) => item.input);
    const outputs = await this.#session.run(this.#lane.merges.merge(metadata, inputs));
    let rows = 0;
    for (const item of items) rows += item.rows;
    const rowBytes = metadata.batchAxis
      ? checkRows(outputs, rows, this.deployment)
      : Number.POSITIVE_INFINITY;
    const runUs = (this.#lane.clock.now() - startedAtMs) * 1000;
    this.#batcher.learn(rows, runUs);
    let firstRow = 0;
    // Whole numbers: V8 keeps those in the object itself, and every other in one of its own.
    const ranUs = Math.round(runUs);
    for (const { call, part, from, rows: itemRows, queuedAtMs, busyBeforeMs } of items) {
      const stats = {
        queueUs: Math.round((startedAtMs - queuedAtMs) * 1000),
        runUs: ranUs,
        batchItems: items.length,
        laneUs: Math.round((busyMs - busyBeforeMs) * 1000),
      };
      if (rowBytes <= SHARED_RESULT_BYTES_A_ROW) {
        from.replyRows(call.id, outputs, firstRow, itemRows, stats, part);
      } else {
        const value = items.length === 1 ? outputs : sliceRows(outputs, firstRow, itemRows);
        from.reply(call.id, { ok: true, value }, stats, part);
      }
      firstRow += itemRows;
    }
    return runUs;
  }

  /** D7: of a batch that failed, the items are run alone once, so that only the culprit fails. */
  async #failed(items: readonly QueuedItem<TensorMap>[], error: TuttiError): Promise<void> {
    if (items.length > 1 && error.code !== "BatchSizeMismatch") {
      for (const item of items) {
        try {
          if (!item.call.idempotent) throw error;
          if (item.deadlineAtMs <= this.#lane.clock.now()) {
            this.#lane.counters.count("run", "expired");
            throw expiredInBatch();
          }
          await this.#run([item]);
        } catch (thrown) {
          await this.#failed([item], TuttiError.from(thrown));
        }
      }
      return;
    }
    for (const { from, call, part } of items) from.reply(call.id, { ok: false, error }, NO_STATS, part);
  }
}

/** D2: the deadline bounds the second attempt too. */
const expiredInBatch = () => new TuttiError("DeadlineExceeded", "the deadline passed while its batch failed");

/** @returns bytes of one row, over all outputs. */
function checkRows(outputs: TensorMap, rows: number, deployment: string): number {
  let bytes = 0;
  for (const name in outputs) {
    const { dims, data } = outputs[name]!;
    if (dims[0] !== rows) {
      throw new TuttiError(
        "BatchSizeMismatch",
        `${deployment}: output ${name} has ${dims[0] ?? "no"} rows for a batch of ${rows}`,
      );
    }
    bytes += Array.isArray(data) ? Number.POSITIVE_INFINITY : (data as Float32Array).byteLength / rows;
  }
  return bytes;
}
