import type { ErrorCode } from "../errors/codes.ts";
import type { Started } from "../errors/tutti-error.ts";

/** What is known of a failed attempt, and of those before it. */
export interface FailedAttempt {
  readonly code: ErrorCode;
  readonly started: Started;
  readonly idempotent: boolean;
  /** Attempts made so far, this one included. */
  readonly attempts: number;
  /** How many of them ended because their process died while it may have been working on them. */
  readonly deaths: number;
}

export const MAX_ATTEMPTS = 4;
/** An input whose attempts ended this many processes is taken for the reason (D10). */
export const MAX_DEATHS = 2;

/** Failures of the place, not of the call: another replica may do better. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set(["PeerClosed", "Draining", "Unavailable", "Overloaded"]);

/**
 * D3: a call is repeated only if it certainly did not start, or its method is idempotent. The deadline bounds all
 * attempts together and is looked at by the caller.
 */
export function retryDecision(attempt: FailedAttempt): "retry" | "give up" | "poison" {
  // It began and failed by itself; a code of the place is then that of something the call itself called.
  if (attempt.started === "yes" || !ELSEWHERE.has(attempt.code)) return "give up";
  if (attempt.deaths >= MAX_DEATHS) return "poison";
  if (attempt.started !== "no" && !attempt.idempotent) return "give up";
  return attempt.attempts < MAX_ATTEMPTS ? "retry" : "give up";
}
