/**
 * How long calls of a connection are held, so that more of them travel in one frame. Where they would wait long at the
 * other side, starting a little later costs them nothing, while each frame costs a system call, the waking of a process and
 * often the interruption of another that computes. Under load that comes evenly, frames would else be the smaller the
 * busier the machine is: what wakes first is served first.
 *
 * - **H1** No call is held for longer than a fifth of what calls of late waited at the other side, nor than `MAX_HOLD_MS`; and
 *   none where it would have little company: by Little's law, a fifth of the wait brings a fifth of those under way.
 *
 * Pure. Times in ms.
 */
export interface CallHold {
  /** What those that were answered of late waited at the other side for others' work. */
  waitMs: number;
}

const SHARE_OF_WAIT = 0.2;
const MAX_HOLD_MS = 4;
const COMPANY = 4;
/** A frame of replies: waits go up and down with the batches that calls meet. */
const LEARNING = 0.25;

export const noHold = (): CallHold => ({ waitMs: 0 });

/** @param waitMs of the calls that were answered together, on average. */
export function learnWait(hold: CallHold, waitMs: number): void {
  hold.waitMs += LEARNING * (waitMs - hold.waitMs);
}

/**
 * In whole milliseconds, which is what timers can do; 0: not at all.
 *
 * @param underWay calls on the connection that have no answer yet.
 */
export function holdMsOf({ waitMs }: CallHold, underWay: number): number {
  if (SHARE_OF_WAIT * underWay < COMPANY) return 0;
  return Math.min(MAX_HOLD_MS, Math.floor(SHARE_OF_WAIT * waitMs));
}
