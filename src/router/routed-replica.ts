import type { CallPlace } from "../observe/call-group.ts";
import type { ReplicaLoad } from "../policy/choose-replica.ts";
import { mayProbe } from "../policy/ejection.ts";
import type { WaitingLoad } from "../policy/pack.ts";
import { type ReplicaHealth, unknownHealth } from "../policy/replica-health.ts";
import type { Lane, ReplicaCost } from "./lane.ts";

/**
 * One replica and what this router has outstanding there. It is its own load: the choice is made for each member of
 * each fan-out, and must not make garbage. So is it the place of a call whose first attempt was the last.
 */
export class RoutedReplica implements ReplicaLoad, WaitingLoad, CallPlace {
  readonly attempts = 1;
  readonly sentAtMs = 0;
  readonly target: number;
  readonly lane: Lane;
  readonly health: ReplicaHealth = unknownHealth();
  /** Of its lane's making: asked several times for each member of each fan-out. */
  readonly #cost: ReplicaCost;
  waitingItems = 0;
  /** The moment for which the load is asked. */
  nowMs = 0;

  constructor(target: number, lane: Lane) {
    this.target = target;
    this.lane = lane;
    this.#cost = lane.costOf(target);
  }

  get executor(): string {
    return this.lane.id;
  }

  get laneBacklogUs(): number {
    return this.lane.backlogUs(this.nowMs);
  }

  get busyFraction(): number {
    return this.lane.busyFraction;
  }

  get fixedUs(): number {
    return this.#cost.fixedUs;
  }

  get itemUs(): number {
    return this.#cost.itemUs;
  }

  get laneHealths(): Iterable<ReplicaHealth> {
    return this.lane.healths;
  }

  get penaltyUs(): number {
    return this.health.penaltyUs;
  }

  sent(costUs: number, nowMs: number): void {
    this.waitingItems += 1;
    this.lane.sent(costUs, nowMs);
  }

  ended(costUs: number): void {
    this.waitingItems -= 1;
    this.lane.ended(costUs);
  }

  get isReachable(): boolean {
    return this.lane.isResponsive;
  }

  /** Not taken while there is another. A replica that is only late has a penalty and is taken when that is worth it. */
  get isLeftOut(): boolean {
    return !this.lane.isResponsive || (this.health.ejection.isOut && this.health.penaltyUs === Infinity);
  }

  /** Not to be taken as it is: not connected, or left out in some way. */
  get isOrdinary(): boolean {
    return this.lane.isResponsive && !this.health.ejection.isOut;
  }

  /** Whether the next call is to try it; if so, it is that call. */
  takeProbe(nowMs: number): boolean {
    const { lane, health } = this;
    const { ejection } = lane.ejection.isOut ? lane : health;
    if (!lane.isAlive || lane.isSilent || !mayProbe(ejection, nowMs)) return false;
    ejection.isProbing = true;
    return true;
  }
}

/** The replica's load as of a moment. */
export function loadOf(replica: RoutedReplica, nowMs: number): ReplicaLoad {
  replica.nowMs = nowMs;
  return replica;
}
