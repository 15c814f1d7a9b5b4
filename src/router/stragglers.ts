import { type Clock, systemClock } from "../clock/clock.ts";
import type { ResolvedRoutingOptions } from "../config/routing-options.ts";
import type { CallCounters } from "../observe/call-counters.ts";
import {
  type Budget,
  type BudgetOptions,
  depositCalls,
  newBudget,
  refundCall,
  settleBudget,
  spendCall,
} from "../policy/budget.ts";
import { predictedFinishUs } from "../policy/choose-replica.ts";
import { isHedgeWorthwhile } from "../policy/hedge.ts";
import { DeadlineWatch } from "../wire/deadline-watch.ts";
import type { Lane, Link } from "./lane.ts";
import { OutAttempt } from "./out-attempt.ts";
import type { ReplicaSet } from "./replica-set.ts";
import { loadOf, type RoutedReplica } from "./routed-replica.ts";

/** Why a second attempt is made beside the first. */
export type Extra = "hedge" | "rescue";

/** A call that has been out for longer than most. */
export interface SlowAttempt {
  readonly set: ReplicaSet;
  readonly replica: RoutedReplica;
  readonly sentAtMs: number;
  readonly predictedUs: number;
  readonly deadlineAtMs: number;
}

export interface StragglersOptions {
  readonly counters: CallCounters;
  readonly lanes: () => Iterable<Lane>;
  readonly sets: () => Iterable<ReplicaSet>;
  readonly routing: ResolvedRoutingOptions;
  readonly clock?: Clock;
}

/** How often lanes and replicas are looked at while calls are out. */
const CHECK_MS = 25;
/** Calls are looked at for hedging no more often than this. */
const HEDGE_CHECK_MS = 1;

/**
 * What a router does about calls that take too long: lanes that stall, replicas that fail or answer late, second
 * attempts, and the budgets of it all. One watch for all calls, that runs while there are any.
 */
export class Stragglers {
  readonly #options: StragglersOptions;
  readonly #clock: Clock;
  readonly #watch: DeadlineWatch;
  #retries: Budget;
  #hedges: Budget;
  #routing: ResolvedRoutingOptions;
  #retryLimits: BudgetOptions;
  #hedgeLimits: BudgetOptions;
  #nextCheckAtMs = Number.POSITIVE_INFINITY;
  #nextHedgeAtMs = Number.POSITIVE_INFINITY;
  /** How often a lane was found to have stalled. */
  stalls = 0;

  constructor(options: StragglersOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#routing = options.routing;
    this.#retryLimits = retryLimits(options.routing);
    this.#hedgeLimits = hedgeLimits(options.routing);
    const nowMs = this.#clock.now();
    this.#retries = newBudget(this.#retryLimits, nowMs);
    this.#hedges = newBudget(this.#hedgeLimits, nowMs);
    this.#watch = new DeadlineWatch((atMs) => this.#look(atMs), this.#clock);
  }

  get routing(): ResolvedRoutingOptions {
    return this.#routing;
  }

