import type { ErrorCode } from "../errors/codes.ts";
import type { Started } from "../errors/tutti-error.ts";

/** What is known of a failed attempt, and of those before it. */
export interface FailedAttempt {
  readonly code: ErrorCode;
  readonly started: Started;
  readonly idempotent: boolean;
  /** Attempts made so far, this one included. */
  readonly attempts: number;
  /** It was found to be what ends the executors that run it (D10). */
  readonly isGuilty: boolean;
}

export const MAX_ATTEMPTS = 4;

/** Failures of the place, not of the call: another replica may do better. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set(["PeerClosed", "Draining", "Unavailable", "Overloaded"]);

/**
 * D3: a call is repeated only if it certainly did not start, or its method is idempotent. The deadline bounds all
 * attempts together and is looked at by the caller.
 */
export function retryDecision(attempt: FailedAttempt): "retry" | "give up" | "poison" {
  // It began and failed by itself; a code of the place is then that of something the call itself called.
  if (attempt.started === "yes" || !ELSEWHERE.has(attempt.code)) return "give up";
  if (attempt.isGuilty) return "poison";
  if (attempt.started !== "no" && !attempt.idempotent) return "give up";
  return attempt.attempts < MAX_ATTEMPTS ? "retry" : "give up";
}
