/**
 * Whether a queue stands, so that some are to be refused, or only passes (decision 0011). Waits that are too long are an
 * overload, and also what an executor that died leaves behind, a node that was stopped, other programs on the machine,
 * and the first seconds of code that is not compiled yet: there refusing loses what could have been answered.
 *
 * - **Q1** A queue that passes is never taken for one that stands before a second is over: not one that becomes shorter,
 *   nor one before lanes that do less than they can, nor any before the service is warm.
 *
 * Pure. Times in ms.
 */
export interface StandingQueue {
  /** Windows in a row in which the median wait was too long, what they lasted, and the most under way in the first of them. */
  windows: number;
  lastedMs: number;
  firstPeak: number;
  /** Of these the last ones, in which even those who waited least waited long. */
  allWaitedWindows: number;
  allWaitedMs: number;
  allWaitedSamples: number;
  /** The most that was carried in a window, slowly forgotten, and how many have been altogether. */
  bestPerMs: number;
  carried: number;
}

/** A window in which the wait was too long. */
export interface LateWindow {
  readonly elapsedMs: number;
  readonly perMs: number;
  readonly peakInFlight: number;
  /** How many it was learned of. */
  readonly samples: number;
  /** The median wait. */
  readonly waitMs: number;
  readonly allowedMs: number;
  /** Even those who waited least waited long. */
  readonly allWaited: boolean;
  /** Most expire. */
  readonly isHopeless: boolean;
}

/** From so many answers on the code on their way is compiled, and what is carried says what can be. */
const WARM_ANSWERS = 5000;
const FORGETTING = 0.01;
/** It stands where as many are under way after some windows as at first, and as much is carried as can be. */
const STEADY_WINDOWS = 3;
const STEADY_MS = 300;
const STEADY_PEAK_SHARE = 0.9;
const FULL_SHARE = 0.7;
/** Else by its length alone, seen by so many: a queue of some times what is allowed, or that most expire in, is deep. */
const STANDING_WINDOWS = 3;
const STANDING_SAMPLES = 60;
const DEEP_TIMES = 4;
const DEEP_STANDS_MS = 1000;
/** A process whose code is not compiled yet is so far behind for about two seconds. */
const SHALLOW_STANDS_MS = 3000;

export const emptyQueue = (): StandingQueue => ({
  windows: 0,
  lastedMs: 0,
  firstPeak: 0,
  allWaitedWindows: 0,
  allWaitedMs: 0,
  allWaitedSamples: 0,
  bestPerMs: 0,
  carried: 0,
});

/** Counts what ended in a window, whether it waited too long or not. */
export function noteCarried(queue: StandingQueue, ended: number, perMs: number): void {
  queue.carried += ended;
  queue.bestPerMs = Math.max(perMs, queue.bestPerMs * (1 - FORGETTING));
}

export function noteShortWait(queue: StandingQueue): void {
  queue.windows = 0;
  queue.lastedMs = 0;
  forgetWhoWaited(queue);
}

export function noteLongWait(queue: StandingQueue, late: LateWindow): void {
  if (queue.windows === 0) queue.firstPeak = late.peakInFlight;
  queue.windows += 1;
  queue.lastedMs += late.elapsedMs;
  if (!late.allWaited) {
    forgetWhoWaited(queue);
    return;
  }
  queue.allWaitedWindows += 1;
  queue.allWaitedMs += late.elapsedMs;
  queue.allWaitedSamples += late.samples;
}

function forgetWhoWaited(queue: StandingQueue): void {
  queue.allWaitedWindows = 0;
  queue.allWaitedMs = 0;
  queue.allWaitedSamples = 0;
}

/** @param late the last window; `noteLongWait` has been told of it. */
export function stands(queue: StandingQueue, late: LateWindow): boolean {
  const { windows, lastedMs, allWaitedWindows, allWaitedMs, allWaitedSamples } = queue;
  if (windows >= STEADY_WINDOWS && lastedMs >= STEADY_MS && isSteady(queue, late)) return true;
  const isDeep = late.isHopeless || late.waitMs > DEEP_TIMES * late.allowedMs;
  return (
    allWaitedWindows >= STANDING_WINDOWS &&
    allWaitedSamples >= STANDING_SAMPLES &&
    allWaitedMs >= (isDeep ? DEEP_STANDS_MS : SHALLOW_STANDS_MS)
  );
}

function isSteady({ carried, bestPerMs, firstPeak }: StandingQueue, { perMs, peakInFlight }: LateWindow) {
  return (
    carried >= WARM_ANSWERS &&
    perMs >= FULL_SHARE * bestPerMs &&
    peakInFlight >= STEADY_PEAK_SHARE * firstPeak
  );
}
