import type { ErrorCode } from "../errors/codes.ts";
import { type Ejection, eject, notEjected, readmit } from "./ejection.ts";

/**
 * What a caller has learned of one replica from how its calls ended, beside what the replica says of its own cost.
 * Pure: time is an argument; the state is its owner's.
 */
export interface ReplicaHealth {
  /** Calls that it is known by. */
  calls: number;
  /** Forgetting share of them that failed by the replica's fault. */
  errorFraction: number;
  /** Forgetting means of how long they took, and of how long that was predicted. */
  latencyUs: number;
  predictedUs: number;
  /**
   * By how much more than predicted the *quickest* of its last calls took: one pause makes many calls late together, but
   * not all of a while.
   */
  excessUs: number;
  /** The calls that the next value of `excessUs` is found among. */
  recentCalls: number;
  recentExcessUs: number;
  recentSinceMs: number;
  /** Since when `excessUs` has its value. */
  excessAtMs: number;
  /** A lateness that a sibling was found to share: it is how these calls are, until it grows. */
  sharedExcessUs: number;
  /** The next call is to go here, since its siblings are late and nobody knows how this one is now. */
  isWanted: boolean;
  readonly ejection: Ejection;
  /**
   * What is added to its predicted finish: how much later than its siblings it answers for no reason that its cost
   * explains. Infinite for one that fails.
   */
  penaltyUs: number;
}

/** One of a deployment's replicas. */
export interface JudgedReplica {
  readonly health: ReplicaHealth;
  /** It could take calls, so far as its connection is concerned. */
  readonly isReachable: boolean;
  /** What is known of all replicas on its lane, itself among them. */
  readonly laneHealths: Iterable<ReplicaHealth>;
  /** Share of one core that its executor uses. */
  readonly busyFraction: number;
}

/** Weight of a new call; about the last ten count. */
const FORGETTING = 0.1;
/** Fewer calls than this say nothing, nor do those of a shorter time. */
const MIN_CALLS = 5;
const RECENT_MS = 100;
/** Failing more than this, while a sibling fails half as much at most. */
const FAILING_FRACTION = 0.4;
/** Later than the best sibling by more than this, and by more than three times what a call takes there. */
const LATER_BY_US = 5_000;
const LATER_BY_TIMES = 3;
/** What was learned before says nothing of now. */
const FRESH_MS = 250;
const FRESH_OF_MATES_MS = 1_000;
/** So many times what calls of the others take: on a lane with much to do the quickest of a few is late by chance. */
const LATER_THAN_MATES_TIMES = 2;
/** An executor that uses more of its core than this is late because it is busy, if all its calls are late. */
const BUSY_FRACTION = 0.8;
/** Lateness that was shared and has grown by so much is asked about again. */
const GROWN_TIMES = 1.5;
/** Of a deployment's replicas, at most this share is left out at once. */
const MAX_EJECTED_FRACTION = 0.5;

export function unknownHealth(): ReplicaHealth {
  return {
    calls: 0,
    errorFraction: 0,
    latencyUs: 0,
    predictedUs: 0,
    excessUs: 0,
    recentCalls: 0,
    recentExcessUs: Number.POSITIVE_INFINITY,
    recentSinceMs: 0,
    excessAtMs: Number.NEGATIVE_INFINITY,
    sharedExcessUs: 0,
    isWanted: false,
    ejection: notEjected(),
    penaltyUs: 0,
  };
}

/** Failures that speak against the replica, where its siblings do not have them. Others are the caller's, or the place's. */
const AGAINST: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ApplicationError",
  "BatchSizeMismatch",
  "BelowQuorum",
  "DeadlineExceeded",
  "FeaturesUnavailable",
  "Internal",
  "ModelInvalid",
  "NotSerialisable",
  "Unavailable",
]);

export function speaksAgainst(code: ErrorCode): boolean {
  return AGAINST.has(code);
}

export function learnAnswer(
  health: ReplicaHealth,
  latencyUs: number,
  predictedUs: number,
  nowMs: number,
): void {
  const excessUs = latencyUs - predictedUs;
  const { ejection } = health;
  if (ejection.isProbing) {
    // It is known anew by the call that tried it: what was before is why it was tried.
    const known = { calls: MIN_CALLS, latencyUs, predictedUs, excessUs, excessAtMs: nowMs, ejection };
    Object.assign(health, unknownHealth(), known);
    readmit(ejection);
    return;
  }
  // The first calls count alike, or the very first would count for the last ten.
  const weight = Math.max(FORGETTING, 1 / (health.calls + 1));
  health.calls += 1;
  health.errorFraction -= weight * health.errorFraction;
  health.latencyUs += weight * (latencyUs - health.latencyUs);
  health.predictedUs += weight * (predictedUs - health.predictedUs);
  if (health.recentCalls === 0) health.recentSinceMs = nowMs;
  health.recentCalls += 1;
  if (excessUs < health.recentExcessUs) health.recentExcessUs = excessUs;
  if (health.recentCalls < MIN_CALLS || nowMs - health.recentSinceMs < RECENT_MS) return;
  health.excessUs = health.recentExcessUs;
  health.excessAtMs = nowMs;
  if (health.excessUs < health.sharedExcessUs) health.sharedExcessUs = health.excessUs;
  health.recentCalls = 0;
  health.recentExcessUs = Number.POSITIVE_INFINITY;
}

export function learnFailure(health: ReplicaHealth, nowMs: number): void {
  const { ejection } = health;
  if (ejection.isProbing) return eject(ejection, nowMs);
  health.calls += 1;
  health.errorFraction += FORGETTING * (1 - health.errorFraction);
}

/**
 * A call that was asked back or given up after so long, and would have taken longer: if it was late by then it counts as an
 * answer that took just as long. Else what is hedged, or is no longer waited for, would never be found to be late.
 */
