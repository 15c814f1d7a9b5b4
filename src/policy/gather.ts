/**
 * Where the next call of a deployment goes that has a home: the replica where its calls gather.
 *
 * A run of n rows of one model costs `fixed + n * item`, and the fixed part is large where the weights have to be read
 * anew for each run. Calls of one model that are dealt out over two lanes make twice as many runs of half the size;
 * gathered on one lane they share one. So each model has a home, homes are spread over the lanes, and a home moves
 * when its lane has clearly more to do than the other candidate: one home at a time, since a move takes a while to
 * show, and all of them together would only take the queue along.
 */
export type Gathering = "home" | "move" | "elsewhere";

/** Below this much the difference between two lanes is that of a moment. */
const NOISE_US = 1000;
const MOVE_FRACTION = 0.25;
/** From here on waiting for the home's turn to move costs more than a run of its own elsewhere. */
const ELSEWHERE_NOISE_US = 4000;
const ELSEWHERE_FRACTION = 0.6;

/**
 * @param homeUs predicted finish of the call at its home.
 * @param otherUs the same at one other replica, drawn at random (power of two choices, Mitzenmacher 2001).
 * @param mayMove no home has moved just now; see `quietAfterMoveMs`.
 */
export function gather(homeUs: number, otherUs: number, mayMove: boolean): Gathering {
  const gapUs = homeUs - otherUs;
  if (gapUs <= Math.max(NOISE_US, homeUs * MOVE_FRACTION)) return "home";
  if (mayMove) return "move";
  return gapUs > Math.max(ELSEWHERE_NOISE_US, homeUs * ELSEWHERE_FRACTION) ? "elsewhere" : "home";
}

/** After a home has moved: half the time in which the lanes become even, within bounds. */
export function quietAfterMoveMs(gapUs: number): number {
  return Math.min(20, Math.max(0, gapUs / 2000));
}