  /** Other options hold from now on; a budget that stays as it was keeps what it has. */
  configure(routing: ResolvedRoutingOptions): void {
    const nowMs = this.#clock.now();
    const [retries, hedges] = [retryLimits(routing), hedgeLimits(routing)];
    if (!areSame(retries, this.#retryLimits)) this.#retries = newBudget(retries, nowMs);
    if (!areSame(hedges, this.#hedgeLimits)) this.#hedges = newBudget(hedges, nowMs);
    this.#routing = routing;
    this.#retryLimits = retries;
    this.#hedgeLimits = hedges;
  }

  close(): void {
    this.#watch.close();
  }

  /** @param hedgeAtMs when to look whether they are slow; `Infinity` for calls that are not hedged. */
  sent(calls: number, nowMs: number, hedgeAtMs: number): void {
    depositCalls(this.#retries, this.#retryLimits, calls);
    depositCalls(this.#hedges, this.#hedgeLimits, calls);
    if (this.#nextCheckAtMs === Number.POSITIVE_INFINITY) {
      this.#nextCheckAtMs = nowMs + CHECK_MS;
      this.#watch.add(this.#nextCheckAtMs);
    }
    if (hedgeAtMs < this.#nextHedgeAtMs) {
      this.#nextHedgeAtMs = hedgeAtMs;
      this.#watch.add(hedgeAtMs);
    }
  }

  /** How long a call of the set may be out before a second attempt is thought of. */
  hedgeAfterMs(set: ReplicaSet): number {
    return this.#routing.hedgeFraction > 0 ? set.hedgeAfterMs : Number.POSITIVE_INFINITY;
  }

  mayRetry(): boolean {
    return spendCall(this.#retries, this.#retryLimits, this.#clock.now());
  }

  /** Whether a call whose lane is stalled may be made elsewhere too. */
  mayRescue(set: ReplicaSet, lane: Lane, nowMs: number): boolean {
    return set.bestOther(lane, nowMs) !== undefined && spendCall(this.#retries, this.#retryLimits, nowMs);
  }

  /** Whether a second attempt at it would be there first. */
  isSlow({ set, replica, sentAtMs, predictedUs, deadlineAtMs }: SlowAttempt, nowMs: number): boolean {
    const other = set.bestOther(replica.lane, nowMs);
    if (other === undefined) return false;
    const call = {
      elapsedUs: (nowMs - sentAtMs) * 1000,
      predictedUs,
      leftUs: (deadlineAtMs - nowMs) * 1000,
      otherUs: predictedFinishUs(loadOf(other, nowMs)),
      otherBusyFraction: other.lane.busyFraction,
    };
    return isHedgeWorthwhile(call, this.#routing.hedgeMaxBusyFraction);
  }

  mayHedge(nowMs: number): boolean {
    return spendCall(this.#hedges, this.#hedgeLimits, nowMs);
  }

  /** Of two attempts one never started: that was no extra call. */
  moved(extra: Extra): void {
    refundCall(extra === "hedge" ? this.#hedges : this.#retries);
  }

  wasted(): void {
    this.#options.counters.count("run", "wasted");
  }

  #look(nowMs: number): number {
    if (nowMs >= this.#nextCheckAtMs) this.#check(nowMs);
    if (nowMs >= this.#nextHedgeAtMs) this.#hedge(nowMs);
    return Math.min(this.#nextCheckAtMs, this.#nextHedgeAtMs);
  }

  #check(nowMs: number): void {
    settleBudget(this.#retries, this.#retryLimits, nowMs);
    settleBudget(this.#hedges, this.#hedgeLimits, nowMs);
    // If this process itself was held up, replies may lie unread: the silence is not the executors'.
    const wasHeldUp = nowMs - this.#nextCheckAtMs > CHECK_MS;
    let isNeeded = false;
    for (const lane of this.#options.lanes()) {
      const { link } = lane;
      if (link === undefined) continue;
      if (wasHeldUp) lane.excuse(nowMs);
      else if (this.#routing.eject && !lane.isLocal) this.#watchLane(lane, link, nowMs);
      isNeeded ||= lane.outstanding > 0 || lane.ejection.isOut;
    }
    for (const set of this.#options.sets()) set.judge(nowMs);
    this.#nextCheckAtMs = isNeeded ? nowMs + CHECK_MS : Number.POSITIVE_INFINITY;
  }

  #watchLane(lane: Lane, link: Link, nowMs: number): void {
    const { stallMs } = this.#routing;
    if (!lane.isAlive) {
      // It is asked on: a sign of life must come even when nothing is sent there any more.
      link.askForLoad();
      return rescueAll(link, nowMs);
    }
    if (lane.silentMs(nowMs) <= stallMs / 2) return;
    if (lane.hasStalled(stallMs, explainedUs(lane, link) / 1000, nowMs)) {
      lane.stalled(nowMs);
      this.stalls += 1;
      rescueAll(link, nowMs);
    }
  }

  #hedge(nowMs: number): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { link } of this.#options.lanes()) {
      link?.forEachRequest((request) => {
        if (request instanceof OutAttempt) nextMs = Math.min(nextMs, request.hedge(nowMs));
      });
    }
    this.#nextHedgeAtMs = Math.max(nextMs, nowMs + HEDGE_CHECK_MS);
  }
}

/** What the work that a lane has explains: by its cost, and by what its replicas were seen to take. */
function explainedUs(lane: Lane, link: Link): number {
  let longestUs = lane.workUs;
  link.forEachRequest((request) => {
    if (request instanceof OutAttempt) longestUs = Math.max(longestUs, request.knownLatencyUs);
  });
  return longestUs;
}

function rescueAll(link: Link, nowMs: number): void {
  link.forEachRequest((request) => {
    if (request instanceof OutAttempt) request.rescue(nowMs);
  });
}

const areSame = (a: BudgetOptions, b: BudgetOptions): boolean =>
  a.fraction === b.fraction && a.perSecond === b.perSecond;

const retryLimits = ({ retryFraction, retriesPerSecond }: ResolvedRoutingOptions): BudgetOptions => ({
  fraction: retryFraction,
  perSecond: retriesPerSecond,
});

const hedgeLimits = ({ hedgeFraction }: ResolvedRoutingOptions): BudgetOptions => ({
  fraction: hedgeFraction,
  perSecond: 0,
});
