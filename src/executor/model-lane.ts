import { type CancelTimer, type Clock, systemClock } from "../clock/clock.ts";
import { CallCounters } from "../observe/call-counters.ts";
import { LaneHistory } from "../observe/lane-history.ts";
import { MergeMemo } from "../onnx/merge-memo.ts";
import { type BusyFraction, idleSince, learnBusy } from "../policy/busy-fraction.ts";
import { learnPace, steadyPace } from "../policy/lane-pace.ts";
import type { IncomingCall } from "../wire/messages.ts";
import type { DecisionLog } from "./batch-decisions.ts";
import { isBefore, type QueuedItem } from "./batch-queue.ts";
import type { FreeSlot } from "./batcher.ts";
import { BusyTime } from "./busy-time.ts";
import type { ReplySink } from "./hosted-replica.ts";
import type { LaneArrival } from "./lane-item.ts";
import type { ModelBatch, ModelReplica, ReplicaLane } from "./model-replica.ts";

export interface ModelLaneOptions {
  /** Default the system's. */
  readonly clock?: Clock;
  /** Of the whole process. Default new ones. */
  readonly counters?: CallCounters;
  /** Written to for each batch and wait. Default none. */
  readonly decisions?: DecisionLog;
}

/** When the lane has changed its speed, callers are told what all its models cost for so long. */
const NEWS_MS = 100;

/**
 * The one compute lane of a model executor: ONNX Runtime's Node binding runs a model on the calling thread, so one
 * batch runs at a time. After each, the next is of the replica whose head is most urgent over all that are hosted, so
 * that a slow model cannot hold up a quick one beyond one batch. Between two batches the event loop turns once: calls
 * that arrived meanwhile are read and can be part of the next.
 *
 * A replica may let its calls wait for company only while no other has any: the lane is never idle beside work that
 * could run. There is at most one timer, for the end of such a wait.
 */
export class ModelLane implements ReplicaLane, FreeSlot {
  readonly merges = new MergeMemo();
  readonly history = new LaneHistory();
  readonly clock: Clock;
  readonly counters: CallCounters;
  readonly decisions: DecisionLog | undefined;
  isOnlyWork = false;
  readonly #replicas = new Set<ModelReplica>();
  #running: { readonly untilMs: number } | undefined;
  #chosen: ModelReplica | undefined;
  #isAwake = false;
  #cancelTimer: CancelTimer | undefined;
  #lastRan: ModelReplica[] = [];
  #arrival: LaneArrival | undefined;
  readonly #pace = steadyPace();
  #allAreNewsUntilMs = 0;
  readonly #busy: BusyFraction;
  readonly #awake = new BusyTime();

  constructor({ clock = systemClock, counters = new CallCounters(), decisions }: ModelLaneOptions = {}) {
    this.clock = clock;
    this.counters = counters;
    this.decisions = decisions;
    this.#busy = idleSince(clock.now());
  }

  add(replica: ModelReplica): void {
    this.#replicas.add(replica);
  }

  /** Forgets the replica with this number, if it is one of the lane's. */
  remove(target: number): void {
    for (const replica of this.#replicas) if (replica.target === target) this.#replicas.delete(replica);
    this.#lastRan = this.#lastRan.filter((ran) => ran.target !== target);
    // If it was the one that waited, nobody does now.
    this.#endWait();
  }

  /** Predicted µs until everything queued and running is done. */
  get backlogUs(): number {
    let us = this.#running === undefined ? 0 : Math.max(0, this.#running.untilMs - this.clock.now()) * 1000;
    for (const replica of this.#replicas) us += replica.backlogUs;
    return us;
  }

  /** Share of the last moments in which it ran batches. */
  get busyFraction(): number {
    return learnBusy(this.#busy, 0, this.clock.now());
  }

  busyMs(nowMs: number): number {
    return this.#awake.totalMs(nowMs);
  }

  arrivalOf(call: IncomingCall, from: ReplySink, nowMs: number): LaneArrival {
    const last = this.#arrival;
    if (last?.call === call && last.from === from && last.queuedAtMs === nowMs) return last;
    this.#arrival = { call, from, queuedAtMs: nowMs, busyBeforeMs: this.busyMs(nowMs) };
    return this.#arrival;
  }

  get isRunning(): boolean {
    return this.#isAwake;
  }

  /** The replicas whose cost is news to those who get replies now. */
  get lastRan(): readonly ModelReplica[] {
    return this.clock.now() < this.#allAreNewsUntilMs ? [...this.#replicas] : this.#lastRan;
  }

  loadFraction(nowMs: number): number {
    let sum = 0;
    for (const replica of this.#replicas) sum += replica.demandFraction(nowMs);
    return sum;
  }

  wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    this.#awake.begin(this.clock.now());
    // Not at once: the frame that brings the first call brings others, and so may the next connection's. All that
    // this turn of the event loop reads is there when the first batch is formed.
    this.clock.onNextTurn(() => void this.#run());
  }

  async #run(): Promise<void> {
    this.#endWait();
    for (let batch = this.#next(); batch !== undefined; batch = this.#next()) {
      const replica = this.#chosen!;
      const startedAtMs = this.clock.now();
      this.#running = { untilMs: startedAtMs + batch.predictedUs / 1000 };
      learnBusy(this.#busy, 0, startedAtMs);
      const runUs = await replica.runBatch(batch);
      const endedAtMs = this.clock.now();
      if (runUs !== undefined) this.#learnPace(replica, runUs, batch.predictedUs, endedAtMs);
      learnBusy(this.#busy, endedAtMs - startedAtMs, endedAtMs);
      if (this.#lastRan[0] !== replica)
        this.#lastRan = [replica, ...this.#lastRan.filter((ran) => ran !== replica)].slice(0, 4);
    }
    this.#running = undefined;
    this.#isAwake = false;
    this.#awake.end(this.clock.now());
    this.merges.clear();
    this.#arrival = undefined;
  }

  /**
   * The next batch, of the replica that is then the chosen one; undefined when nothing is to run now. Ends, on the way,
   * what could not be on time any more.
   */
  #next(): ModelBatch | undefined {
    for (;;) {
      let replica: ModelReplica | undefined;
      let mostUrgent: QueuedItem<unknown> | undefined;
      let withWork = 0;
      for (const candidate of this.#replicas) {
        const { head } = candidate;
        if (head === undefined) continue;
        withWork += 1;
        if (mostUrgent !== undefined && !isBefore(head, mostUrgent)) continue;
        replica = candidate;
        mostUrgent = head;
      }
      this.#chosen = replica;
      if (replica === undefined) return undefined;
      this.isOnlyWork = withWork === 1;
      const nowMs = this.clock.now();
      const next = replica.nextBatch(this, nowMs);
      if (next.kind === "run") return next;
      if (next.kind === "wait") {
        this.#cancelTimer = this.clock.after(next.untilMs - nowMs, () => {
          this.#cancelTimer = undefined;
          this.wake();
        });
        return undefined;
      }
    }
  }

  #learnPace(replica: ModelReplica, runUs: number, predictedUs: number, nowMs: number): void {
    const factor = learnPace(this.#pace, replica.target, runUs, predictedUs);
    if (factor === undefined) return;
    for (const one of this.#replicas) one.scaleCosts(factor);
    this.#allAreNewsUntilMs = nowMs + NEWS_MS;
  }

  #endWait(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
