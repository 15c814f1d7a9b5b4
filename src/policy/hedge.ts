/** What is known of a call that is taking long, and of where a second attempt at it would go. Times in µs. */
export interface SlowCall {
  readonly elapsedUs: number;
  /** What its replica was predicted to take when it was sent. */
  readonly predictedUs: number;
  /** Until the call's deadline. */
  readonly leftUs: number;
  /** Predicted finish of a second attempt on the other replica, from now. */
  readonly otherUs: number;
  /** How busy the other replica's lane is. */
  readonly otherBusyFraction: number;
}

/**
 * Whether a second attempt at a slow call is worth while: it must be predicted to be there first, in time, and on a lane
 * that has room, since above some load every extra call makes all others later (Dean and Barroso, "The Tail at Scale",
 * 2013). The budget is looked at by the caller.
 */
export function isHedgeWorthwhile(call: SlowCall, maxBusyFraction: number): boolean {
  if (call.otherBusyFraction > maxBusyFraction) return false;
  return call.otherUs < Math.min(remainingUs(call), call.leftUs);
}

/**
 * How much longer the first attempt will take. While its prediction holds, the rest of that; once it is overdue nothing
 * is known but that it is of the slow ones, and the longer it took, the longer it will take.
 */
function remainingUs({ elapsedUs, predictedUs }: SlowCall): number {
  return Math.max(predictedUs - elapsedUs, (elapsedUs - predictedUs) / 2);
}
