import type { OutgoingCall, OutgoingFanout, PendingCall } from "../api/call-port.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { addedWorkUs } from "../policy/choose-replica.ts";
import { retryDecision } from "../policy/retry.ts";
import { Suspicion } from "../policy/suspicion.ts";
import { type CallOutcome, type CallStats, NO_STATS, type RowsOfResult } from "../wire/messages.ts";
import type { FanoutRequest } from "../wire/outstanding.ts";
import { MAX_PARTS } from "../wire/protocol.ts";
import type { Link } from "./lane.ts";
import { OutAttempt } from "./out-attempt.ts";
import { Race } from "./race.ts";
import type { ReplicaSet } from "./replica-set.ts";
import type { AttemptHistory, RoutedCall } from "./routed-call.ts";
import { loadOf, type RoutedReplica } from "./routed-replica.ts";
import type { Extra, Stragglers } from "./stragglers.ts";

/** What a fan-out asks of its router. */
export interface FanoutRoutes {
  readonly stragglers: Stragglers;
  /** Goes on with one member as a call of its own. */
  alone(call: OutgoingCall, history: AttemptHistory | undefined): RoutedCall;
}

/**
 * One call to each of many deployments, with the same arguments. Members whose replicas share an executor travel as
 * one entry of one frame; a member that fails there, or needs a second attempt, goes on alone by the rules of any call.
 */
export class RoutedFanout implements PendingCall {
  readonly call: OutgoingFanout;
  readonly routes: FanoutRoutes;
  readonly #parts: LanePart[] = [];
  #alone: PendingCall[] | undefined;
  isCancelled = false;

  constructor(call: OutgoingFanout, routes: FanoutRoutes) {
    this.call = call;
    this.routes = routes;
  }

  /** Adds a member to what goes to its replica's executor; nothing is sent before `send`. */
  add(member: number, set: ReplicaSet, replica: RoutedReplica, link: Link, nowMs: number): void {
    const idempotent = set.isIdempotent(this.call.method);
    for (const part of this.#parts) {
      if (part.link !== link || part.idempotent !== idempotent || part.isFull) continue;
      return part.add(member, set, replica, nowMs);
    }
    const part = new LanePart(this, link, idempotent, nowMs);
    this.#parts.push(part);
    part.add(member, set, replica, nowMs);
  }

  send(): void {
    for (const part of this.#parts) part.send();
  }

  /** After its first attempt failed, was taken back or found no replica. */
  goAlone(member: number, history: AttemptHistory | undefined): void {
    this.#startAlone(member, history, this.call.hedge, (outcome, stats, place) =>
      this.call.onEnd(member, outcome, stats, place),
    );
  }

  /** A second attempt at a member whose first is out. */
  second(member: number, history: AttemptHistory, onEnd: OutgoingCall["onEnd"]): RoutedCall {
    return this.#startAlone(member, history, false, onEnd);
  }

