import type { StreamCredit } from "../policy/stream-credit.ts";
import type { CostReport, LoadReport, Withdrawal } from "../wire/messages.ts";
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

/**
 * An executor as a router sees it: its connection, and how long it would take to do what it was given.
 *
 * Two estimates, of which the larger counts: what this router sent and has no answer to, and what the executor last
 * said of all its callers' work, less the time since.
 */
export class Lane {
  readonly id: string;
  /** The executor is this process itself. */
  readonly isLocal: boolean;
  /** Its node says that it does not answer: blocked or stopped, as far as one knows. */
  isSilent = false;
  #link: Link | undefined;
  #pendingUs = 0;
  #reportedUs = 0;
  #reportedAtMs = 0;
  #outstanding = 0;
  /** Since when it has calls and has said nothing. */
  #quietSinceMs = 0;
  #busyFraction = 0;
  /** Deployments whose calls gather here. */
  homes = 0;
  readonly #costs = new Map<number, CostReport>();

  constructor(id: string, isLocal: boolean) {
    this.id = id;
    this.isLocal = isLocal;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  open(link: Link): void {
    this.#link = link;
  }

  close(): void {
    this.#link = undefined;
    this.#reportedUs = 0;
  }

  /** To be asked before one that is not. */
  get isResponsive(): boolean {
    return this.#link !== undefined && !this.isSilent;
  }

  backlogUs(nowMs: number): number {
    return Math.max(this.#pendingUs, this.#reportedUs - (nowMs - this.#reportedAtMs) * 1000);
  }

  /** Share of one core that the executor used of late, as it last said. */
  get busyFraction(): number {
    return this.#busyFraction;
  }

  /** How long it has had calls and has not been heard; 0 when it has none. */
  silentMs(nowMs: number): number {
    return this.#outstanding === 0 ? 0 : nowMs - this.#quietSinceMs;
  }

  costOf(target: number): CostReport | undefined {
    return this.#costs.get(target);
  }

  sent(costUs: number, nowMs: number): void {
    if (this.#outstanding === 0) this.#quietSinceMs = nowMs;
    this.#outstanding += 1;
    this.#pendingUs += costUs;
  }

  ended(costUs: number): void {
    this.#outstanding -= 1;
    this.#pendingUs = this.#outstanding === 0 ? 0 : Math.max(0, this.#pendingUs - costUs);
  }

  report(load: LoadReport, nowMs: number): void {
    this.#reportedUs = load.backlogUs;
    this.#reportedAtMs = nowMs;
    this.#quietSinceMs = nowMs;
    this.#busyFraction = load.busyFraction;
    for (const cost of load.costs) this.#costs.set(cost.target, cost);
  }
}
