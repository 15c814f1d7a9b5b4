/**
 * Exponential back-off with equal jitter (as in the AWS Architecture Blog's "Exponential Backoff and Jitter"): half of
 * each step is certain, half is drawn.
 *
 * @param failures how many times in a row it failed, at least 1.
 * @param random in [0, 1).
 */
export function backoffMs(failures: number, firstMs: number, maxMs: number, random: number): number {
  return Math.min(maxMs, firstMs * 2 ** (failures - 1)) * (0.5 + random / 2);
}