export function learnGivenUp(
  health: ReplicaHealth,
  elapsedUs: number,
  predictedUs: number,
  nowMs: number,
): void {
  if (elapsedUs - predictedUs > lateFromUs(health.predictedUs))
    learnAnswer(health, elapsedUs, predictedUs, nowMs);
  else learnNothing(health);
}

/** A call that says neither: refused, given up soon, or the caller's own fault. */
export function learnNothing({ ejection }: ReplicaHealth): void {
  ejection.isProbing = false;
}

/**
 * Leaves out, of one deployment's replicas, those that fail or answer late while others do not. Late is only what a
 * sibling was not at the same time: one that was not heard of late gets the next call first (`isWanted`), for a replica
 * that takes all calls is not worse than one that took none. And what makes all calls of a lane late is not the replica's:
 * code that is not compiled yet, more callers than cores.
 *
 * @param isPredicted whether how long calls take was foretold from what waits on the lane. Else, being alone on a lane, a
 *   replica that is late cannot be told from one that has much to do.
 * @returns how many more are left out.
 */
export function judgeReplicas(
  replicas: readonly JudgedReplica[],
  nowMs: number,
  isPredicted: boolean,
): number {
  if (replicas.length < 2) return 0;
  let ejected = 0;
  let left = Math.floor(replicas.length * MAX_EJECTED_FRACTION);
  for (const { health } of replicas) if (health.ejection.isOut) left -= 1;
  for (const replica of replicas) {
    if (left <= 0) break;
    const { health } = replica;
    if (health.ejection.isOut || health.calls < MIN_CALLS) continue;
    if (isFailing(replicas, health)) health.penaltyUs = Number.POSITIVE_INFINITY;
    else {
      const laterUs = laterThanSiblingUs(replicas, replica, nowMs, isPredicted);
      if (laterUs === undefined) continue;
      health.penaltyUs = laterUs;
    }
    eject(health.ejection, nowMs);
    left -= 1;
    ejected += 1;
  }
  return ejected;
}

/** Its calls fail, and those of a sibling half as much at most. Of a sibling that is not known the best is hoped. */
function isFailing(replicas: readonly JudgedReplica[], health: ReplicaHealth): boolean {
  if (health.errorFraction <= FAILING_FRACTION) return false;
  let least: number | undefined;
  let hasSibling = false;
  for (const replica of replicas) {
    if (!isSibling(replica, health)) continue;
    hasSibling = true;
    const { calls, errorFraction } = replica.health;
    if (calls >= MIN_CALLS) least = Math.min(least ?? errorFraction, errorFraction);
  }
  return hasSibling && (least ?? 0) * 2 <= health.errorFraction;
}

/** Undefined if it is not, or if that is not known: then a sibling is wanted. */
function laterThanSiblingUs(
  replicas: readonly JudgedReplica[],
  replica: JudgedReplica,
  nowMs: number,
  isPredicted: boolean,
): number | undefined {
  const { health, laneHealths, busyFraction } = replica;
  if (nowMs - health.excessAtMs > FRESH_MS) return undefined;
  const { excessUs } = health;
  if (excessUs <= lateFromUs(health.predictedUs) + health.sharedExcessUs * GROWN_TIMES) return undefined;
  const matesUs = usualLatencyOfMatesUs(laneHealths, health, nowMs);
  if (matesUs === undefined) {
    if (!isPredicted || busyFraction >= BUSY_FRACTION) return undefined;
  } else if (excessUs <= LATER_BY_US + LATER_THAN_MATES_TIMES * matesUs) return undefined;
  let quickest: ReplicaHealth | undefined;
  let quickestUs = Number.POSITIVE_INFINITY;
  let unknown: ReplicaHealth | undefined;
  for (const other of replicas) {
    if (!isSibling(other, health)) continue;
    const siblingUs = freshExcessUs(other.health, nowMs);
    if (siblingUs === undefined) unknown = other.health;
    else if (siblingUs < quickestUs) {
      quickest = other.health;
      quickestUs = siblingUs;
    }
  }
  if (quickest !== undefined && excessUs - quickestUs > lateFromUs(quickest.latencyUs)) {
    return excessUs - quickestUs;
  }
  if (unknown !== undefined) unknown.isWanted = true;
  else if (quickest !== undefined) health.sharedExcessUs = excessUs;
  return undefined;
}

/** How long calls of others on its lane take of late, in the mean; undefined if nobody called them. */
function usualLatencyOfMatesUs(
  laneHealths: Iterable<ReplicaHealth>,
  subject: ReplicaHealth,
  nowMs: number,
): number | undefined {
  let mates = 0;
  let sumUs = 0;
  for (const health of laneHealths) {
    if (health === subject || nowMs - health.excessAtMs > FRESH_OF_MATES_MS) continue;
    mates += 1;
    sumUs += health.latencyUs;
  }
  return mates === 0 ? undefined : sumUs / mates;
}

const lateFromUs = (usualUs: number): number => Math.max(LATER_BY_US, LATER_BY_TIMES * usualUs);

/** By how much the quickest of its calls of just now was late; undefined if there were none. */
function freshExcessUs(health: ReplicaHealth, nowMs: number): number | undefined {
  const isKnown = nowMs - health.excessAtMs <= FRESH_MS;
  if (health.recentCalls === 0 || nowMs - health.recentSinceMs > FRESH_MS) {
    return isKnown ? health.excessUs : undefined;
  }
  return isKnown ? Math.min(health.excessUs, health.recentExcessUs) : health.recentExcessUs;
}

const isSibling = ({ health, isReachable }: JudgedReplica, subject: ReplicaHealth): boolean =>
  health !== subject && isReachable && !health.ejection.isOut;
