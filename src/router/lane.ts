import { type Ejection, eject, notEjected, readmit } from "../policy/ejection.ts";
import type { ReplicaHealth } from "../policy/replica-health.ts";
import { judgeSilence } from "../policy/silence.ts";
import type { StreamCredit } from "../policy/stream-credit.ts";
import type { LoadReport, Withdrawal } from "../wire/messages.ts";
import type { CallRequest, FanoutRequest, RequestFields } from "../wire/outstanding.ts";
import type { StreamRequest } from "../wire/outstanding-stream.ts";

/** What carries calls to an executor: a peer, or the executor itself when it is this one. */
export interface Link {
  call(request: CallRequest): number;
  callStream(request: StreamRequest): number;
  /** Lets more of a stream come. */
  grant(id: number, credit: StreamCredit): void;
  callMany(request: FanoutRequest): number;
  cancel(id: number): void;
  /** Asks for one part of a call back, which ends as ever: as `Cancelled`, not started, if it had not. */
  withdraw(withdrawal: Withdrawal): void;
  /** Asks for a sign of life; the load report that comes is one. */
  askForLoad(): void;
  /** Visits what is outstanding. */
  forEachRequest(visit: (request: RequestFields) => void): void;
}

/** Before a replica has said what it costs: calls are counted, not timed. */
const UNKNOWN_ITEM_US = 1000;

/** In µs. */
export interface ReplicaCost {
  readonly fixedUs: number;
  readonly itemUs: number;
}

/**
 * An executor as a router sees it: its connection, how long it would take to do what it was given, and whether it is
 * heard of.
 *
 * Two estimates of its work, of which the larger counts: what this router sent and has no answer to, and what the
 * executor last said of all its callers' work, less the time since.
 */
export class Lane {
  readonly id: string;
  /** The executor is this process itself. */
  readonly isLocal: boolean;
  /** Its node says that it does not answer: blocked or stopped, as far as one knows. */
  isSilent = false;
  /** It was found to stall by this router itself: its replicas are left out. */
  readonly ejection: Ejection = notEjected();
  /** When it was asked for a sign of life that has not come. */
  #askedAtMs: number | undefined;
  #link: Link | undefined;
  #isAlive = true;
  #outstanding = 0;
  #pendingUs = 0;
  #reportedUs = 0;
  #reportedAtMs = 0;
  #busyFraction = 0;
  /** Since when it has calls and has said nothing. */
  #silentSinceMs = 0;
  #answers = 0;
  /** Deployments whose calls gather here. */
  homes = 0;
  /** What is known of the replicas that calls go to here. */
  readonly healths = new Set<ReplicaHealth>();
  readonly #costs = new Map<number, { fixedUs: number; itemUs: number }>();

  constructor(id: string, isLocal: boolean) {
    this.id = id;
    this.isLocal = isLocal;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  /** A new connection is a new beginning: to a process that came up, or came back. */
  open(link: Link): void {
    this.#link = link;
    this.#askedAtMs = undefined;
    this.#isAlive = true;
    this.#answers = 0;
    readmit(this.ejection);
  }

  close(): void {
    this.#link = undefined;
    this.#reportedUs = 0;
  }

  /** To be asked before one that is not. */
  get isResponsive(): boolean {
    return this.#link !== undefined && !this.isSilent && !this.ejection.isOut;
  }

  backlogUs(nowMs: number): number {
    return Math.max(this.#pendingUs, this.#reportedUs - (nowMs - this.#reportedAtMs) * 1000);
  }

  /** Of all that it was last known to have to do. */
  get workUs(): number {
    return Math.max(this.#pendingUs, this.#reportedUs);
  }

  /** Share of one core that the executor used of late, as it last said. */
  get busyFraction(): number {
    return this.#busyFraction;
  }

  /** Calls of this router that it has not answered. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** How long it has had calls and has not been heard; 0 when it has none. */
  silentMs(nowMs: number): number {
    return this.#outstanding === 0 ? 0 : nowMs - this.#silentSinceMs;
  }

  /** Whether its silence means that it has stalled (`judgeSilence`). It is asked for a sign of life when it is time to. */
  hasStalled(stallMs: number, explainedMs: number, nowMs: number): boolean {
    const silentMs = this.silentMs(nowMs);
    const askedForMs = this.#askedAtMs === undefined ? undefined : nowMs - this.#askedAtMs;
    const verdict = judgeSilence({ silentMs, explainedMs, askedForMs }, stallMs);
    if (verdict === "ask") {
      this.#askedAtMs = nowMs;
      this.#link?.askForLoad();
    }
    return verdict === "stalled";
  }

  /** Calls that it has answered since it came up: code that ran little is not compiled, and pauses. */
  get answers(): number {
    return this.#answers;
  }

  /** What a call costs at one of its replicas: always the same object, which what the executor says is written to. */
  costOf(target: number): ReplicaCost {
    return this.#cost(target);
  }

  #cost(target: number): { fixedUs: number; itemUs: number } {
    let cost = this.#costs.get(target);
    if (cost === undefined) {
      cost = { fixedUs: 0, itemUs: UNKNOWN_ITEM_US };
      this.#costs.set(target, cost);
    }
    return cost;
  }

  sent(costUs: number, nowMs: number): void {
    if (this.#outstanding === 0) this.#silentSinceMs = nowMs;
    this.#outstanding += 1;
    this.#pendingUs += costUs;
  }

  ended(costUs: number): void {
    this.#outstanding -= 1;
    this.#pendingUs = this.#outstanding === 0 ? 0 : Math.max(0, this.#pendingUs - costUs);
  }

  /** It has said something since it stalled, or it never did. */
  get isAlive(): boolean {
    return this.#isAlive;
  }

  stalled(nowMs: number): void {
    this.#isAlive = false;
    eject(this.ejection, nowMs);
  }

  /** A call was answered: if that was the one by which it is tried, it is in use again. */
  answered(nowMs: number): void {
    this.heard(nowMs);
    this.#answers += 1;
    if (this.ejection.isProbing) readmit(this.ejection);
  }

  /** It gave a sign of life. */
  heard(nowMs: number): void {
    this.#isAlive = true;
    this.excuse(nowMs);
  }

  /** Its silence until now says nothing of it. */
  excuse(nowMs: number): void {
    this.#silentSinceMs = nowMs;
    this.#askedAtMs = undefined;
  }

  report(load: LoadReport, nowMs: number): void {
    this.#reportedUs = load.backlogUs;
    this.#reportedAtMs = nowMs;
    this.#busyFraction = load.busyFraction;
    this.heard(nowMs);
    for (const { target, fixedUs, itemUs } of load.costs) {
      const cost = this.#cost(target);
      cost.fixedUs = fixedUs;
      cost.itemUs = itemUs;
    }
  }
}
