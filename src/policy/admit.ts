import {
  beganInWindow,
  endedInWindow,
  type InFlightLimit,
  initialLimit,
  type LimitOptions,
  noteRefusal,
} from "./in-flight-limit.ts";
import type { RequestEnd } from "./limit-window.ts";

/** `low` is refused first. */
export type RequestPriority = "high" | "low";

/**
 * What becomes of a request: `lean` is admitted, but without what is optional; `refuse-held` is of low priority and
 * would have room, were it not that high priority found none a moment ago.
 */
export type Verdict = "admit" | "lean" | "refuse" | "refuse-held";

export interface AdmitOptions extends LimitOptions {
  /** Share of the limit up to which low priority is admitted. */
  readonly lowPriorityShare: number;
  /** Share of the limit from which on requests are lean. */
  readonly leanShare: number;
  /** How long a stage of overload is kept after its cause was last seen. */
  readonly holdMs: number;
}

/**
 * Whether a request may begin: decided once, at the edge, from what is under way (D5).
 *
 * What is given up, in this order: optional members, requests of low priority, requests.
 *
 * - **A4** Nothing is admitted while as many are under way as may be.
 * - **A5** Low priority is never admitted while high is refused, nor for `holdMs` after.
 * - **A6** Whoever is admitted while low priority is refused is lean.
 *
 * Pure: time and randomness are arguments.
 */
export interface AdmitState {
  readonly limit: InFlightLimit;
  inFlight: number;
  highInFlight: number;
  /** Most of high priority that were under way at a time, since a moment and in the stretch before it. */
  peakHigh: number;
  peakHighBefore: number;
  peaksSinceMs: number;
  leanUntilMs: number;
  lowHeldUntilMs: number;
  /** In this window of the limit and in the one before it. */
  readonly offered: { admitted: number; refused: number; refusedAWindow: number; admittedAWindow: number };
}

export function initialAdmit(options: AdmitOptions, nowMs: number): AdmitState {
  return {
    limit: initialLimit(options, nowMs),
    inFlight: 0,
    highInFlight: 0,
    peakHigh: 0,
    peakHighBefore: 0,
    peaksSinceMs: nowMs,
    leanUntilMs: Number.NEGATIVE_INFINITY,
    lowHeldUntilMs: Number.NEGATIVE_INFINITY,
    offered: { admitted: 0, refused: 0, refusedAWindow: 0, admittedAWindow: 0 },
  };
}

/** Whether a request would be admitted now. Counts nothing: it may be asked again for the same request. */
export function hasRoom(
  state: AdmitState,
  options: AdmitOptions,
  priority: RequestPriority,
  nowMs: number,
): boolean {
  if (priority === "high") return state.inFlight < Math.floor(state.limit.limit);
  return nowMs >= state.lowHeldUntilMs && hasPlaceForLow(state, options, nowMs);
}

/** Decides, and counts the request among those under way if it is admitted: `left` must then be called once. */
export function admit(
  state: AdmitState,
  options: AdmitOptions,
  priority: RequestPriority,
  nowMs: number,
): Verdict {
  const { limit, offered } = state;
  if (!hasRoom(state, options, priority, nowMs)) {
    offered.refused += 1;
    state.leanUntilMs = Math.max(state.leanUntilMs, nowMs + options.holdMs);
    noteRefusal(limit);
    if (priority === "low") return hasPlaceForLow(state, options, nowMs) ? "refuse-held" : "refuse";
    state.lowHeldUntilMs = nowMs + options.holdMs;
    return "refuse";
  }
  const isNear = state.inFlight >= limit.limit * options.leanShare || !hasPlaceForLow(state, options, nowMs);
  if (isNear) state.leanUntilMs = nowMs + options.holdMs;
  state.inFlight += 1;
  if (priority === "high") {
    state.highInFlight += 1;
    notePeak(state, nowMs);
  }
  offered.admitted += 1;
  beganInWindow(limit, state.inFlight);
  return isNear || nowMs < state.leanUntilMs ? "lean" : "admit";
}

/** A request that was admitted has ended. */
export function left(
  state: AdmitState,
  options: AdmitOptions,
  priority: RequestPriority,
  ended: RequestEnd,
  nowMs: number,
): void {
  state.inFlight -= 1;
  if (priority === "high") state.highInFlight -= 1;
  if (!endedInWindow(state.limit, options, ended, state.inFlight, nowMs)) return;
  const { offered } = state;
  offered.refusedAWindow = offered.refused;
  offered.admittedAWindow = offered.admitted;
  offered.refused = 0;
  offered.admitted = 0;
}

export const LONGEST_RETRY_AFTER_SECONDS = 10;

/**
 * When a refused client may come back. If three times as much is offered as is admitted, the clients are spread over
 * three seconds: all of them after one second would be the same overload again.
 *
 * @param random in [0, 1).
 */
export function retryAfterSeconds({ offered }: AdmitState, random: number): number {
  const { refusedAWindow, admittedAWindow } = offered;
  const times = (refusedAWindow + admittedAWindow) / Math.max(1, admittedAWindow);
  const spread = Math.min(LONGEST_RETRY_AFTER_SECONDS, Math.ceil(times));
  return 1 + Math.floor(random * Math.max(1, spread));
}

/**
 * Low priority gets what high leaves of its share: places that become free in a bunch, as those of a batch do, would
 * else all be taken by whoever comes first. The share is below the limit, so that high priority finds room.
 */
function hasPlaceForLow(state: AdmitState, { lowPriorityShare }: AdmitOptions, nowMs: number): boolean {
  const { limit, inFlight, highInFlight } = state;
  const highest = Math.floor(limit.limit);
  // Where only one is let in at a time, it may be of low priority.
  const share = Math.max(1, Math.min(highest - 1, Math.floor(highest * lowPriorityShare)));
  return inFlight < share && inFlight - highInFlight < share - recentPeak(state, nowMs);
}

/** By the clock, not by requests that end: none end when none are let in. */
const PEAK_STRETCH_MS = 200;

function recentPeak({ highInFlight, peakHigh, peakHighBefore, peaksSinceMs }: AdmitState, nowMs: number) {
  const ageMs = nowMs - peaksSinceMs;
  if (ageMs < PEAK_STRETCH_MS) return Math.max(peakHigh, peakHighBefore);
  return ageMs < 2 * PEAK_STRETCH_MS ? peakHigh : highInFlight;
}

function notePeak(state: AdmitState, nowMs: number): void {
  const ageMs = nowMs - state.peaksSinceMs;
  if (ageMs >= PEAK_STRETCH_MS) {
    state.peakHighBefore = ageMs < 2 * PEAK_STRETCH_MS ? state.peakHigh : 0;
    state.peakHigh = 0;
    state.peaksSinceMs = nowMs;
  }
  if (state.highInFlight > state.peakHigh) state.peakHigh = state.highInFlight;
}
