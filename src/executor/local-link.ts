import { type Clock, systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { CallCounters } from "../observe/call-counters.ts";
import type { StreamCredit } from "../policy/stream-credit.ts";
import type { Link } from "../router/lane.ts";
import { DeadlineWatch } from "../wire/deadline-watch.ts";
import {
  type CallOutcome,
  type CallStats,
  type IncomingCall,
  NO_STATS,
  type Withdrawal,
} from "../wire/messages.ts";
import type { ChunkSource, ChunkWriter } from "../wire/outgoing-streams.ts";
import {
  type CallRequest,
  type FanoutRequest,
  type Outstanding,
  OutstandingCall,
  OutstandingFanout,
  type RequestFields,
} from "../wire/outstanding.ts";
import { OutstandingStream, type StreamRequest } from "../wire/outstanding-stream.ts";
import { sliceRows } from "../wire/slice-rows.ts";
import { SlotTable } from "../wire/slot-table.ts";
import type { TensorMap } from "../wire/tensor.ts";
import type { HostedReplica, StreamSink } from "./hosted-replica.ts";
import { LocalStream } from "./local-stream.ts";

/**
 * Calls that stay in their executor: no frame, no copy; arguments and results are passed as they are. Ends every call
 * exactly once and by its deadline, as a peer does (D1, D2).
 */
export class LocalLink implements Link, StreamSink {
  readonly #replicaOf: (target: number) => HostedReplica | undefined;
  readonly #outstanding = new SlotTable<Outstanding>();
  readonly #streams = new Map<number, LocalStream>();
  readonly #deadlines: DeadlineWatch;
  readonly #counters: CallCounters;

  /** @param counters of the whole process. */
  constructor(
    replicaOf: (target: number) => HostedReplica | undefined,
    clock: Clock = systemClock,
    counters: CallCounters = new CallCounters(),
  ) {
    this.#replicaOf = replicaOf;
    this.#counters = counters;
    this.#deadlines = new DeadlineWatch((nowMs) => this.#expire(nowMs), clock);
  }

  call(request: CallRequest): number {
    return this.#begin(new OutstandingCall(request));
  }

  callMany(request: FanoutRequest): number {
    return this.#begin(new OutstandingFanout(request));
  }

  callStream(request: StreamRequest): number {
    return this.#begin(new OutstandingStream(request));
  }

  /** As a peer's, so that a reader that stops stops the generator here too (S1). */
  grant(id: number, credit: StreamCredit): void {
    const call = this.#outstanding.get(id);
    if (call instanceof OutstandingStream && call.grant(credit)) this.#streams.get(id)?.grant(credit);
  }

  openStream(id: number, source: ChunkSource): ChunkWriter {
    const stream = new LocalStream(source, {
      write: (value, bytes) => {
        const call = this.#outstanding.get(id);
        if (call instanceof OutstandingStream) call.receive(value, bytes);
      },
      end: () => void this.#streams.delete(id),
    });
    this.#streams.set(id, stream);
    return stream;
  }

  cancel(id: number): void {
    this.#abandon(
      id,
      new TuttiError("Cancelled", "the call was cancelled by its caller", { started: "maybe" }),
    );
  }

  withdraw({ id, target, part, abort }: Withdrawal): void {
    // After the call's own start, which waits for the end of its caller's turn.
    queueMicrotask(() => {
      if (this.#outstanding.get(id) !== undefined) this.#replicaOf(target)?.withdraw(id, part, this, abort);
    });
  }

  /** This process need not ask itself whether it is alive. */
  askForLoad(): void {}

  forEachRequest(visit: (request: RequestFields) => void): void {
    this.#outstanding.forEach((_, { request }) => {
      visit(request);
    });
  }

  reply(id: number, outcome: CallOutcome, stats: CallStats, part = 0): void {
    const call = this.#outstanding.get(id);
    if (call === undefined) {
      if (outcome.ok) this.#counters.count("run", "wasted");
    } else if (call.end(part, outcome, stats)) this.#outstanding.delete(id);
  }

  replyRows(
    id: number,
    tensors: TensorMap,
    firstRow: number,
    rows: number,
    stats: CallStats,
    part = 0,
  ): void {
    this.reply(id, { ok: true, value: sliceRows(tensors, firstRow, rows) }, stats, part);
  }

  close(): void {
    this.#deadlines.close();
  }

  #begin(call: Outstanding): number {
    if (this.#outstanding.isFull) {
      const error = new TuttiError("Overloaded", "too many calls within this executor are outstanding", {
        started: "no",
      });
      this.#counters.count("router", "refused", call.targets?.length ?? 1);
      queueMicrotask(() => call.fail(error));
      return 0;
    }
    const id = this.#outstanding.add(call);
    this.#deadlines.add(call.request.deadlineAtMs);
    // After the caller's own turn: a reply must not come before the call has returned.
    queueMicrotask(() => this.#start(id, call));
    return id;
  }

  #start(id: number, started: Outstanding): void {
    if (this.#outstanding.get(id) === undefined) return;
    started.isSent = true;
    const { request, target, targets, takesStream } = started;
    // A request's fields may be accessors of a class: spreading it would lose them.
    const { method, args, requestId, deadlineAtMs, priority, idempotent, lean } = request;
    const call: IncomingCall = {
      id,
      target,
      targets,
      method,
      args,
      requestId,
      deadlineAtMs,
      priority,
      idempotent,
      lean,
      takesStream,
    };
    if (targets === undefined) this.#accept(call, target, 0);
    else for (let part = 0; part < targets.length; part++) this.#accept(call, targets[part]!, part);
  }

  #accept(call: IncomingCall, target: number, part: number): void {
    const replica = this.#replicaOf(target);
    if (replica !== undefined) return replica.accept(call, this, part);
    const error = new TuttiError("Unavailable", `replica ${target} is not here any more`, { started: "no" });
    this.reply(call.id, { ok: false, error }, NO_STATS, part);
  }

  #abandon(id: number, error: TuttiError): void {
    const call = this.#outstanding.get(id);
    if (call === undefined) return;
    this.#outstanding.delete(id);
    if (!call.isSent) {
      const ending = error.code === "Cancelled" ? "cancelled" : "expired";
      this.#counters.count("router", ending, call.targets?.length ?? 1);
    }
    for (const target of call.targets ?? [call.target]) this.#replicaOf(target)?.cancel(id, this);
    call.fail(error);
  }

  #expire(nowMs: number): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    this.#outstanding.forEach((id, { request: { deadlineAtMs } }) => {
      if (deadlineAtMs <= nowMs) {
        const message = "the deadline passed before the reply";
        this.#abandon(id, new TuttiError("DeadlineExceeded", message, { started: "maybe" }));
      } else earliestMs = Math.min(earliestMs, deadlineAtMs);
    });
    return earliestMs;
  }
}
