import {
  addEnd,
  addLag,
  clearWindow,
  emptyWindow,
  isOver,
  type LimitWindow,
  loopLagOf,
  type RequestEnd,
  stoodStill,
} from "./limit-window.ts";
import {
  emptyQueue,
  type LateWindow,
  noteCarried,
  noteLongWait,
  noteShortWait,
  type StandingQueue,
  stands,
} from "./standing-queue.ts";
import { type WaitHistogram, waitQuantileMs } from "./wait-histogram.ts";

/**
 * How many requests may be under way at a time, so that none waits for longer than it should.
 *
 * A limiter that compares latencies alone takes waiting for overload, and here waiting is how batches form: throughput
 * rises with it up to a point. So the two parts of a latency are kept apart. What a request *waited* for others' work
 * is bounded; what was its own *work* is not, so that a slow feature store or a member that never answers does not
 * close the door. By Little's law the requests under way that make the median wait just as long as it may be are
 *
 *     completions per ms x (wait allowed + work)
 *
 * which is where the limit goes when the wait is longer than allowed. It is the gradient rule (Netflix's Gradient2,
 * Envoy's adaptive concurrency) at rest, and it does not fall further while what was admitted before it fell comes
 * back. The completions are the most that was seen of late, not the last: with fewer under way batches are smaller, fewer
 * are carried, and a limit that followed would fall on and on, though the wait became no shorter. While the wait is
 * shorter than allowed the limit rises, whether it is in use or not: a burst is taken in and only a queue that stands is
 * cut (CoDel, Nichols and Jacobson 2012; `standing-queue.ts`). Once it refuses, it is quicker.
 *
 * What ended by its deadline says neither how long it waited nor how long it worked. But where the last who were answered
 * waited for up to about as long as their deadline left them, it cuts the others off: they are taken to have waited for
 * all their time, or a short deadline would hide the queue that it is missed for, and one that all are too late in would
 * never shrink. Else something else was late, and the door stays open.
 *
 * - **A1** The limit is never below `minInFlight` nor above `maxInFlight`.
 * - **A2** While nobody is refused it falls only when a queue stands; else when the median wait was longer than allowed in
 *   two windows in a row. It rises after each in which that was not so. A window in which the clock jumped, or the
 *   edge's process was stopped, counts for nothing.
 * - **A3** Memory is bounded, whatever the load.
 *
 * Pure: time is an argument, nothing is scheduled. Times in ms.
 */
export interface InFlightLimit {
  /** A fraction of it is kept, or a small limit would never rise; who asks takes it rounded down. */
  limit: number;
  /** Median wait of the last window. */
  waitMs: number;
  /** Median wait while hardly anything else is under way: that of members for each other. Undefined until seen. */
  aloneMs: number | undefined;
  /** The most that was carried in a window of late. */
  carriedPerMs: number;
  /** Of the last window in which any were answered: their time and work on average, and whether their deadline cuts waits off. */
  timeoutMs: number;
  workMs: number;
  isCut: boolean;
  readonly queue: StandingQueue;
  readonly window: LimitWindow;
}

export interface LimitOptions {
  readonly minInFlight: number;
  readonly maxInFlight: number;
  readonly maxQueueMs: number;
}

/** In a longer window the clock jumped or the machine stood still: what ended in it says nothing of a rate. */
const LONGEST_TO_JUDGE_MS = 5000;
/** All waited when all but this share of those who ended waited for that share of what is allowed. */
const SHARE_THAT_WAITS_LEAST = 0.1;
const WAITED_SHARE = 0.5;
/**
 * Where some expire in a queue and some are answered, the longest waits of these are between half and all of what their work left
 * them; and much of all their time, or it is the work that they expire of.
 */
