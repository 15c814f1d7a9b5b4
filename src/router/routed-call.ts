import type { OutgoingCall, PendingCall } from "../api/call-port.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallPlace } from "../observe/call-group.ts";
import { predictedFinishUs } from "../policy/choose-replica.ts";
import { retryDecision } from "../policy/retry.ts";
import { afterDeath, Suspicion } from "../policy/suspicion.ts";
import { type CallOutcome, type CallStats, NO_STATS } from "../wire/messages.ts";
import type { CallRequest } from "../wire/outstanding.ts";
import type { Lane, Link } from "./lane.ts";
import { loadOf, type ReplicaSet, type RoutedReplica } from "./replica-set.ts";

/** What happened to a call before it was routed by itself. */
export interface AttemptHistory {
  readonly attempts: number;
  readonly suspicion: Suspicion;
  readonly avoid: Lane;
}

interface SentState {
  readonly kind: "sent";
  readonly replica: RoutedReplica;
  readonly link: Link;
  readonly id: number;
  readonly costUs: number;
}

type CallState = { readonly kind: "waiting" } | SentState | { readonly kind: "ended" };

const WAITING: CallState = { kind: "waiting" };
const ENDED: CallState = { kind: "ended" };

/**
 * One call from dispatch to its one end (D1), over as many attempts as D3 and the deadline allow. It is the request
 * that a peer carries, and the handle by which its caller cancels it.
 */
export class RoutedCall implements CallRequest, PendingCall, CallPlace {
  readonly #call: OutgoingCall;
  readonly #retry: (call: RoutedCall) => void;
  readonly #leave: (call: RoutedCall) => void;
  #set: ReplicaSet;
  #state: CallState = WAITING;
  #attempts: number;
  #suspicion: Suspicion;
  /** What ran beside it when it began where it is now; undefined when it has not, or is not asked. */
  #company: number | undefined;
  #avoid: Set<Lane> | undefined;
  target = 0;
  executor = "";
  sentAtMs = 0;

  /** @param leave called when the call is cancelled while it waits. */
  constructor(
    call: OutgoingCall,
    set: ReplicaSet,
    retry: (call: RoutedCall) => void,
    leave: (call: RoutedCall) => void,
    history: AttemptHistory | undefined,
  ) {
    this.#call = call;
    this.#set = set;
    this.#retry = retry;
    this.#leave = leave;
    this.#attempts = history?.attempts ?? 0;
    this.#suspicion = history?.suspicion ?? Suspicion.none;
    this.#avoid = history === undefined ? undefined : new Set([history.avoid]);
    set.began();
  }

  get method(): string {
    return this.#call.method;
  }
  get args(): readonly unknown[] {
    return this.#call.args;
  }
  get requestId(): string {
    return this.#call.requestId;
  }
  get deadlineAtMs(): number {
    return this.#call.deadlineAtMs;
  }
  get priority(): number {
    return this.#call.priority;
  }
  get lean(): boolean {
    return this.#call.lean;
  }
  get idempotent(): boolean {
    return this.#set.isIdempotent(this.#call.method);
  }
  get suspicion(): Suspicion {
    return this.#suspicion;
  }
  get deployment(): string {
    return this.#call.deployment;
  }
  get attempts(): number {
    return this.#attempts;
  }
  get isWaiting(): boolean {
    return this.#state.kind === "waiting";
  }
  get avoid(): ReadonlySet<Lane> | undefined {
    return this.#avoid;
  }

  /** Moves the call to the set that replaced the one it began in. */
  follow(set: ReplicaSet): void {
    if (set === this.#set) return;
    // Counts are shared with the set before it, unless the deployment was out of the snapshots meanwhile.
    set.began();
    this.#set.ended();
    this.#set = set;
  }

  send(replica: RoutedReplica, link: Link, nowMs: number): void {
    this.#attempts += 1;
    this.#company = undefined;
    this.target = replica.target;
    this.executor = replica.lane.id;
    this.sentAtMs = nowMs;
    const load = loadOf(replica, nowMs);
    const costUs = predictedFinishUs(load) - load.laneBacklogUs;
    replica.waitingItems += 1;
    replica.lane.sent(costUs, nowMs);
    this.#state = { kind: "sent", replica, link, id: this.sendOn(link), costUs };
  }

  /** @returns the call's id on that link. */
  protected sendOn(link: Link): number {
    return link.call(this);
  }

  onBegun(company: number): void {
    this.#company = company;
  }

  onEnd(outcome: CallOutcome, stats: CallStats): void {
    const state = this.#state;
    if (state.kind !== "sent") return;
    this.#release(state);
    if (outcome.ok) return this.end(outcome, stats);
    const { error } = outcome;
    const isDeath = error.code === "PeerClosed" && error.started !== "no";
    const verdict = isDeath ? afterDeath(this.#suspicion, this.#company) : this.#suspicion;
    if (verdict !== "guilty") this.#suspicion = verdict;
    const decision = retryDecision({
      code: error.code,
      started: error.started,
      idempotent: this.idempotent,
      attempts: this.#attempts,
      isGuilty: verdict === "guilty",
    });
    // A full replica is not asked again: only another one may have room.
    const isPointless = error.code === "Overloaded" && !this.#set.hasOther(state.replica.lane, this.#avoid);
    if (decision === "give up" || isPointless) return this.end(outcome, stats);
    if (decision === "poison") {
      const message = `${this.deployment}.${this.method}(): two executors died over this input, the last one while it ran nothing else; given up`;
      return this.end(
        { ok: false, error: new TuttiError("PoisonInput", message, { started: "maybe" }) },
        stats,
      );
    }
    this.#avoid ??= new Set();
    this.#avoid.add(state.replica.lane);
    this.#state = WAITING;
    this.#retry(this);
  }

  cancel(): void {
    const state = this.#state;
    if (state.kind === "ended") return;
    if (state.kind === "sent") {
      state.link.cancel(state.id);
      // The link knows nothing of a call that it has refused: its end, on its way, must not lead to another attempt.
      if (this.#state !== state) return;
      this.#release(state);
    } else this.#leave(this);
    this.fail(new TuttiError("Cancelled", "the call was cancelled by its caller", { started: "no" }));
  }

  #release({ replica, costUs }: SentState): void {
    replica.waitingItems -= 1;
    replica.lane.ended(costUs);
  }

  fail(error: TuttiError): void {
    this.end({ ok: false, error }, NO_STATS);
  }

  end(outcome: CallOutcome, stats: CallStats): void {
    if (this.#state.kind === "ended") return;
    this.#state = ENDED;
    this.#set.ended();
    this.#call.onEnd(outcome, stats, this.executor === "" ? undefined : this);
  }
}
