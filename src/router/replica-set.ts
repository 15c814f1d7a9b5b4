import { calledMethod } from "../api/http-call.ts";
import type { CallPlace } from "../observe/call-group.ts";
import { chooseReplica, predictedFinishUs, type ReplicaLoad } from "../policy/choose-replica.ts";
import { gather, quietAfterMoveMs } from "../policy/gather.ts";
import { isSpread, type WaitingLoad } from "../policy/pack.ts";
import type { Lane } from "./lane.ts";
import type { DeploymentRoute } from "./snapshot.ts";

/** Before a replica has said what it costs: calls are counted, not timed. */
const UNKNOWN_COST = { fixedUs: 0, itemUs: 1000 };

/** Of a replica that only waits: with more of its calls outstanding, others are asked too. */
const PACKED_FRACTION = 0.75;
/** An executor that has calls and said nothing for so long may be stuck: the next calls are spread. */
const SILENT_MS = 100;

/** When a home last moved; shared by all sets of a router, since one move at a time is enough. */
export interface HomeMoves {
  nextAtMs: number;
}

/**
 * One replica and what this router has outstanding there. It is its own load: the choice is made for each member of
 * each fan-out, and must not make garbage. So is it the place of a call whose first attempt was the last.
 */
export class RoutedReplica implements ReplicaLoad, WaitingLoad, CallPlace {
  readonly attempts = 1;
  readonly sentAtMs = 0;
  readonly target: number;
  readonly lane: Lane;
  waitingItems = 0;
  /** The moment for which the load is asked. */
  nowMs = 0;

  constructor(target: number, lane: Lane) {
    this.target = target;
    this.lane = lane;
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
    return (this.lane.costOf(this.target) ?? UNKNOWN_COST).fixedUs;
  }

  get itemUs(): number {
    return (this.lane.costOf(this.target) ?? UNKNOWN_COST).itemUs;
  }
}

/** The replicas of one deployment, and which of them takes the next call. */
export class ReplicaSet {
  readonly name: string;
  readonly #idempotent: boolean | ReadonlySet<string>;
  readonly #maxOngoing: number;
  readonly replicas: readonly RoutedReplica[];
  readonly #local: RoutedReplica | undefined;
  readonly #waits: boolean;
  readonly #moves: HomeMoves;
  /** Where the calls of a deployment that computes gather; see `gather`. */
  #home: RoutedReplica | undefined;
  /** The calls of a class that only waits go to more than one replica; see `isSpread`. */
  #spread = false;
  /** Shared with the sets before and after this one: calls end where they began. */
  readonly #ongoing: { calls: number };

  /** @param previous the set that this one replaces: replicas that stay keep their counts. */
  constructor(
    route: DeploymentRoute,
    laneOf: (executor: string) => Lane | undefined,
    previous?: ReplicaSet,
    moves: HomeMoves = { nextAtMs: 0 },
  ) {
    this.#moves = moves;
    this.name = route.name;
    this.#idempotent = typeof route.idempotent === "boolean" ? route.idempotent : new Set(route.idempotent);
    this.#maxOngoing = route.maxOngoing;
    this.#ongoing = previous === undefined ? { calls: 0 } : previous.#ongoing;
    this.replicas = route.replicas.flatMap(({ target, executor }) => {
      const known = previous?.replicas.find((replica) => replica.target === target);
      const lane = laneOf(executor);
      return lane === undefined ? [] : [known ?? new RoutedReplica(target, lane)];
    });
    this.#waits = route.waits;
    this.#local = this.replicas.find(({ lane }) => lane.isLocal);
    this.#spread = previous?.isSpread ?? false;
    this.#settle(this.replicas.find((replica) => replica === previous?.home) ?? fewestHomes(this.replicas));
  }

  get isSpread(): boolean {
    return this.#spread;
  }

  get home(): RoutedReplica | undefined {
    return this.#home;
  }

  get outstanding(): number {
    return this.#ongoing.calls;
  }

  /** Calls outstanding that the replicas are meant to work on; more are refused at once (D4). */
  get isFull(): boolean {
    return this.#ongoing.calls >= this.#maxOngoing * Math.max(1, this.replicas.length);
  }

  isIdempotent(method: string): boolean {
    return typeof this.#idempotent === "boolean"
      ? this.#idempotent
      : this.#idempotent.has(calledMethod(method));
  }

