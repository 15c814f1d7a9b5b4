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
    Object.assign(health, unknownHealth(), { calls: MIN_CALLS, latencyUs, predictedUs, excessUs, ejection });
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
  health.recentCalls = 0;
  health.recentExcessUs = Number.POSITIVE_INFINITY;
}

export function learnFailure(health: ReplicaHealth, nowMs: number): void {
  const { ejection } = health;
  if (ejection.isProbing) return eject(ejection, nowMs);
  health.calls += 1;
  health.errorFraction += FORGETTING * (1 - health.errorFraction);
}

/** A call that says neither: refused, cancelled, or the caller's own fault. */
export function learnNothing({ ejection }: ReplicaHealth): void {
  ejection.isProbing = false;
}

/**
 * Leaves out, of one deployment's replicas, those that fail or answer late while others do not. One that is alone in
 * being known is compared with what was predicted: then its siblings are tried, and known from then on.
 */
export function judgeReplicas(replicas: readonly JudgedReplica[], nowMs: number): number {
  if (replicas.length < 2) return 0;
  let ejected = 0;
  let left = Math.floor(replicas.length * MAX_EJECTED_FRACTION);
  for (const { health } of replicas) if (health.ejection.isOut) left -= 1;
  for (const { health } of replicas) {
    if (left <= 0) break;
    if (health.ejection.isOut || health.calls < MIN_CALLS || !hasSibling(replicas, health)) continue;
    const sibling = bestKnownSibling(replicas, health);
    const siblingErrorFraction = sibling?.errorFraction ?? 0;
    if (health.errorFraction > FAILING_FRACTION && siblingErrorFraction * 2 <= health.errorFraction) {
      health.penaltyUs = Number.POSITIVE_INFINITY;
    } else {
      const laterUs = health.excessUs - (sibling?.excessUs ?? 0);
      const usualUs = sibling?.latencyUs ?? health.predictedUs;
      if (laterUs <= Math.max(LATER_BY_US, LATER_BY_TIMES * usualUs)) continue;
      health.penaltyUs = laterUs;
    }
    eject(health.ejection, nowMs);
    left -= 1;
    ejected += 1;
  }
  return ejected;
}

const isSibling = ({ health, isReachable }: JudgedReplica, subject: ReplicaHealth): boolean =>
  health !== subject && isReachable && !health.ejection.isOut;

function hasSibling(replicas: readonly JudgedReplica[], subject: ReplicaHealth): boolean {
  for (const replica of replicas) if (isSibling(replica, subject)) return true;
  return false;
}

/** The one in use that does best beside it. */
function bestKnownSibling(
  replicas: readonly JudgedReplica[],
  subject: ReplicaHealth,
): ReplicaHealth | undefined {
  let best: ReplicaHealth | undefined;
  for (const replica of replicas) {
    const { health } = replica;
    if (!isSibling(replica, subject) || health.calls < MIN_CALLS) continue;
    if (best === undefined || isBetter(health, best)) best = health;
  }
  return best;
}

function isBetter(a: ReplicaHealth, b: ReplicaHealth): boolean {
  const aFails = a.errorFraction > FAILING_FRACTION;
  const bFails = b.errorFraction > FAILING_FRACTION;
  return aFails === bFails ? a.excessUs < b.excessUs : bFails;
}
