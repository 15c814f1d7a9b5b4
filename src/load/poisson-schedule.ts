import { seededRandom } from "../policy/seeded-random.ts";

/**
 * Send times of a Poisson process, in milliseconds from the start, fixed before the run: a slow system cannot slow
 * its own load down, and two systems given one seed get the very same arrivals.
 */
export function poissonSchedule(options: {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly seed: number;
}): Float64Array {
  const { ratePerSecond, durationMs, seed } = options;
  if (!(ratePerSecond > 0)) throw new RangeError(`poissonSchedule: rate must be > 0, got ${ratePerSecond}`);
  const random = seededRandom(seed);
  const times: number[] = [];
  const meanGapMs = 1000 / ratePerSecond;
  let at = 0;
  for (;;) {
    at -= Math.log(1 - random()) * meanGapMs;
    if (at >= durationMs) return Float64Array.from(times);
    times.push(at);
  }
}