  #startAlone(
    member: number,
    history: AttemptHistory | undefined,
    hedge: boolean,
    onEnd: OutgoingCall["onEnd"],
  ): RoutedCall {
    const { deployments, method, args, requestId, deadlineAtMs, priority, lean } = this.call;
    const deployment = deployments[member]!;
    const call = { deployment, method, args, requestId, deadlineAtMs, priority, lean, hedge, onEnd };
    const alone = this.routes.alone(call, history);
    this.#alone ??= [];
    this.#alone.push(alone);
    return alone;
  }

  cancel(): void {
    this.isCancelled = true;
    for (const part of this.#parts) part.cancel();
    for (const pending of this.#alone ?? []) pending.cancel();
  }
}

/** One member, from sending to the end of its first attempt. */
class PartMember {
  readonly member: number;
  readonly set: ReplicaSet;
  readonly replica: RoutedReplica;
  readonly costUs: number;
  readonly predictedUs: number;
  hasEnded = false;
  /** It was asked back, to go elsewhere if it has not started. */
  isWithdrawn = false;
  /** With a second attempt. */
  race: Race | undefined;

  constructor(member: number, set: ReplicaSet, replica: RoutedReplica, costUs: number, predictedUs: number) {
    this.member = member;
    this.set = set;
    this.replica = replica;
    this.costUs = costUs;
    this.predictedUs = predictedUs;
  }

  /** Nothing has been done about it yet. */
  get isUntouched(): boolean {
    return !this.hasEnded && !this.isWithdrawn && this.race === undefined;
  }
}

/** The members of a fan-out that one executor answers. */
class LanePart extends OutAttempt implements FanoutRequest {
  readonly link: Link;
  readonly idempotent: boolean;
  readonly targets: number[] = [];
  readonly #fanout: RoutedFanout;
  readonly #members: PartMember[] = [];
  readonly #sentAtMs: number;
  #hedgeAtMs = Number.POSITIVE_INFINITY;
  #id = 0;

  constructor(fanout: RoutedFanout, link: Link, idempotent: boolean, nowMs: number) {
    super();
    this.#fanout = fanout;
    this.link = link;
    this.idempotent = idempotent;
    this.#sentAtMs = nowMs;
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

  get #stragglers(): Stragglers {
    return this.#fanout.routes.stragglers;
  }

  add(member: number, set: ReplicaSet, replica: RoutedReplica, nowMs: number): void {
    const load = loadOf(replica, nowMs);
    // Whole numbers are kept in the object itself, others in one of their own.
    const costUs = Math.round(addedWorkUs(load));
    const predictedUs = Math.round(load.laneBacklogUs + costUs);
    set.began(true);
    replica.sent(costUs, nowMs);
    if (this.#fanout.call.hedge) {
      this.#hedgeAtMs = Math.min(this.#hedgeAtMs, nowMs + this.#stragglers.hedgeAfterMs(set));
    }
    this.targets.push(replica.target);
    this.#members.push(new PartMember(member, set, replica, costUs, predictedUs));
  }

  send(): void {
    this.#stragglers.sent(this.targets.length, this.#sentAtMs, this.#hedgeAtMs);
    this.#id = this.link.callMany(this);
  }

  cancel(): void {
    this.link.cancel(this.#id);
  }

  onRows(part: number, rows: RowsOfResult, stats: CallStats, nowMs: number): void {
    const { member, replica, race } = this.#release(part, ANSWERED, nowMs);
    if (race !== undefined && !race.firstAnswered()) return;
    this.#fanout.call.onRows(member, rows, stats, race?.placeOf("first", replica) ?? replica, nowMs);
  }

  onPart(part: number, outcome: CallOutcome, stats: CallStats): void {
    const one = this.#release(part, outcome);
    const { member, replica, set, race } = one;
    const { call } = this.#fanout;
    if (outcome.ok) {
      if (race === undefined) call.onEnd(member, outcome, stats, replica);
      else if (race.firstAnswered()) call.onEnd(member, outcome, stats, race.placeOf("first", replica));
      return;
    }
    const { code, started } = outcome.error;
    // Then the other attempt is the repetition.
    if (race !== undefined) return race.firstFailed(outcome.error, stats, replica);
    const isDeath = code === "PeerClosed" && started !== "no";
    const suspicion = isDeath ? Suspicion.suspect : Suspicion.none;
    const wasMoved = one.isWithdrawn && code === "Cancelled" && started === "no";
    const decision = retryDecision({
      code: wasMoved ? "Unavailable" : code,
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
    if (decision === "retry" && !isPointless && (wasMoved || this.#stragglers.mayRetry())) {
      set.totals[wasMoved ? "moves" : "retries"] += 1;
      return this.#fanout.goAlone(member, { attempts: 1, suspicion, avoid: replica.lane });
    }
    call.onEnd(member, outcome, stats, replica);
  }

  get knownLatencyUs(): number {
    let longestUs = 0;
    for (const { hasEnded, set, replica } of this.#members) {
      if (!hasEnded) longestUs = Math.max(longestUs, set.knownLatencyUs(replica));
    }
    return longestUs;
  }

  rescue(nowMs: number): void {
    for (const [part, one] of this.#members.entries()) {
      if (!one.isUntouched) continue;
      if (!this.idempotent) this.#withdraw(part, one);
      else if (this.#stragglers.mayRescue(one.set, one.replica.lane, nowMs))
        this.#startSecond(part, one, "rescue");
    }
  }

  hedge(nowMs: number): number {
    if (nowMs < this.#hedgeAtMs) return this.#hedgeAtMs;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [part, one] of this.#members.entries()) {
      if (one.isUntouched) nextMs = Math.min(nextMs, this.#hedgeMember(part, one, nowMs));
    }
    this.#hedgeAtMs = nextMs;
    return nextMs;
  }

  /** @returns when to look at it again. */
  #hedgeMember(part: number, one: PartMember, nowMs: number): number {
    const { set, replica, predictedUs } = one;
    const afterMs = this.#stragglers.hedgeAfterMs(set);
    const dueAtMs = this.#sentAtMs + afterMs;
    if (nowMs < dueAtMs) return dueAtMs;
    const slow = { set, replica, sentAtMs: this.#sentAtMs, predictedUs, deadlineAtMs: this.deadlineAtMs };
    if (this.#stragglers.isSlow(slow, nowMs)) {
      if (!this.idempotent) this.#withdraw(part, one);
      else if (this.#stragglers.mayHedge(nowMs)) this.#startSecond(part, one, "hedge");
    }
    return one.isUntouched ? nowMs + afterMs : Number.POSITIVE_INFINITY;
  }

  /** D3: it goes elsewhere when the answer says that it has not started, and not before. */
  #withdraw(part: number, one: PartMember): void {
    one.isWithdrawn = true;
    this.link.withdraw({ id: this.#id, target: one.replica.target, part, abort: false });
  }

  #startSecond(part: number, one: PartMember, extra: Extra): void {
    const { member, replica, set } = one;
    const stragglers = this.#stragglers;
    set.totals[extra === "hedge" ? "hedges" : "rescues"] += 1;
    const history = { attempts: 1, suspicion: Suspicion.none, avoid: replica.lane };
    const second = this.#fanout.second(member, history, (outcome, stats, place) =>
      race.secondEnded(outcome, stats, place),
    );
    const withdrawal = { id: this.#id, target: replica.target, part };
    const first = { why: extra, executor: replica.lane.id, sentAtMs: this.#sentAtMs };
    const race = new Race(first, second, {
      onEnd: (outcome, stats, place) => this.#fanout.call.onEnd(member, outcome, stats, place),
      abortFirst: () => this.link.withdraw({ ...withdrawal, abort: true }),
      onMoved: () => stragglers.moved(extra),
      onWasted: () => stragglers.wasted(),
    });
    one.race = race;
    this.link.withdraw({ ...withdrawal, abort: false });
  }

  #release(part: number, outcome: CallOutcome, nowMs?: number): PartMember {
    const ended = this.#members[part]!;
    ended.hasEnded = true;
    ended.replica.ended(ended.costUs);
    const isLate = ended.race?.isDecided === true;
    ended.set.learn(ended.replica, this.#sentAtMs, ended.predictedUs, outcome, isLate, nowMs);
    ended.set.ended();
    return ended;
  }
}

/** For those that only ask whether it is one: the value is rows of a shared result. */
const ANSWERED: CallOutcome = { ok: true, value: undefined };

const cancelled = () =>
  new TuttiError("Cancelled", "the call was cancelled by its caller", { started: "no" });

/** Ends a member that was refused before anything was sent, after the caller's own turn. */
export function refuseMember(call: OutgoingFanout, member: number, error: TuttiError): void {
  queueMicrotask(() => call.onEnd(member, { ok: false, error }, NO_STATS));
}