const SHARE_THAT_WAITS_MOST = 0.05;
const SHARE_OF_LEFT = 0.5;
const SHARE_OF_ALL = 0.2;
/** The request that just misses a batch waits for it, and then in its own: twice what it waits alone. */
const TIMES_ALONE = 2;
/** A wait beyond this share of the deadline leaves too little for the rest. */
const SHARE_OF_DEADLINE = 0.5;
/** A request waits for the edge's event loop twice: to be read, and for its answer to be. */
const LOOP_PASSES = 2;
/** The edge may be behind for reasons that letting in fewer does not mend, such as very many refusals. */
const SHARE_DESPITE_LAG = 0.25;
/** One window changes the limit by these factors at most; falling, from as many as really were under way. */
const STEEPEST_FALL = 0.5;
const STEEPEST_RISE = 1.2;
/** While some are refused it is about where it should be. */
const STEEPEST_RISE_REFUSING = 1.1;
/** With fewer under way than this share of what is carried the queue is gone, and a limit would only meet who comes later. */
const STILL_THERE_SHARE = 0.5;
/** From this share on a limit counts as used up. */
const USED_SHARE = 0.85;
const ALONE_FORGETTING = 0.1;
/** A window: about a second of them, so that one in which the edge was busy refusing does not count. */
const CARRIED_FORGETTING = 0.12;

export function initialLimit({ minInFlight, maxInFlight }: LimitOptions, nowMs: number): InFlightLimit {
  return {
    // From the top: what comes before anything is known is a burst.
    limit: Math.max(minInFlight, maxInFlight),
    waitMs: 0,
    aloneMs: undefined,
    carriedPerMs: 0,
    timeoutMs: 0,
    workMs: 0,
    isCut: false,
    queue: emptyQueue(),
    window: emptyWindow(nowMs),
  };
}

/** Counts a request that was admitted. */
export function beganInWindow({ window }: InFlightLimit, inFlight: number): void {
  if (inFlight > window.peakInFlight) window.peakInFlight = inFlight;
}

/**
 * Counts a request that has ended, and moves the limit when the window is over.
 *
 * @param inFlight how many are left.
 * @returns true when the limit was looked at anew.
 */
export function endedInWindow(
  state: InFlightLimit,
  options: LimitOptions,
  ended: RequestEnd,
  inFlight: number,
  nowMs: number,
): boolean {
  const { window } = state;
  addEnd(window, ended);
  const elapsedMs = nowMs - window.startedAtMs;
  if (elapsedMs < 0) {
    // The clock was set back: this window would last until it has caught up.
    clearWindow(window, inFlight, nowMs);
    return false;
  }
  const samples = window.waits.total + (state.isCut ? window.expired : 0);
  if (!isOver(elapsedMs, samples, state.waitMs + state.workMs)) return false;
  moveLimit(state, options, elapsedMs, inFlight);
  clearWindow(window, inFlight, nowMs);
  return true;
}

/** Somebody was refused: a limit that is not used up must not rise for that. */
export function noteRefusal({ window }: InFlightLimit): void {
  window.refused = true;
}

/** How late the edge's own event loop was, now and then. */
export function noteLoopLag({ window }: InFlightLimit, lateMs: number): void {
  addLag(window, lateMs);
}

/** The longest median wait that is not too long, in ms. */
export function allowedWaitMs(
  { aloneMs }: InFlightLimit,
  { maxQueueMs }: LimitOptions,
  timeoutMs: number,
  loopLagMs: number,
): number {
  const longest = Math.max(maxQueueMs, TIMES_ALONE * (aloneMs ?? 0));
  const allowed = Math.min(longest, SHARE_OF_DEADLINE * timeoutMs);
  return Math.max(1, SHARE_DESPITE_LAG * allowed, allowed - LOOP_PASSES * loopLagMs);
}

/** Whether nearly everybody waited for long, wherever: inside, or for the edge's event loop. */
function didAllWait(waits: WaitHistogram, allowedWithoutLagMs: number, loopLagMs: number): boolean {
  const leastMs = waitQuantileMs(waits, SHARE_THAT_WAITS_LEAST) + LOOP_PASSES * loopLagMs;
  return leastMs > WAITED_SHARE * allowedWithoutLagMs;
}

function learnAnswered(state: InFlightLimit, options: LimitOptions, answeredMs: number): void {
  const { waits, timeoutSumMs, workSumMs } = state.window;
  if (waits.total === 0) return;
  learnAlone(state, options, answeredMs);
  state.timeoutMs = timeoutSumMs / waits.total;
  state.workMs = workSumMs / waits.total;
  const longestMs = waitQuantileMs(waits, 1 - SHARE_THAT_WAITS_MOST);
  const { timeoutMs, workMs } = state;
  state.isCut = longestMs > Math.max(SHARE_OF_LEFT * (timeoutMs - workMs), SHARE_OF_ALL * timeoutMs);
}

