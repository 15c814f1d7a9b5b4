import type { OutgoingCall, PendingCall } from "../api/call-port.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallPlace } from "../observe/call-group.ts";
import { addedWorkUs } from "../policy/choose-replica.ts";
import { retryDecision } from "../policy/retry.ts";
import { afterDeath, Suspicion } from "../policy/suspicion.ts";
import { type CallOutcome, type CallStats, NO_STATS } from "../wire/messages.ts";
import type { CallRequest } from "../wire/outstanding.ts";
import type { Lane, Link } from "./lane.ts";
import { OutAttempt } from "./out-attempt.ts";
import { Race, type SecondAttempt } from "./race.ts";
import type { ReplicaSet } from "./replica-set.ts";
import { loadOf, type RoutedReplica } from "./routed-replica.ts";
import type { Extra, Stragglers } from "./stragglers.ts";

/** What happened to a call before it was routed by itself. */
export interface AttemptHistory {
  readonly attempts: number;
  readonly suspicion: Suspicion;
  readonly avoid: Lane;
}

/** What a call asks of its router. */
export interface CallRoutes {
  readonly stragglers: Stragglers;
  /** Sends the call, or lets it wait for a replica. */
  route(call: RoutedCall): void;
  /** The call was given up while it waited. */
  leave(call: RoutedCall): void;
  /** Another attempt at it, which is a call of its own. */
  second(call: OutgoingCall, history: AttemptHistory): RoutedCall;
}

interface SentState {
  readonly kind: "sent";
  readonly replica: RoutedReplica;
  readonly link: Link;
  readonly id: number;
  readonly costUs: number;
  readonly predictedUs: number;
}

type CallState = { readonly kind: "waiting" } | SentState | { readonly kind: "ended" };

const WAITING: CallState = { kind: "waiting" };
const ENDED: CallState = { kind: "ended" };

/**
 * One call from dispatch to its one end (D1), over as many attempts as D3, the budget and the deadline allow. It is the
 * request that a peer carries, and the handle by which its caller cancels it.
 */
export class RoutedCall extends OutAttempt implements CallRequest, PendingCall, CallPlace, SecondAttempt {
  readonly #call: OutgoingCall;
  readonly #routes: CallRoutes;
  #set: ReplicaSet;
  #state: CallState = WAITING;
  #attempts: number;
  #suspicion: Suspicion;
  /** What ran beside it when it began where it is now; undefined when it has not, or is not asked. */
  #company: number | undefined;
  #avoid: Set<Lane> | undefined;
  /** With a second attempt that was made while this one was out. */
  #race: Race | undefined;
  /** It was asked back, to go elsewhere if it has not started. */
  #isWithdrawn = false;
  /** Another attempt has answered: this one is never repeated. */
  #hasLost = false;
  #hedgeAtMs = 0;
  target = 0;
  executor = "";
  sentAtMs = 0;

  constructor(call: OutgoingCall, set: ReplicaSet, routes: CallRoutes, history: AttemptHistory | undefined) {
    super();
    this.#call = call;
    this.#set = set;
    this.#routes = routes;
    this.#attempts = history?.attempts ?? 0;
    this.#suspicion = history?.suspicion ?? Suspicion.none;
    this.#avoid = history === undefined ? undefined : new Set([history.avoid]);
    set.began(history === undefined);
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
    set.began(false);
    this.#set.ended();
    this.#set = set;
  }

