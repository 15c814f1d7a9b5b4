import { calledMethod } from "../api/http-call.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import { type ResolvedRoutingOptions, resolveRoutingOptions } from "../config/routing-options.ts";
import type { RoutedCounts } from "../observe/node-metrics.ts";
import { chooseOfTwo, chooseReplica, predictedFinishUs } from "../policy/choose-replica.ts";
import { gather, quietAfterMoveMs } from "../policy/gather.ts";
import {
  emptyLatencyWindow,
  type LatencyWindow,
  latencyQuantileUs,
  learnLatency,
} from "../policy/latency-window.ts";
import { isSpread } from "../policy/pack.ts";
import {
  judgeReplicas,
  learnAnswer,
  learnFailure,
  learnGivenUp,
  learnNothing,
  speaksAgainst,
} from "../policy/replica-health.ts";
import type { CallOutcome } from "../wire/messages.ts";
import type { Lane } from "./lane.ts";
import { loadOf, RoutedReplica } from "./routed-replica.ts";
import type { DeploymentRoute } from "./snapshot.ts";

/**
 * Of a replica that only waits: with more of its calls outstanding, others are asked too. The rest is for other callers, of whose
 * calls this router does not know. A second process costs the example 50 MB once it serves.
 */
const PACKED_FRACTION = 0.9;
/**
 * An executor that has calls and says nothing for so long, not even when it is asked after half of it, may be stuck: the next
 * calls are spread. Silence alone says nothing: who waits for busy lanes is silent until they have answered.
 */
const STALL_MS = 120;
/**
 * Before it has answered so many, it may be compiling what it runs, and is given longer. So is one that calls would be
 * taken from for another which has to compile it all first: on a busy machine that takes longer than any pause. One that
 * is stopped is found to have stalled by then, and left out (`stragglers.ts`).
 */
const WARM_ANSWERS = 5_000;
const COLD_STALL_MS = 500;

/** When a home last moved; shared by all sets of a router, since one move at a time is enough. */
export interface HomeMoves {
  nextAtMs: number;
}
/** A deployment that has not answered yet may take this long before its silence means something. */
const UNKNOWN_LATENCY_US = 1_000_000;
/** A second attempt sooner than this would only race the first. */
const MIN_HEDGE_AFTER_MS = 1;

/** What is counted of a deployment's calls. Counts only rise. */
interface Totals {
  calls: number;
  failures: number;
  retries: number;
  moves: number;
  hedges: number;
  rescues: number;
  ejections: number;
}

/** What the sets of one deployment share, those before and those after a snapshot: calls end where they began. */
interface SharedCounts {
  calls: number;
  readonly totals: Totals;
  /** Kept from the first call on that may be hedged. */
  latencies: LatencyWindow | undefined;
  hedgeAfterMs: number;
}

/** The replicas of one deployment, and which of them takes the next call. */
export class ReplicaSet {
  readonly name: string;
  readonly #idempotent: boolean | ReadonlySet<string>;
  readonly #maxOngoing: number;
  readonly replicas: readonly RoutedReplica[];
  readonly #local: RoutedReplica | undefined;
  readonly #waits: boolean;
  readonly #clock: Clock;
  readonly #moves: HomeMoves;
  /** Where the calls of a deployment that computes gather; see `gather`. */
  #home: RoutedReplica | undefined;
  /** The calls of a class that only waits go to more than one replica; see `isSpread`. */
  #spread = false;
  /** One of the replicas is wanted; see `judgeReplicas`. */
  #isWatched = false;
  readonly #routing: ResolvedRoutingOptions;
  readonly #shared: SharedCounts;

  /** @param previous the set that this one replaces: replicas that stay keep their counts. */
  constructor(
    route: DeploymentRoute,
    laneOf: (executor: string) => Lane | undefined,
    previous?: ReplicaSet,
    moves: HomeMoves = { nextAtMs: 0 },
    clock: Clock = systemClock,
    routing: ResolvedRoutingOptions = resolveRoutingOptions(),
  ) {
    this.#moves = moves;
    this.#routing = routing;
    this.#clock = clock;
    this.name = route.name;
    this.#idempotent = typeof route.idempotent === "boolean" ? route.idempotent : new Set(route.idempotent);
    this.#maxOngoing = route.maxOngoing;
    this.#shared =
      previous === undefined
        ? { calls: 0, totals: noTotals(), latencies: undefined, hedgeAfterMs: Number.POSITIVE_INFINITY }
        : previous.#shared;
    this.replicas = route.replicas.flatMap(({ target, executor }) => {
      const known = previous?.replicas.find((replica) => replica.target === target);
      const lane = laneOf(executor);
      return lane === undefined ? [] : [known ?? new RoutedReplica(target, lane)];
    });
    for (const { lane, health } of this.replicas) lane.healths.add(health);
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
    return this.#shared.calls;
  }

