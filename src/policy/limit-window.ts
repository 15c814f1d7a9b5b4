import { addWait, clearWaits, emptyWaits, type WaitHistogram } from "./wait-histogram.ts";

/**
 * What the in-flight limit saw since it was last looked at. Its memory is the same for ten requests and for a million.
 *
 * A window lasts for a tenth of a second, and for twice what requests take where that is longer: requests go through a
 * busy event loop in convoys, so a shorter one sees the front of one, who hardly waited, or its end.
 */
export interface LimitWindow {
  startedAtMs: number;
  /** But for those by their deadline: they are none that were carried. */
  ended: number;
  expired: number;
  peakInFlight: number;
  refused: boolean;
  workSumMs: number;
  timeoutSumMs: number;
  lagSumMs: number;
  lags: number;
  longestLagMs: number;
  readonly waits: WaitHistogram;
}

/** What is known of a request that has been answered. */
export interface EndedRequest {
  /** How long it waited for others' work. */
  readonly waitMs: number;
  /** From its admission to its answer. */
  readonly latencyMs: number;
  /** The time that it was given. */
  readonly timeoutMs: number;
}

/** `expired`: by its deadline. Undefined when nothing is known of how it went: it was given up, or failed at once. */
export type RequestEnd = EndedRequest | "expired" | undefined;

const SHORTEST_MS = 100;
const TIMES_LATENCY = 2;
/** A median of fewer says little; a service with little traffic gets longer windows. */
const WANTED_SAMPLES = 20;
const LONGEST_MS = 1000;

export function emptyWindow(nowMs: number): LimitWindow {
  return {
    startedAtMs: nowMs,
    ended: 0,
    expired: 0,
    peakInFlight: 0,
    refused: false,
    workSumMs: 0,
    timeoutSumMs: 0,
    lagSumMs: 0,
    lags: 0,
    longestLagMs: 0,
    waits: emptyWaits(),
  };
}

export function addEnd(window: LimitWindow, ended: RequestEnd): void {
  if (ended === "expired") window.expired += 1;
  else window.ended += 1;
  if (ended === undefined || ended === "expired") return;
  const { waitMs, latencyMs, timeoutMs } = ended;
  const boundedMs = Math.min(Math.max(0, waitMs), latencyMs);
  addWait(window.waits, boundedMs);
  window.workSumMs += latencyMs - boundedMs;
  window.timeoutSumMs += timeoutMs;
}

/**
 * @param samples of those that ended, how many say something.
 * @param latencyMs what requests took before.
 */
export function isOver(elapsedMs: number, samples: number, latencyMs: number): boolean {
  if (samples === 0) return false;
  const wantedMs = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, TIMES_LATENCY * latencyMs));
  return elapsedMs >= (samples < WANTED_SAMPLES ? LONGEST_MS : wantedMs);
}

export function addLag(window: LimitWindow, lateMs: number): void {
  window.lagSumMs += lateMs;
  window.lags += 1;
  if (lateMs > window.longestLagMs) window.longestLagMs = lateMs;
}

/** However busy an edge is, a turn of its event loop is shorter than this: its process was stopped, or the machine was. */
const STOPPED_MS = 500;
const STOPPED_SHARE = 0.5;

/** For most of this window nothing ran here: what ended in it met what had piled up meanwhile. */
export const stoodStill = ({ longestLagMs }: LimitWindow, elapsedMs: number): boolean =>
  longestLagMs >= STOPPED_MS && longestLagMs > STOPPED_SHARE * elapsedMs;

/** How late the edge's event loop was, on average. */
export const loopLagOf = ({ lagSumMs, lags }: LimitWindow): number => (lags === 0 ? 0 : lagSumMs / lags);

/** @param inFlight how many are under way as the next window begins. */
export function clearWindow(window: LimitWindow, inFlight: number, nowMs: number): void {
  window.startedAtMs = nowMs;
  window.ended = 0;
  window.expired = 0;
  window.peakInFlight = inFlight;
  window.refused = false;
  window.workSumMs = 0;
  window.timeoutSumMs = 0;
  window.lagSumMs = 0;
  window.lags = 0;
  window.longestLagMs = 0;
  clearWaits(window.waits);
}
