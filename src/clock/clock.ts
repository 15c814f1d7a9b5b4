/** Ends a timer that has not fired; harmless after it has. */
export type CancelTimer = () => void;

/**
 * Time as everything that waits or measures sees it. Production has the system's; tests and the virtual runtime have
 * one that they move themselves.
 */
export interface Clock {
  /** Milliseconds on `performance.now()`'s scale. */
  now(): number;
  /** Calls back once, not before `delayMs` have passed. A delay beyond Node's limit of 24.8 days never fires. */
  after(delayMs: number, callback: () => void): CancelTimer;
  /** The same for what must not keep a process alive by itself: deadlines of work that has its own connection. */
  afterInBackground(delayMs: number, callback: () => void): CancelTimer;
  /** Calls back when all that is ready in this turn of the event loop has run. */
  onNextTurn(callback: () => void): CancelTimer;
}

/**
 * Calls back again and again, never twice for one period, until it is cancelled; keeps no process alive. The next period
 * begins before the callback runs, so that one that throws is called again.
 */
export function everyInBackground(clock: Clock, periodMs: number, callback: () => void): CancelTimer {
  let cancelNext: CancelTimer;
  const arm = (): void => {
    cancelNext = clock.afterInBackground(periodMs, () => {
      arm();
      callback();
    });
  };
  arm();
  return () => cancelNext();
}

/** Node's timers hold at most this many milliseconds; longer ones fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const NOTHING: CancelTimer = () => {};

export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, callback) {
    if (delayMs > MAX_TIMER_MS) return NOTHING;
    // Node drops the fraction of a delay, which would fire up to a millisecond early.
    const timer = setTimeout(callback, Math.ceil(Math.max(0, delayMs)));
    return () => clearTimeout(timer);
  },
  afterInBackground(delayMs, callback) {
    if (delayMs > MAX_TIMER_MS) return NOTHING;
    const timer = setTimeout(callback, Math.ceil(Math.max(0, delayMs)));
    timer.unref();
    return () => clearTimeout(timer);
  },
  onNextTurn(callback) {
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  },
};
