import { type Clock, systemClock } from "../clock/clock.ts";
import { CallCounters } from "../observe/call-counters.ts";
import { LaneHistory } from "../observe/lane-history.ts";
import { MergeMemo } from "../onnx/merge-memo.ts";
import { type BusyFraction, idleSince, learnBusy } from "../policy/busy-fraction.ts";
import { isBefore } from "./batch-queue.ts";
import type { ModelReplica, ReplicaLane } from "./model-replica.ts";

/**
 * The one compute lane of a model executor: ONNX Runtime's Node binding runs a model on the calling thread, so one
 * batch runs at a time. After each, the next is the one whose head is most urgent over all hosted replicas, so that a
 * slow model cannot hold up a quick one beyond one batch. Between two batches the event loop turns once: calls that
 * arrived meanwhile are read and can be part of the next.
 */
export class ModelLane implements ReplicaLane {
  readonly merges = new MergeMemo();
  readonly history = new LaneHistory();
  readonly clock: Clock;
  readonly counters: CallCounters;
  readonly #replicas = new Set<ModelReplica>();
  #running: { readonly replica: ModelReplica; readonly untilMs: number } | undefined;
  #isAwake = false;
  #lastRan: ModelReplica[] = [];
  readonly #busy: BusyFraction;

  constructor(clock: Clock = systemClock, counters = new CallCounters()) {
    this.clock = clock;
    this.counters = counters;
    this.#busy = idleSince(clock.now());
  }

  add(replica: ModelReplica): void {
    this.#replicas.add(replica);
  }

  /** Forgets the replica with this number, if it is one of the lane's. */
  remove(target: number): void {
    for (const replica of this.#replicas) if (replica.target === target) this.#replicas.delete(replica);
    this.#lastRan = this.#lastRan.filter((ran) => ran.target !== target);
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

  get isRunning(): boolean {
    return this.#isAwake;
  }

  /** The replicas whose cost is news to those who get replies now. */
  get lastRan(): readonly ModelReplica[] {
    return this.#lastRan;
  }

  wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    // Not at once: the frame that brings the first call brings others, and so may the next connection's. All that
    // this turn of the event loop reads is there when the first batch is formed.
    this.clock.onNextTurn(() => void this.#run());
  }

  async #run(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const predictedMs = next.predictUs(next.queuedItems) / 1000;
      const startedAtMs = this.clock.now();
      this.#running = { replica: next, untilMs: startedAtMs + predictedMs };
      learnBusy(this.#busy, 0, startedAtMs);
      await next.runBatch();
      const endedAtMs = this.clock.now();
      learnBusy(this.#busy, endedAtMs - startedAtMs, endedAtMs);
      if (this.#lastRan[0] !== next)
        this.#lastRan = [next, ...this.#lastRan.filter((ran) => ran !== next)].slice(0, 4);
    }
    this.#running = undefined;
    this.#isAwake = false;
    this.merges.clear();
  }

  #next(): ModelReplica | undefined {
    let best: ModelReplica | undefined;
    for (const replica of this.#replicas) {
      const { head } = replica;
      if (head === undefined) continue;
      if (best === undefined || isBefore(head, best.head!)) best = replica;
    }
    return best;
  }
}
