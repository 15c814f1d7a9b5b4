/**
 * The guard on the size of batches (additive increase, multiplicative decrease, as in Clipper, Crankshaw et al. 2017,
 * §4.3): the cost table says how long a batch takes; where it is wrong again and again, batches become smaller anyway.
 *
 * The latency that must be kept is the time that the batch's most urgent item had left when it began, so nothing has to
 * be set. A batch counts as a violation only if it was predicted, its spread included, to be on time.
 */
export interface BatchCap {
  readonly maxRows: number;
  /** At least 1, at most `maxRows`; not whole, since it is lowered by fractions. */
  rows: number;
}

/** The optimum moves little, so one violation costs little: Clipper's 10 %. */
const DECREASE = 0.9;
/** Of the largest size, for each batch that was on time. */
const INCREASE_FRACTION = 1 / 64;

export function fullCap(maxRows: number): BatchCap {
  return { maxRows, rows: maxRows };
}

/** Learns in place, once a batch. */
export function learnCap(cap: BatchCap, tookUs: number, promisedUs: number, hadUs: number): void {
  if (tookUs > hadUs) {
    if (promisedUs <= hadUs) cap.rows = Math.max(1, cap.rows * DECREASE);
  } else if (cap.rows < cap.maxRows) {
    cap.rows = Math.min(cap.maxRows, cap.rows + Math.max(1, cap.maxRows * INCREASE_FRACTION));
  }
}