  send(replica: RoutedReplica, link: Link, nowMs: number): void {
    this.#attempts += 1;
    this.#company = undefined;
    this.#isWithdrawn = false;
    this.target = replica.target;
    this.executor = replica.lane.id;
    this.sentAtMs = nowMs;
    const { stragglers } = this.#routes;
    const load = loadOf(replica, nowMs);
    const costUs = addedWorkUs(load);
    const predictedUs = load.laneBacklogUs + costUs;
    replica.sent(costUs, nowMs);
    this.#hedgeAtMs = this.#call.hedge
      ? nowMs + stragglers.hedgeAfterMs(this.#set)
      : Number.POSITIVE_INFINITY;
    stragglers.sent(1, nowMs, this.#hedgeAtMs);
    this.#state = { kind: "sent", replica, link, id: this.sendOn(link), costUs, predictedUs };
  }

  /** Whether how long it takes says something of its replica. */
  protected get isTimed(): boolean {
    return true;
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
    this.#release(state, outcome);
    if (outcome.ok) return this.end(outcome, stats);
    const { error } = outcome;
    const isDeath = error.code === "PeerClosed" && error.started !== "no";
    const verdict = isDeath ? afterDeath(this.#suspicion, this.#company) : this.#suspicion;
    if (verdict !== "guilty") this.#suspicion = verdict;
    // Then the other attempt is the repetition.
    if (this.#race !== undefined || this.#hasLost) return this.end(outcome, stats);
    const wasMoved = this.#isWithdrawn && error.code === "Cancelled" && error.started === "no";
    const decision = retryDecision({
      code: wasMoved ? "Unavailable" : error.code,
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
    // What was moved is made once, as if it had gone there at first.
    if (!wasMoved && !this.#routes.stragglers.mayRetry()) return this.end(outcome, stats);
    this.#set.totals[wasMoved ? "moves" : "retries"] += 1;
    this.#avoid ??= new Set();
    this.#avoid.add(state.replica.lane);
    this.#state = WAITING;
    this.#routes.route(this);
  }

  cancel(): void {
    this.#race?.second.cancel();
    const state = this.#state;
    if (state.kind === "ended") return;
    if (state.kind === "sent") {
      state.link.cancel(state.id);
      // The link knows nothing of a call that it has refused: its end, on its way, must not lead to another attempt.
      if (this.#state !== state) return;
      this.#release(state, undefined);
    } else this.#routes.leave(this);
    this.fail(new TuttiError("Cancelled", "the call was cancelled by its caller", { started: "no" }));
  }

  get knownLatencyUs(): number {
    return this.#state.kind === "sent" ? this.#set.knownLatencyUs(this.#state.replica) : 0;
  }

  rescue(nowMs: number): void {
    const state = this.#state;
    if (state.kind !== "sent" || this.#race !== undefined || this.#hasLost) return;
    const { stragglers } = this.#routes;
    if (!this.idempotent) this.#withdraw(state);
    else if (stragglers.mayRescue(this.#set, state.replica.lane, nowMs)) this.#startSecond("rescue", state);
  }

  hedge(nowMs: number): number {
    const state = this.#state;
    if (nowMs < this.#hedgeAtMs) return this.#hedgeAtMs;
    this.#hedgeAtMs = Number.POSITIVE_INFINITY;
    if (state.kind !== "sent" || this.#race !== undefined || this.#hasLost) return this.#hedgeAtMs;
    const { replica, predictedUs } = state;
    const { sentAtMs, deadlineAtMs } = this;
    const { stragglers } = this.#routes;
    if (stragglers.isSlow({ set: this.#set, replica, sentAtMs, predictedUs, deadlineAtMs }, nowMs)) {
      if (!this.idempotent) {
        this.#withdraw(state);
        return this.#hedgeAtMs;
      }
      if (stragglers.mayHedge(nowMs)) {
        this.#startSecond("hedge", state);
        return this.#hedgeAtMs;
      }
    }
    this.#hedgeAtMs = nowMs + stragglers.hedgeAfterMs(this.#set);
    return this.#hedgeAtMs;
  }

  lose(): void {
    if (this.#state.kind === "ended") return;
    this.#hasLost = true;
    this.#race?.second.lose();
    const state = this.#state;
    if (state.kind === "sent") {
      state.link.withdraw({ id: state.id, target: this.target, part: 0, abort: true });
      return;
    }
    this.#routes.leave(this);
    this.fail(new TuttiError("Cancelled", "another attempt has answered", { started: "no" }));
  }

  suspect(): void {
    if (this.#suspicion === Suspicion.none) this.#suspicion = Suspicion.suspect;
  }

  /** D3: it goes elsewhere when the answer says that it has not started, and not before. */
  #withdraw(state: SentState): void {
    if (this.#isWithdrawn) return;
    this.#isWithdrawn = true;
    state.link.withdraw({ id: state.id, target: this.target, part: 0, abort: false });
  }

  #startSecond(extra: Extra, state: SentState): void {
    const { deployment, method, args, requestId, deadlineAtMs, priority, lean } = this.#call;
    const { stragglers } = this.#routes;
    this.#set.totals[extra === "hedge" ? "hedges" : "rescues"] += 1;
    const second = this.#routes.second(
      {
        deployment,
        method,
        args,
        requestId,
        deadlineAtMs,
        priority,
        lean,
        hedge: false,
        onEnd: (outcome, stats, place) => race.secondEnded(outcome, stats, place),
      },
      { attempts: this.#attempts, suspicion: this.#suspicion, avoid: state.replica.lane },
    );
    const withdrawal = { id: state.id, target: this.target, part: 0 };
    const first = { why: extra, executor: this.executor, sentAtMs: this.sentAtMs };
    const race = new Race(first, second, {
      onEnd: (outcome, stats, place) => this.#call.onEnd(outcome, stats, place),
      abortFirst: () => state.link.withdraw({ ...withdrawal, abort: true }),
      onMoved: () => stragglers.moved(extra),
      onWasted: () => stragglers.wasted(),
    });
    this.#race = race;
    state.link.withdraw({ ...withdrawal, abort: false });
  }

  #release({ replica, costUs, predictedUs }: SentState, outcome: CallOutcome | undefined): void {
    replica.ended(costUs);
    const isLate = this.#hasLost || this.#race?.isDecided === true;
    this.#set.learn(replica, this.sentAtMs, predictedUs, this.isTimed ? outcome : undefined, isLate);
  }

  fail(error: TuttiError): void {
    this.end({ ok: false, error }, NO_STATS);
  }

  end(outcome: CallOutcome, stats: CallStats): void {
    if (this.#state.kind === "ended") return;
    this.#state = ENDED;
    this.#set.ended();
    const place = this.executor === "" ? undefined : this;
    const race = this.#race;
    if (race === undefined) return this.#call.onEnd(outcome, stats, place);
    if (!outcome.ok) return race.firstFailed(outcome.error, stats, place);
    if (race.firstAnswered()) this.#call.onEnd(outcome, stats, race.placeOf("first", place));
  }
}