  /**
   * The replica for the next call, among those whose executor is connected; those in `avoid`, and those whose executor
   * is silent, only if there is no other.
   * A replica in this very executor is taken before all: a call that stays in its process costs nothing to carry.
   *
   * Calls of a deployment that computes gather at its home, those of a class that only waits at its first replica, as
   * long as there is no reason to go elsewhere: together they cost less (D6, D7).
   */
  choose(
    avoid: ReadonlySet<Lane> | undefined,
    nowMs: number,
    random: () => number,
  ): RoutedReplica | undefined {
    if (this.#local !== undefined && avoid === undefined) return this.#local;
    let candidates: readonly RoutedReplica[] = this.replicas;
    if (avoid !== undefined || !candidates.every(({ lane }) => lane.isResponsive)) {
      const open = candidates.filter(({ lane }) => lane.link !== undefined);
      const responsive = orAll(
        open.filter(({ lane }) => !lane.isSilent),
        open,
      );
      candidates =
        avoid === undefined
          ? responsive
          : orAll(
              responsive.filter(({ lane }) => !avoid.has(lane)),
              responsive,
            );
    }
    if (candidates.length <= 1) return candidates[0];
    if (avoid !== undefined) return this.#best(candidates, nowMs, random);
    return this.#waits ? this.#pack(candidates, nowMs, random) : this.#gather(candidates, nowMs, random);
  }

  #pack(
    candidates: readonly RoutedReplica[],
    nowMs: number,
    random: () => number,
  ): RoutedReplica | undefined {
    this.#spread = isSpread(candidates, this.#spread);
    const first = candidates[0]!;
    const takesMore =
      !this.#spread &&
      first.waitingItems < this.#maxOngoing * PACKED_FRACTION &&
      first.lane.silentMs(nowMs) < SILENT_MS;
    return takesMore ? first : this.#best(candidates, nowMs, random);
  }

  #gather(
    candidates: readonly RoutedReplica[],
    nowMs: number,
    random: () => number,
  ): RoutedReplica | undefined {
    const at = candidates.indexOf(this.#home!);
    if (at < 0) return this.#best(candidates, nowMs, random);
    const home = candidates[at]!;
    const count = candidates.length;
    const other = candidates[(at + 1 + Math.floor(random() * (count - 1))) % count]!;
    const homeUs = predictedFinishUs(loadOf(home, nowMs));
    const otherUs = predictedFinishUs(loadOf(other, nowMs));
    const gathering = gather(homeUs, otherUs, nowMs >= this.#moves.nextAtMs);
    if (gathering === "home") return home;
    if (gathering === "move") {
      this.#moves.nextAtMs = nowMs + quietAfterMoveMs(homeUs - otherUs);
      home.lane.homes -= 1;
      this.#settle(other);
    }
    return other;
  }

  #settle(home: RoutedReplica | undefined): void {
    this.#home = home;
    if (home !== undefined) home.lane.homes += 1;
  }

  #best(
    candidates: readonly RoutedReplica[],
    nowMs: number,
    random: () => number,
  ): RoutedReplica | undefined {
    return candidates[chooseReplica(candidates.length, (index) => loadOf(candidates[index]!, nowMs), random)];
  }

  /** Whether there is a connected replica elsewhere than on this lane and those avoided. */
  hasOther(lane: Lane, avoid: ReadonlySet<Lane> | undefined): boolean {
    return this.replicas.some(
      (other) => other.lane !== lane && other.lane.link !== undefined && avoid?.has(other.lane) !== true,
    );
  }

  began(): void {
    this.#ongoing.calls += 1;
  }

  ended(): void {
    this.#ongoing.calls -= 1;
  }
}

/** The best of them if there are any, else whatever there is. */
const orAll = <T>(best: readonly T[], all: readonly T[]): readonly T[] => (best.length > 0 ? best : all);
function fewestHomes(replicas: readonly RoutedReplica[]): RoutedReplica | undefined {
  let fewest: RoutedReplica | undefined;
  for (const replica of replicas) {
    if (fewest === undefined || replica.lane.homes < fewest.lane.homes) fewest = replica;
  }
  return fewest;
}

/** The replica's load as of a moment. */
export function loadOf(replica: RoutedReplica, nowMs: number): ReplicaLoad {
  replica.nowMs = nowMs;
  return replica;
}