/** Those who expired waited longest; when they are the half, for all their time. */
function medianWithExpired({ window: { waits, expired }, timeoutMs }: InFlightLimit): number {
  const share = (0.5 * (waits.total + expired)) / waits.total;
  return share < 1 ? waitQuantileMs(waits, share) : timeoutMs;
}

function moveLimit(state: InFlightLimit, options: LimitOptions, elapsedMs: number, inFlight: number): void {
  const { window, queue } = state;
  const answeredMs = waitQuantileMs(window.waits, 0.5);
  learnAnswered(state, options, answeredMs);
  const { timeoutMs } = state;
  const loopLagMs = loopLagOf(window);
  const allowedMs = allowedWaitMs(state, options, timeoutMs, loopLagMs);
  const areCutOff = state.isCut && window.expired > 0;
  state.waitMs = areCutOff ? medianWithExpired(state) : answeredMs;
  const isTooLong = state.waitMs > allowedMs;
  if (isTooLong && (elapsedMs > LONGEST_TO_JUDGE_MS || stoodStill(window, elapsedMs))) {
    noteShortWait(queue);
    return;
  }
  const perMs = window.ended / elapsedMs;
  noteCarried(queue, window.ended, perMs);
  state.carriedPerMs = Math.max(perMs, state.carriedPerMs * (1 - CARRIED_FORGETTING));
  if (isTooLong) {
    const late: LateWindow = {
      elapsedMs,
      perMs,
      peakInFlight: window.peakInFlight,
      samples: window.waits.total + (areCutOff ? window.expired : 0),
      waitMs: state.waitMs,
      allowedMs,
      allWaited:
        areCutOff || didAllWait(window.waits, allowedWaitMs(state, options, timeoutMs, 0), loopLagMs),
      isHopeless: state.waitMs >= timeoutMs,
    };
    noteLongWait(queue, late);
    // Where some come too late, what is let in beyond what the last window carried is work for nothing.
    const carried = (areCutOff ? perMs : state.carriedPerMs) * (allowedMs + state.workMs);
    if (window.refused ? queue.windows >= 2 : inFlight >= STILL_THERE_SHARE * carried && stands(queue, late))
      fall(state, carried);
  } else {
    noteShortWait(queue);
    rise(state, allowedMs);
  }
  state.limit = Math.min(Math.max(options.minInFlight, state.limit), bound(options));
}

function rise(state: InFlightLimit, allowedMs: number): void {
  const { window, limit, waitMs } = state;
  // Low priority that is held back leaves places free, and waits short, while there is far too much to do.
  if (window.refused && window.peakInFlight < USED_SHARE * limit) return;
  const steepest = window.refused ? STEEPEST_RISE_REFUSING : STEEPEST_RISE;
  state.limit = 1 + limit * (1 + (steepest - 1) * Math.max(0, 1 - waitMs / allowedMs));
}

/** @param carried so many under way are carried at the wait allowed. */
function fall(state: InFlightLimit, carried: number): void {
  const { limit, window } = state;
  const lowest = STEEPEST_FALL * Math.min(limit, window.peakInFlight);
  state.limit = Math.min(limit, Math.max(carried, lowest));
}

const bound = ({ minInFlight, maxInFlight }: LimitOptions) => Math.max(minInFlight, maxInFlight);

/** Up only by what was seen with hardly anything under way; down by anything, since company never shortens a wait. */
function learnAlone(state: InFlightLimit, { minInFlight }: LimitOptions, waitMs: number): void {
  const isAlone = state.window.peakInFlight <= minInFlight;
  if (state.aloneMs === undefined) {
    if (isAlone) state.aloneMs = waitMs;
  } else if (waitMs < state.aloneMs) state.aloneMs = waitMs;
  else if (isAlone) state.aloneMs += ALONE_FORGETTING * (waitMs - state.aloneMs);
}
