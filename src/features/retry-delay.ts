export interface RetryPolicy {
  /** Attempts in a row without progress, the first included. */
  readonly maxAttempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

/**
 * Pause before the next attempt: exponential with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS
 * Architecture Blog, 2015), and never more than half the time that is left, so that another attempt fits in.
 *
 * @param failures attempts in a row that failed, at least 1.
 * @param uniform a random number, 0 <= uniform < 1.
 * @returns `undefined` when the attempts are used up.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  failures: number,
  remainingMs: number,
  uniform: number,
): number | undefined {
  if (failures >= policy.maxAttempts) return undefined;
  const ceilingMs = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (failures - 1));
  return Math.min(uniform * ceilingMs, Math.max(0, remainingMs) / 2);
}
