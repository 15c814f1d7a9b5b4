import { addWait, clearWaits, emptyWaits, type WaitHistogram, waitQuantileMs } from "./wait-histogram.ts";

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
 * back. While the wait is shorter than allowed the limit rises, whether it is in use or not: a burst is taken in and
 * only a queue that stands is cut (CoDel, Nichols and Jacobson 2012). It stands when even those who waited least waited
 * long, for a second if it is deep and for three if it is not: after a pause, of an executor that died or a machine that had something else to do, who comes last
 * hardly waits, though who came first did; and a start from cold is over by then. Once it refuses, it is quicker.
 *
 * What ended by its deadline says neither how long it waited nor how long it worked. But where the last who were answered
 * waited for up to about as long as their deadline left them, it cuts the others off: they are taken to have waited for
 * all their time, or a short deadline would hide the queue that it is missed for, and one that all are too late in would
 * never shrink. Else something else was late, and the door stays open.
 *
 * - **A1** The limit is never below `minInFlight` nor above `maxInFlight`.
 * - **A2** While nobody is refused it falls only when the queue stood in six windows in a row that lasted one or three
 *   seconds; else
 *   when the median wait was longer than allowed in two. It rises after each in which that was not so. A window in which
 *   the clock jumped counts for nothing.
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
  /** Windows in a row in which the wait was longer than allowed, and what they lasted. */
  tooLongWindows: number;
  tooLongMs: number;
  /** Of the last window in which any were answered: their time and work on average, and whether their deadline cuts waits off. */
  timeoutMs: number;
  workMs: number;
  isCut: boolean;
  window: LimitWindow;
}

interface LimitWindow {
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
  readonly waits: WaitHistogram;
}

