import type { OutgoingFanout, PendingCall } from "../api/call-port.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { predictedFinishUs } from "../policy/choose-replica.ts";
import { retryDecision } from "../policy/retry.ts";
import { Suspicion } from "../policy/suspicion.ts";
import { type CallOutcome, type CallStats, NO_STATS, type RowsOfResult } from "../wire/messages.ts";
import type { FanoutRequest } from "../wire/outstanding.ts";
import { MAX_PARTS } from "../wire/protocol.ts";
import type { Link } from "./lane.ts";
import { loadOf, type ReplicaSet, type RoutedReplica } from "./replica-set.ts";
import type { AttemptHistory } from "./routed-call.ts";

/** Goes on with one member by itself, after its first attempt failed or found no replica. */
export type ContinueAlone = (
  fanout: RoutedFanout,
  member: number,
  history: AttemptHistory | undefined,
) => PendingCall;

/**
 * One call to each of many deployments, with the same arguments. Members whose replicas share an executor travel as
 * one entry of one frame; a member that fails there goes on alone by the rules of any call.
 */
export class RoutedFanout implements PendingCall {
  readonly call: OutgoingFanout;
  readonly #continueAlone: ContinueAlone;
  readonly #parts: LanePart[] = [];
  #alone: PendingCall[] | undefined;
  isCancelled = false;

  constructor(call: OutgoingFanout, continueAlone: ContinueAlone) {
    this.call = call;
    this.#continueAlone = continueAlone;
  }

  /** Adds a member to what goes to its replica's executor; nothing is sent before `send`. */
  add(member: number, set: ReplicaSet, replica: RoutedReplica, link: Link, nowMs: number): void {
    const idempotent = set.isIdempotent(this.call.method);
    let part = this.#parts.find((one) => one.link === link && one.idempotent === idempotent && !one.isFull);
    if (part === undefined) {
      part = new LanePart(this, link, idempotent);
      this.#parts.push(part);
    }
    part.add(member, set, replica, nowMs);
  }

  send(): void {
    for (const part of this.#parts) part.send();
  }

  goAlone(member: number, history: AttemptHistory | undefined): void {
    this.#alone ??= [];
    this.#alone.push(this.#continueAlone(this, member, history));
  }

  cancel(): void {
    this.isCancelled = true;
    for (const part of this.#parts) part.cancel();
    for (const pending of this.#alone ?? []) pending.cancel();
  }
}

interface PartMember {
  readonly member: number;
  readonly set: ReplicaSet;
  readonly replica: RoutedReplica;
  readonly costUs: number;
}

/** The members of a fan-out that one executor answers. */
class LanePart implements FanoutRequest {
  readonly link: Link;
  readonly idempotent: boolean;
  readonly targets: number[] = [];
  readonly #fanout: RoutedFanout;
  readonly #members: PartMember[] = [];
  #id = 0;

  constructor(fanout: RoutedFanout, link: Link, idempotent: boolean) {
    this.#fanout = fanout;
    this.link = link;
    this.idempotent = idempotent;
  }

  get method(): string {
    return this.#fanout.call.method;
  }
  get args(): readonly unknown[] {
    return this.#fanout.call.args;
  }
  get requestId(): string {
    return this.#fanout.call.requestId;
  }
  get deadlineAtMs(): number {
    return this.#fanout.call.deadlineAtMs;
  }
  get priority(): number {
    return this.#fanout.call.priority;
  }
  get lean(): boolean {
    return this.#fanout.call.lean;
  }
  get isFull(): boolean {
    return this.targets.length >= MAX_PARTS;
  }

  add(member: number, set: ReplicaSet, replica: RoutedReplica, nowMs: number): void {
    const load = loadOf(replica, nowMs);
    const costUs = predictedFinishUs(load) - load.laneBacklogUs;
    set.began();
    replica.waitingItems += 1;
    replica.lane.sent(costUs, nowMs);
    this.targets.push(replica.target);
    this.#members.push({ member, set, replica, costUs });
  }

  send(): void {
    this.#id = this.link.callMany(this);
  }

  cancel(): void {
    this.link.cancel(this.#id);
  }

  onRows(part: number, rows: RowsOfResult, stats: CallStats): void {
    const { member, replica } = this.#release(part);
    this.#fanout.call.onRows(member, rows, stats, replica);
  }

  onPart(part: number, outcome: CallOutcome, stats: CallStats): void {
    const { member, replica, set } = this.#release(part);
    const { call } = this.#fanout;
    if (outcome.ok) return call.onEnd(member, outcome, stats, replica);
    const { code, started } = outcome.error;
    const isDeath = code === "PeerClosed" && started !== "no";
    const suspicion = isDeath ? Suspicion.suspect : Suspicion.none;
    const decision = retryDecision({
      code,
      started,
      idempotent: this.idempotent,
      attempts: 1,
      isGuilty: false,
    });
    // A refusal that was on its way when the caller gave up leads to no other attempt.
    if (decision === "retry" && this.#fanout.isCancelled) {
      return call.onEnd(member, { ok: false, error: cancelled() }, stats, replica);
    }
    const isPointless = code === "Overloaded" && !set.hasOther(replica.lane, undefined);
    if (decision === "retry" && !isPointless)
      return this.#fanout.goAlone(member, { attempts: 1, suspicion, avoid: replica.lane });
    call.onEnd(member, outcome, stats, replica);
  }

  #release(part: number): PartMember {
    const ended = this.#members[part]!;
    ended.replica.waitingItems -= 1;
    ended.replica.lane.ended(ended.costUs);
    ended.set.ended();
    return ended;
  }
}

const cancelled = () =>
  new TuttiError("Cancelled", "the call was cancelled by its caller", { started: "no" });

/** Ends a member that was refused before anything was sent, after the caller's own turn. */
export function refuseMember(call: OutgoingFanout, member: number, error: TuttiError): void {
  queueMicrotask(() => call.onEnd(member, { ok: false, error }, NO_STATS));
}
