/**
 * A replica, or a whole lane, that is left out of the choice for a while, longer each time, and then tried with one
 * call. Pure: time is an argument; the state is its owner's.
 */
export interface Ejection {
  isOut: boolean;
  /** The one call that tries it is under way. */
  isProbing: boolean;
  /** When it may be tried. */
  untilMs: number;
  /** How often in a row. */
  times: number;
}

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
/** After so long in use nothing of what was before counts. */
const FORGIVEN_MS = 30_000;

export function notEjected(): Ejection {
  return { isOut: false, isProbing: false, untilMs: Number.NEGATIVE_INFINITY, times: 0 };
}

export function eject(ejection: Ejection, nowMs: number): void {
  ejection.times = nowMs - ejection.untilMs > FORGIVEN_MS ? 1 : ejection.times + 1;
  ejection.untilMs = nowMs + Math.min(LONGEST_MS, FIRST_MS * 2 ** (ejection.times - 1));
  ejection.isOut = true;
  ejection.isProbing = false;
}

/** Whether it may be tried now; one call at a time. */
export function mayProbe({ isOut, isProbing, untilMs }: Ejection, nowMs: number): boolean {
  return isOut && !isProbing && nowMs >= untilMs;
}

/** It did well when it was tried. */
export function readmit(ejection: Ejection): void {
  ejection.isOut = false;
  ejection.isProbing = false;
}