  /** Calls outstanding that the replicas are meant to work on; more are refused at once (D4). */
  get isFull(): boolean {
    return this.#shared.calls >= this.#maxOngoing * Math.max(1, this.replicas.length);
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
    if (this.#local?.isOrdinary === true && avoid === undefined) return this.#local;
    let candidates: readonly RoutedReplica[] = this.replicas;
    if (avoid !== undefined || this.#isWatched || !candidates.every(isOrdinary))
      candidates = this.#candidates(avoid, nowMs);
    if (candidates.length <= 1) return candidates[0];
    if (avoid !== undefined) return this.#best(candidates, nowMs, random);
    if (this.#waits) return this.#pack(candidates, nowMs, random);
    if (this.#routing.choice === "outstanding") return this.#best(candidates, nowMs, random);
    return this.#gather(candidates, nowMs, random);
  }

  /** When not all replicas are as they should be. */
  #candidates(avoid: ReadonlySet<Lane> | undefined, nowMs: number): readonly RoutedReplica[] {
    const open = this.replicas.filter(({ lane }) => lane.link !== undefined);
    if (open.length <= 1) return open;
    if (avoid === undefined) {
      const probed = open.find((replica) => replica.takeProbe(nowMs)) ?? this.#takeWanted();
      if (probed !== undefined) return [probed];
    }
    // One that is late for no reason of its lane's has a price; where nothing is weighed, that is as good as being out.
    const isOut = ({ isLeftOut, health }: RoutedReplica) =>
      isLeftOut || (health.ejection.isOut && (this.#waits || this.#routing.choice === "outstanding"));
    const well = orAll(
      open.filter((replica) => !isOut(replica)),
      open,
    );
    if (avoid === undefined) return well;
    return orAll(
      well.filter(({ lane }) => !avoid.has(lane)),
      well,
    );
  }

  /** A replica of which nothing is known while its siblings are late: it takes the next call. */
  #takeWanted(): RoutedReplica | undefined {
    this.#isWatched = false;
    const wanted = this.replicas.find(({ health, lane }) => health.isWanted && lane.isResponsive);
    for (const { health } of this.replicas) health.isWanted = false;
    return wanted;
  }

  #pack(
    candidates: readonly RoutedReplica[],
    nowMs: number,
    random: () => number,
  ): RoutedReplica | undefined {
    const first = candidates[0]!;
    // Compiling uses a core and is no load: a second process would only have to compile the same.
    this.#spread = isWarm(first) && isSpread(candidates, this.#spread);
    const takesMore =
      !this.#spread &&
      first.waitingItems < this.#maxOngoing * PACKED_FRACTION &&
      !first.lane.hasStalled(candidates.every(isWarm) ? STALL_MS : COLD_STALL_MS, 0, nowMs);
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
    const other = candidates[count === 2 ? 1 - at : (at + 1 + Math.floor(random() * (count - 1))) % count]!;
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
    if (this.#routing.choice === "outstanding") {
      return candidates[chooseOfTwo(candidates.length, (index) => candidates[index]!.waitingItems, random)];
    }
    return candidates[chooseReplica(candidates.length, (index) => loadOf(candidates[index]!, nowMs), random)];
  }

  /** Whether there is a connected replica elsewhere than on this lane and those avoided. */
  hasOther(lane: Lane, avoid: ReadonlySet<Lane> | undefined): boolean {
    return this.replicas.some(
      (other) => other.lane !== lane && other.lane.link !== undefined && avoid?.has(other.lane) !== true,
    );
  }

  /** Of the replicas elsewhere than on this lane, the one that would be done first; undefined when there is none. */
  bestOther(lane: Lane, nowMs: number): RoutedReplica | undefined {
    let best: RoutedReplica | undefined;
    let bestUs = Number.POSITIVE_INFINITY;
    for (const other of this.replicas) {
      if (other.lane === lane || other.isLeftOut) continue;
      const finishUs = predictedFinishUs(loadOf(other, nowMs));
      if (finishUs >= bestUs) continue;
      best = other;
      bestUs = finishUs;
    }
    return best;
  }

  /** How long a call may be out before a second attempt is thought of; `Infinity` until enough is known. */
  get hedgeAfterMs(): number {
    this.#shared.latencies ??= emptyLatencyWindow(this.#clock.now());
    return this.#shared.hedgeAfterMs;
  }

  /** How long a replica was seen to take; one that was not, as long as its siblings. */
  knownLatencyUs({ health }: RoutedReplica): number {
    if (health.calls > 0) return health.latencyUs;
    let longestUs = 0;
    for (const sibling of this.replicas) longestUs = Math.max(longestUs, sibling.health.latencyUs);
    return longestUs > 0 ? longestUs : UNKNOWN_LATENCY_US;
  }

  /**
   * Learns from how an attempt ended; undefined when that says nothing.
   *
   * @param isLate another attempt had answered before: how long this one took says something of its replica, and nothing of
   *   how long calls take. Else a replica that is late would soon make it usual, and no call of it would get a second attempt.
   * @param nowMs when its end came.
   */
  learn(
    replica: RoutedReplica,
    sentAtMs: number,
    predictedUs: number,
    outcome: CallOutcome | undefined,
    isLate: boolean,
    nowMs = this.#clock.now(),
  ): void {
    const { health, lane } = replica;
    const wasProbe = health.ejection.isProbing;
    if (outcome?.ok === true) {
      const latencyUs = (nowMs - sentAtMs) * 1000;
      lane.answered(nowMs);
      learnAnswer(health, latencyUs, predictedUs, nowMs);
      const { latencies } = this.#shared;
      if (latencies !== undefined && !isLate) learnLatency(latencies, latencyUs, nowMs);
    } else {
      lane.ejection.isProbing = false;
      if (outcome !== undefined && outcome.error.code !== "Cancelled") this.totals.failures += 1;
      if (outcome !== undefined && speaksAgainst(outcome.error.code)) learnFailure(health, nowMs);
      else if (outcome?.error.code === "Cancelled") {
        learnGivenUp(health, (nowMs - sentAtMs) * 1000, predictedUs, nowMs);
      } else learnNothing(health);
    }
    if (wasProbe) this.judge(nowMs);
  }

  /** To be done now and then: leaves out what fails or is late, and finds out what is slow. */
  judge(nowMs: number): void {
    if (this.#routing.eject) {
      this.totals.ejections += judgeReplicas(this.replicas, nowMs, !this.#waits);
      this.#isWatched = this.replicas.some(({ health }) => health.isWanted);
    }
    const { latencies } = this.#shared;
    if (latencies === undefined) return;
    const slowUs = latencyQuantileUs(latencies, this.#routing.hedgeQuantile, nowMs);
    this.#shared.hedgeAfterMs =
      slowUs === undefined ? Number.POSITIVE_INFINITY : Math.max(MIN_HEDGE_AFTER_MS, slowUs / 1000);
  }

  /** A call, or another attempt at one that began before. */
  began(isFirst: boolean): void {
    this.#shared.calls += 1;
    if (isFirst) this.totals.calls += 1;
  }

  ended(): void {
    this.#shared.calls -= 1;
  }

  /** Written to by whoever decides of its calls. */
  get totals(): Totals {
    return this.#shared.totals;
  }

  counts(): RoutedCounts {
    let ejected = 0;
    for (const { health, lane } of this.replicas) {
      if (health.ejection.isOut || lane.ejection.isOut) ejected += 1;
    }
    return { deployment: this.name, ...this.totals, ejected, outstanding: this.outstanding };
  }
}

const noTotals = (): Totals => ({
  calls: 0,
  failures: 0,
  retries: 0,
  moves: 0,
  hedges: 0,
  rescues: 0,
  ejections: 0,
});

/** The best of them if there are any, else whatever there is. */
const orAll = <T>(best: readonly T[], all: readonly T[]): readonly T[] => (best.length > 0 ? best : all);
function fewestHomes(replicas: readonly RoutedReplica[]): RoutedReplica | undefined {
  let fewest: RoutedReplica | undefined;
  for (const replica of replicas) {
    if (fewest === undefined || replica.lane.homes < fewest.lane.homes) fewest = replica;
  }
  return fewest;
}

const isWarm = ({ lane }: RoutedReplica): boolean => lane.answers >= WARM_ANSWERS;
const isOrdinary = (replica: RoutedReplica): boolean => replica.isOrdinary;
