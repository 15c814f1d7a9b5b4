import type { PendingCall } from "../api/call-port.ts";
import type { TracedContext } from "../api/context.ts";
import type { CancelTimer, Clock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallGroup } from "../observe/call-group.ts";
import type { EndedCall } from "../observe/call-recorder.ts";
import type { NamedStage } from "../observe/recorded-call.ts";
import type { IncomingCall } from "../wire/messages.ts";

/** More calls than this of one request are not remembered. */
const MAX_GROUPS = 32;
const MAX_STAGES = 32;

export interface ServedBy {
  readonly replica: string;
  readonly application: string;
  readonly applicationVersion: string;
}

/** The context of one call in a code executor. Its signal is made only when somebody asks for it. */
export class ServedCall implements TracedContext, EndedCall {
  readonly requestId: string;
  readonly deadlineAtMs: number;
  readonly priority: number;
  readonly lean: boolean;
  readonly stages: (readonly [name: string, ms: number])[] = [];
  /** The same, with when they were: on the process's clock. */
  readonly namedStages: NamedStage[] = [];
  /** The calls it made, for explanation. */
  readonly groups: CallGroup[] = [];
  degraded = false;
  /** When its work began: for an input of a batched method, when its batch did. */
  startedAtMs: number;
  #waitedMs = 0;
  readonly #servedBy: ServedBy;
  #controller: AbortController | undefined;
  #abortReason: TuttiError | undefined;
  readonly #clock: Clock;
  #cancelTimer: CancelTimer | undefined;
  /** Calls of its own that are out; nearly always one at a time. */
  #adopted: PendingCall[] = [];

  constructor(call: IncomingCall, servedBy: ServedBy, clock: Clock) {
    this.requestId = call.requestId;
    this.deadlineAtMs = call.deadlineAtMs;
    this.priority = call.priority;
    this.lean = call.lean;
    this.#clock = clock;
    this.startedAtMs = clock.now();
    this.#servedBy = servedBy;
  }

  get replica(): string {
    return this.#servedBy.replica;
  }
  get application(): string {
    return this.#servedBy.application;
  }
  get applicationVersion(): string {
    return this.#servedBy.applicationVersion;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
      else if (Number.isFinite(this.deadlineAtMs)) {
        this.#cancelTimer = this.#clock.afterInBackground(this.deadlineAtMs - this.#clock.now(), () =>
          this.abort(new TuttiError("DeadlineExceeded", "the deadline passed")),
        );
      }
    }
    return this.#controller.signal;
  }

  recordStage(name: string, ms: number): void {
    if (this.stages.length >= MAX_STAGES) return;
    this.stages.push([name, ms]);
    const endMs = this.#clock.now();
    this.namedStages.push({ name, startMs: endMs - ms, endMs });
  }

  noteCalls(group: CallGroup): void {
    this.#waitedMs += longestWaitMs(group);
    if (this.groups.length < MAX_GROUPS) this.groups.push(group);
  }

  adopt(call: PendingCall): void {
    this.#adopted.push(call);
  }

  release(call: PendingCall): void {
    const place = this.#adopted.indexOf(call);
    if (place < 0) return;
    const last = this.#adopted.pop()!;
    if (last !== call) this.#adopted[place] = last;
  }

  /** How long the request waited for others' work: of calls made together, the one that waited longest counts. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Why nobody wants the answer any more; undefined while somebody does. */
  get abortReason(): TuttiError | undefined {
    return this.#abortReason;
  }

  abort(reason: TuttiError): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#cancelTimer?.();
    this.#controller?.abort(reason);
    const adopted = this.#adopted;
    this.#adopted = [];
    for (const call of adopted) call.cancel();
  }

  /** The call has its reply: nothing of it may go off later. */
  end(): void {
    this.#cancelTimer?.();
  }
}

/**
 * All of a call's time but its own run: queues, and also the event loops that it passed, which no queue reports. Only calls
 * count that were answered, or that left their queue without a run since there was no time left for one: a member that never
 * answers says nothing of how much there is to do. Nor does an executor that died or stood still: of a call that was made
 * again, the last attempt counts.
 */
function longestWaitMs({ calls }: CallGroup): number {
  let longestMs = 0;
  for (const { status, latencyMs, runMs, waitedMs = 0, attempts = 1, routedMs, batchSize } of calls) {
    const waitMs = latencyMs - runMs + waitedMs - (attempts > 1 ? routedMs : 0);
    const wasInTime = status === "ok" || (status === "late" && batchSize === 0);
    if (wasInTime && waitMs > longestMs) longestMs = waitMs;
  }
  return longestMs;
}
