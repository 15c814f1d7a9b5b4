import { calledMethod } from "../api/http-call.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import type { CallPlace } from "../observe/call-group.ts";
import { chooseReplica, type ReplicaLoad } from "../policy/choose-replica.ts";
import type { Lane } from "./lane.ts";
import type { DeploymentRoute } from "./snapshot.ts";

/** Before a replica has said what it costs: calls are counted, not timed. */
const UNKNOWN_COST = { fixedUs: 0, itemUs: 1000 };

/**
 * Calls in a row that may follow one another to a replica that only waits. More than that are worth another core.
 */
const MAX_FOLLOWING = 16;

/**
 * One replica and what this router has outstanding there. It is its own load: the choice is made for each member of
 * each fan-out, and must not make garbage. So is it the place of a call whose first attempt was the last.
 */
export class RoutedReplica implements ReplicaLoad, CallPlace {
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
  readonly #clock: Clock;
  readonly replicas: readonly RoutedReplica[];
  readonly #local: RoutedReplica | undefined;
  readonly #waits: boolean;
  /** Where the first call of this tick went, for those that follow it. */
  #leader: RoutedReplica | undefined;
  #followers = 0;
  /** Shared with the sets before and after this one: calls end where they began. */
  readonly #ongoing: { calls: number };

  /** @param previous the set that this one replaces: replicas that stay keep their counts. */
  constructor(
    route: DeploymentRoute,
    laneOf: (executor: string) => Lane | undefined,
    previous?: ReplicaSet,
    clock: Clock = systemClock,
  ) {
    this.#clock = clock;
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
   * Calls of one tick to a class that only waits follow the first of them: they share a frame on the way, and what
   * they cause shares frames again (D6). Two executors that got half each would cost nearly twice as many.
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
    if (this.#waits && avoid === undefined) return this.#follow(candidates, nowMs, random);
    return this.#best(candidates, nowMs, random);
  }

  #follow(
    candidates: readonly RoutedReplica[],
    nowMs: number,
    random: () => number,
  ): RoutedReplica | undefined {
    const leader = this.#leader;
    if (leader?.lane.isResponsive === true && this.#followers < MAX_FOLLOWING) {
      this.#followers += 1;
      return leader;
    }
    if (leader === undefined) {
      this.#clock.onNextTurn(() => {
        this.#leader = undefined;
      });
    }
    this.#followers = 0;
    this.#leader = this.#best(candidates, nowMs, random);
    return this.#leader;
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

/** The replica's load as of a moment. */
export function loadOf(replica: RoutedReplica, nowMs: number): ReplicaLoad {
  replica.nowMs = nowMs;
  return replica;
}
