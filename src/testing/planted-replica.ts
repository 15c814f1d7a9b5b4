import { TuttiError } from "../errors/tutti-error.ts";
import type { BatchingStatus } from "../executor/batch-decisions.ts";
import type { HostedReplica, ReplySink, StreamSink } from "../executor/hosted-replica.ts";
import {
  type CallOutcome,
  type CallStats,
  type CostReport,
  type IncomingCall,
  NO_STATS,
} from "../wire/messages.ts";
import type { ChunkSource, ChunkWriter } from "../wire/outgoing-streams.ts";
import type { TensorMap } from "../wire/tensor.ts";
import type { CallFate } from "./plant.ts";
import type { VirtualProcess } from "./virtual-process.ts";

/** What a planted replica asks of the world. */
export interface ReplicaWatch {
  /** Told of each call as it comes; says what it meets. */
  onCall(call: IncomingCall): CallFate;
}

/** A call that the replica has not seen yet, or never will. */
interface HeldCall {
  readonly call: IncomingCall;
  readonly part: number;
  readonly from: ReplySink;
  letGo: () => void;
}

/** A replica as it is, behind the faults that are planted before and after it. */
export class PlantedReplica implements HostedReplica {
  readonly #replica: HostedReplica;
  readonly #process: VirtualProcess;
  readonly #watch: ReplicaWatch;
  readonly #held = new Set<HeldCall>();
  /** One for each caller, so that the replica knows its callers apart and again. */
  readonly #sinks = new WeakMap<ReplySink, LateSink>();
  #isClosed = false;

  constructor(replica: HostedReplica, process: VirtualProcess, watch: ReplicaWatch) {
    this.#replica = replica;
    this.#process = process;
    this.#watch = watch;
  }

  get target(): number {
    return this.#replica.target;
  }
  get deployment(): string {
    return this.#replica.deployment;
  }
  get gracefulShutdownMs(): number {
    return this.#replica.gracefulShutdownMs;
  }
  get ongoing(): number {
    return this.#replica.ongoing + this.#held.size;
  }
  get backlogUs(): number {
    return this.#replica.backlogUs;
  }
  get longestRunUs(): number {
    return this.#replica.longestRunUs;
  }
  get queuedItems(): number {
    return this.#replica.queuedItems + this.#held.size;
  }

  cost(): CostReport | undefined {
    return this.#replica.cost();
  }

  batching(): readonly BatchingStatus[] {
    return this.#replica.batching();
  }

  checkHealth(): Promise<void> {
    return this.#replica.checkHealth();
  }

  accept(call: IncomingCall, from: StreamSink, part: number): void {
    const { queueMs, answerMs, blockMs, throws, neverResolves } = this.#watch.onCall(call);
    if (blockMs > 0) this.#process.block(blockMs);
    if (this.#isClosed || (!neverResolves && throws === undefined && queueMs + answerMs === 0)) {
      return this.#replica.accept(call, this.#sinkOf(from), part);
    }
    if (throws !== undefined && !neverResolves) {
      const error = new TuttiError("ApplicationError", throws, { started: "yes" });
      return from.reply(call.id, { ok: false, error }, NO_STATS, part);
    }
    const held: HeldCall = { call, part, from, letGo: () => {} };
    this.#held.add(held);
    if (neverResolves) {
      // Its caller gives it up by then, if there still is one; nobody else would ever take it off the books.
      held.letGo = this.#process.at(call.deadlineAtMs, () => void this.#held.delete(held));
      return;
    }
    const accept = () => {
      this.#held.delete(held);
      const sink = this.#sinkOf(from);
      sink.expect(call.id, part, { queueMs, answerMs });
      this.#replica.accept(call, sink, part);
    };
    if (queueMs === 0) accept();
    else held.letGo = this.#process.at(this.#process.now() + queueMs, accept);
  }

  cancel(id: number, from: ReplySink): void {
    for (const held of this.#held) if (held.call.id === id && held.from === from) this.#drop(held);
    this.#replica.cancel(id, this.#sinks.get(from) ?? from);
  }

  withdraw(id: number, part: number, from: ReplySink, abort: boolean): void {
    for (const held of this.#held) {
      if (held.call.id === id && held.part === part && held.from === from) return this.#drop(held);
    }
    this.#replica.withdraw(id, part, this.#sinks.get(from) ?? from, abort);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const held of this.#held) {
      this.#end(held, new TuttiError("Draining", `${this.deployment} is stopping`, { started: "no" }));
    }
    await this.#replica.close();
  }

  #drop(held: HeldCall): void {
    this.#end(held, new TuttiError("Cancelled", "the caller gave the call up", { started: "no" }));
  }

  #end(held: HeldCall, error: TuttiError): void {
    this.#held.delete(held);
    held.letGo();
    held.from.reply(held.call.id, { ok: false, error }, NO_STATS, held.part);
  }

  #sinkOf(from: StreamSink): LateSink {
    let sink = this.#sinks.get(from);
    if (sink === undefined) {
      sink = new LateSink(from, this.#process);
      this.#sinks.set(from, sink);
    }
    return sink;
  }
}

type Lateness = Pick<CallFate, "queueMs" | "answerMs">;

/** Where a replica's replies go on their way to one caller: on at once, or later where that is planted. */
class LateSink implements StreamSink {
  readonly #to: StreamSink;
  readonly #process: VirtualProcess;
  readonly #late = new Map<string, Lateness>();
  /** There only where the caller's own is: its absence has a meaning. */
  readonly begun?: (id: number, company: number) => void;

  constructor(to: StreamSink, process: VirtualProcess) {
    this.#to = to;
    this.#process = process;
    if (to.begun !== undefined) this.begun = (id, company) => to.begun?.(id, company);
  }

  expect(id: number, part: number, lateness: Lateness): void {
    this.#late.set(`${id}/${part}`, lateness);
  }

  openStream(id: number, source: ChunkSource): ChunkWriter {
    return this.#to.openStream(id, source);
  }

  reply(id: number, outcome: CallOutcome, stats: CallStats, part: number): void {
    this.#pass(id, part, stats, (told) => this.#to.reply(id, outcome, told, part));
  }

  replyRows(
    id: number,
    tensors: TensorMap,
    firstRow: number,
    rows: number,
    stats: CallStats,
    part: number,
  ): void {
    this.#pass(id, part, stats, (told) => this.#to.replyRows(id, tensors, firstRow, rows, told, part));
  }

  /** The time that a call was held is told as what it stood for: time in the replica's queue, its lane being free. */
  #pass(id: number, part: number, stats: CallStats, reply: (stats: CallStats) => void): void {
    const key = `${id}/${part}`;
    const late = this.#late.get(key);
    if (late === undefined) return reply(stats);
    this.#late.delete(key);
    const { queueUs, laneUs = queueUs } = stats;
    const told = { ...stats, queueUs: queueUs + late.queueMs * 1000, laneUs };
    if (late.answerMs === 0) reply(told);
    else this.#process.at(this.#process.now() + late.answerMs, () => reply(told));
  }
}