export interface LimitOptions {
  readonly minInFlight: number;
  readonly maxInFlight: number;
  readonly maxQueueMs: number;
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

const SHORTEST_WINDOW_MS = 100;
/** A median of fewer says little; a service with little traffic gets longer windows. */
const WANTED_SAMPLES = 20;
const LONGEST_WINDOW_MS = 1000;
/** In a longer window the clock jumped or the machine stood still: what ended in it says nothing of a rate. */
const LONGEST_TO_JUDGE_MS = 5000;
/** A queue stands when all but this share of those who ended waited for that share of what is allowed. */
const SHARE_THAT_WAITS_LEAST = 0.1;
const STANDING_SHARE = 0.5;
/** Where some expire in a queue and some are answered, the longest waits of these are between half and all of what was left. */
const SHARE_THAT_WAITS_MOST = 0.05;
const SHARE_OF_LEFT = 0.5;
/** So many windows, and so long, before the first is refused: a queue of some times what is allowed, or that most expire in, is deep. */
const STANDING_WINDOWS = 6;
const DEEP_TIMES = 4;
const DEEP_STANDS_MS = 1000;
/** A process whose code is not compiled yet is so far behind for about two seconds. */
const SHALLOW_STANDS_MS = 3000;
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
/** From this share on a limit counts as used up. */
const USED_SHARE = 0.85;
const ALONE_FORGETTING = 0.1;

export function initialLimit({ minInFlight, maxInFlight }: LimitOptions, nowMs: number): InFlightLimit {
  return {
    // From the top: what comes before anything is known is a burst.
    limit: Math.max(minInFlight, maxInFlight),
    waitMs: 0,
    aloneMs: undefined,
    tooLongWindows: 0,
    tooLongMs: 0,
    timeoutMs: 0,
    workMs: 0,
    isCut: false,
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
  if (ended === "expired") window.expired += 1;
  else window.ended += 1;
  if (ended !== undefined && ended !== "expired") {
    const { waitMs, latencyMs, timeoutMs } = ended;
    const boundedMs = Math.min(Math.max(0, waitMs), latencyMs);
    addWait(window.waits, boundedMs);
    window.workSumMs += latencyMs - boundedMs;
    window.timeoutSumMs += timeoutMs;
  }
  const elapsedMs = nowMs - window.startedAtMs;
  if (elapsedMs < 0) {
    // The clock was set back: this window would last until it has caught up.
    resetWindow(window, inFlight, nowMs);
    return false;
  }
  const samples = window.waits.total + (state.isCut ? window.expired : 0);
  if (elapsedMs < SHORTEST_WINDOW_MS || samples === 0) return false;
  if (samples < WANTED_SAMPLES && elapsedMs < LONGEST_WINDOW_MS) return false;
  moveLimit(state, options, elapsedMs);
  resetWindow(window, inFlight, nowMs);
  return true;
}

/** Somebody was refused: a limit that is not used up must not rise for that. */
export function noteRefusal({ window }: InFlightLimit): void {
  window.refused = true;
}

/** How late the edge's own event loop was, now and then. */
export function noteLoopLag({ window }: InFlightLimit, lateMs: number): void {
  window.lagSumMs += lateMs;
  window.lags += 1;
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
function stands(waits: WaitHistogram, allowedWithoutLagMs: number, loopLagMs: number): boolean {
  const leastMs = waitQuantileMs(waits, SHARE_THAT_WAITS_LEAST) + LOOP_PASSES * loopLagMs;
  return leastMs > STANDING_SHARE * allowedWithoutLagMs;
}

function learnAnswered(state: InFlightLimit, options: LimitOptions, answeredMs: number): void {
  const { waits, timeoutSumMs, workSumMs } = state.window;
  if (waits.total === 0) return;
  learnAlone(state, options, answeredMs);
  state.timeoutMs = timeoutSumMs / waits.total;
  state.workMs = workSumMs / waits.total;
  const longestMs = waitQuantileMs(waits, 1 - SHARE_THAT_WAITS_MOST);
  state.isCut = longestMs > SHARE_OF_LEFT * (state.timeoutMs - state.workMs);
}

/** Those who expired waited longest; when they are the half, for all their time. */
function medianWithExpired({ window: { waits, expired }, timeoutMs }: InFlightLimit): number {
  const share = (0.5 * (waits.total + expired)) / waits.total;
  return share < 1 ? waitQuantileMs(waits, share) : timeoutMs;
}

function moveLimit(state: InFlightLimit, options: LimitOptions, elapsedMs: number): void {
  const { window } = state;
  const answeredMs = waitQuantileMs(window.waits, 0.5);
  learnAnswered(state, options, answeredMs);
  const { timeoutMs, workMs } = state;
  const loopLagMs = window.lags === 0 ? 0 : window.lagSumMs / window.lags;
  const allowedMs = allowedWaitMs(state, options, timeoutMs, loopLagMs);
  const areCutOff = state.isCut && window.expired > 0;
  const waitMs = areCutOff ? medianWithExpired(state) : answeredMs;
  state.waitMs = waitMs;
  const isStanding =
    areCutOff || stands(window.waits, allowedWaitMs(state, options, timeoutMs, 0), loopLagMs);
  const isTooLong = waitMs > allowedMs && (window.refused || isStanding);
  if (isTooLong && elapsedMs > LONGEST_TO_JUDGE_MS) return;
  state.tooLongWindows = isTooLong ? state.tooLongWindows + 1 : 0;
  state.tooLongMs = isTooLong ? state.tooLongMs + elapsedMs : 0;
  if (!isTooLong) {
    // Low priority that is held back leaves places free, and waits short, while there is far too much to do.
    if (!window.refused || window.peakInFlight >= USED_SHARE * state.limit)
      state.limit = 1 + state.limit * (1 + (STEEPEST_RISE - 1) * Math.max(0, 1 - waitMs / allowedMs));
  } else if (isTimeToFall(state, allowedMs)) {
    const carried = (window.ended / elapsedMs) * (allowedMs + workMs);
    const lowest = STEEPEST_FALL * Math.min(state.limit, window.peakInFlight);
    state.limit = Math.min(state.limit, Math.max(carried, lowest));
  }
  state.limit = Math.min(Math.max(options.minInFlight, state.limit), bound(options));
}

function isTimeToFall(
  { window, tooLongWindows, tooLongMs, waitMs, timeoutMs }: InFlightLimit,
  allowedMs: number,
): boolean {
  if (window.refused) return tooLongWindows >= 2;
  const isDeep = waitMs > DEEP_TIMES * allowedMs || waitMs >= timeoutMs;
  const standsForMs = isDeep ? DEEP_STANDS_MS : SHALLOW_STANDS_MS;
  return tooLongWindows >= STANDING_WINDOWS && tooLongMs >= standsForMs;
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

function emptyWindow(nowMs: number): LimitWindow {
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
    waits: emptyWaits(),
  };
}

function resetWindow(window: LimitWindow, inFlight: number, nowMs: number): void {
  window.startedAtMs = nowMs;
  window.ended = 0;
  window.expired = 0;
  window.peakInFlight = inFlight;
  window.refused = false;
  window.workSumMs = 0;
  window.timeoutSumMs = 0;
  window.lagSumMs = 0;
  window.lags = 0;
  clearWaits(window.waits);
}
