/**
 * When the members of an ensemble that are still out can no longer change what it decides. Both are on the safe side:
 * where rounding could matter, or a tie is possible, the answer is no, and the ensemble waits for one more member.
 */

/** Part of a whole by which two ways of adding up the same numbers may differ; far above what doubles lose. */
const ROUNDING = 1e-9;

/**
 * A vote is settled when the leader keeps its place although all that are out vote for the second, or together for
 * something new. At a tie the order of the members decides, which those that are out can change too.
 *
 * @param votes weight behind each value so far.
 */
export function isVoteSettled(votes: Iterable<number>, pendingWeight: number): boolean {
  let first = 0;
  let second = 0;
  let total = pendingWeight;
  for (const weight of votes) {
    total += weight;
    if (weight > first) {
      second = first;
      first = weight;
    } else if (weight > second) second = weight;
  }
  return first - second - pendingWeight > total * ROUNDING;
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/**
 * A decision by a number is settled when the lowest and the highest number that may still come decide the same, and
 * every decision is one interval of numbers.
 *
 * @param low the least that the number may become, within `bounds`; `high` the most.
 */
export function isRangeSettled(
  low: number,
  high: number,
  { min, max }: Bounds,
  decide: (value: number) => unknown,
): boolean {
  const margin = (max - min) * ROUNDING;
  // Written so that what is no number settles nothing.
  if (!(low - margin <= high + margin)) return false;
  return Object.is(decide(Math.max(min, low - margin)), decide(Math.min(max, high + margin)));
}
