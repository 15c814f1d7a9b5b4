import { TuttiError } from "../errors/tutti-error.ts";
import type { Link } from "../router/lane.ts";
import { DeadlineWatch } from "../wire/deadline-watch.ts";
import { type CallOutcome, type CallStats, NO_STATS } from "../wire/messages.ts";
import type { CallRequest } from "../wire/peer.ts";
import { sliceRows } from "../wire/slice-rows.ts";
import type { TensorMap } from "../wire/tensor.ts";
import type { HostedReplica, ReplySink } from "./hosted-replica.ts";

/**
 * Calls that stay in their executor: no frame, no copy; arguments and results are passed as they are. Ends every call
 * exactly once and by its deadline, as a peer does (D1, D2).
 */
export class LocalLink implements Link, ReplySink {
  readonly #replicaOf: (target: number) => HostedReplica | undefined;
  readonly #outstanding = new Map<number, CallRequest>();
  readonly #deadlines = new DeadlineWatch((nowMs) => this.#expire(nowMs));
  #nextId = 1;

  constructor(replicaOf: (target: number) => HostedReplica | undefined) {
    this.#replicaOf = replicaOf;
  }

  call(request: CallRequest): number {
    const id = this.#nextId++;
    this.#outstanding.set(id, request);
    this.#deadlines.add(request.deadlineAtMs);
    // After the caller's own turn: a reply must not come before the call has returned.
    queueMicrotask(() => this.#start(id, request));
    return id;
  }

  cancel(id: number): void {
    this.#abandon(
      id,
      new TuttiError("Cancelled", "the call was cancelled by its caller", { started: "maybe" }),
    );
  }

  reply(id: number, outcome: CallOutcome, stats: CallStats): void {
    const request = this.#outstanding.get(id);
    if (request === undefined) return;
    this.#outstanding.delete(id);
    request.onEnd(outcome, stats);
  }

  replyRows(id: number, tensors: TensorMap, firstRow: number, rows: number, stats: CallStats): void {
    this.reply(id, { ok: true, value: sliceRows(tensors, firstRow, rows) }, stats);
  }

  close(): void {
    this.#deadlines.close();
  }

  #start(id: number, request: CallRequest): void {
    if (!this.#outstanding.has(id)) return;
    const replica = this.#replicaOf(request.target);
    if (replica !== undefined) return replica.accept({ ...callFields(request), id }, this);
    const error = new TuttiError("Unavailable", `replica ${request.target} is not here any more`, {
      started: "no",
    });
    this.reply(id, { ok: false, error }, NO_STATS);
  }

  #abandon(id: number, error: TuttiError): void {
    const request = this.#outstanding.get(id);
    if (request === undefined) return;
    this.#replicaOf(request.target)?.cancel(id, this);
    this.reply(id, { ok: false, error }, NO_STATS);
  }

  #expire(nowMs: number): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const [id, { deadlineAtMs }] of this.#outstanding) {
      if (deadlineAtMs <= nowMs) {
        this.#abandon(
          id,
          new TuttiError("DeadlineExceeded", "the deadline passed before the reply", { started: "maybe" }),
        );
      } else earliestMs = Math.min(earliestMs, deadlineAtMs);
    }
    return earliestMs;
  }
}

/** A request's fields may be accessors of a class: spreading it would lose them. */
function callFields(request: CallRequest) {
  const { target, method, args, requestId, deadlineAtMs, priority, idempotent } = request;
  return { target, method, args, requestId, deadlineAtMs, priority, idempotent };
}
