/**
 * Quantiles of recent latencies: a histogram of logarithmic classes (8 to each doubling, so that a quantile is at most
 * 9 % too high), in two halves of which the older is dropped. Pure: time is an argument.
 */
export interface LatencyWindow {
  current: Uint32Array;
  previous: Uint32Array;
  currentCount: number;
  previousCount: number;
  halfBeganAtMs: number;
}

/** Latencies count for this long at least, and twice as long at most. */
const HALF_MS = 5_000;
/** Fewer than this say nothing of a tail. */
const MIN_SAMPLES = 40;

const CLASSES_A_DOUBLING = 8;
const LOWEST_US = 16;
const CLASSES = 24 * CLASSES_A_DOUBLING;

export function emptyLatencyWindow(nowMs: number): LatencyWindow {
  return {
    current: new Uint32Array(CLASSES),
    previous: new Uint32Array(CLASSES),
    currentCount: 0,
    previousCount: 0,
    halfBeganAtMs: nowMs,
  };
}

export function learnLatency(window: LatencyWindow, us: number, nowMs: number): void {
  forgetOld(window, nowMs);
  window.current[classOf(us)]! += 1;
  window.currentCount += 1;
}

/** In µs; undefined while too little is known. */
export function latencyQuantileUs(
  window: LatencyWindow,
  quantile: number,
  nowMs: number,
): number | undefined {
  forgetOld(window, nowMs);
  const { current, previous, currentCount, previousCount } = window;
  const count = currentCount + previousCount;
  if (count < MIN_SAMPLES) return undefined;
  let above = Math.floor(count * (1 - quantile));
  for (let at = CLASSES - 1; at > 0; at--) {
    above -= current[at]! + previous[at]!;
    if (above < 0) return upperEdgeUs(at);
  }
  return upperEdgeUs(0);
}

function forgetOld(window: LatencyWindow, nowMs: number): void {
  const halves = Math.floor((nowMs - window.halfBeganAtMs) / HALF_MS);
  if (halves < 1) return;
  const { current, previous } = window;
  window.previous = current;
  window.previousCount = window.currentCount;
  window.current = previous.fill(0);
  window.currentCount = 0;
  if (halves > 1) {
    window.previous.fill(0);
    window.previousCount = 0;
  }
  window.halfBeganAtMs += halves * HALF_MS;
}

function classOf(us: number): number {
  if (!(us > LOWEST_US)) return 0;
  return Math.min(CLASSES - 1, Math.floor(Math.log2(us / LOWEST_US) * CLASSES_A_DOUBLING));
}

const upperEdgeUs = (at: number): number => LOWEST_US * 2 ** ((at + 1) / CLASSES_A_DOUBLING);
