import { seededRandom } from "../policy/seeded-random.ts";

/**
 * Send times of a Poisson process, in milliseconds from the start, fixed before the run: a slow system cannot slow
 * its own load down, and two systems given one seed get the very same arrivals.
 *
 * With `risingMs` the rate grows from nothing to `ratePerSecond` in that time: the times of the steady process are mapped
 * through the inverse of the expected count (Çinlar, Introduction to Stochastic Processes, 1975).
 */
export function poissonSchedule(options: {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly seed: number;
  /** Default 0: the whole rate from the start. */
  readonly risingMs?: number;
}): Float64Array {
  const { ratePerSecond, durationMs, seed, risingMs = 0 } = options;
  if (!(ratePerSecond > 0)) throw new RangeError(`poissonSchedule: rate must be > 0, got ${ratePerSecond}`);
  const random = seededRandom(seed);
  const times: number[] = [];
  const meanGapMs = 1000 / ratePerSecond;
  let steadyMs = 0;
  for (;;) {
    steadyMs -= Math.log(1 - random()) * meanGapMs;
    const atMs = whileRising(steadyMs, risingMs);
    if (atMs >= durationMs) return Float64Array.from(times);
    times.push(atMs);
  }
}

/** When as many are expected of the rising process as of the steady one at `steadyMs`: half as many come while it rises. */
function whileRising(steadyMs: number, risingMs: number): number {
  return steadyMs < risingMs / 2 ? Math.sqrt(2 * risingMs * steadyMs) : steadyMs + risingMs / 2;
}
