import { TuttiError } from "../errors/tutti-error.ts";

/** What one member answered. */
export interface MemberAnswer<V> {
  readonly name: string;
  readonly value: V;
  /** From the option `weights`; 1 where it says nothing. */
  readonly weight: number;
}

/**
 * Makes one value of those members' that answered in time; never called with none. Weights are those of the members
 * that answered: a mean is over what is there, which renormalises by itself.
 */
export interface Combiner<V, R> {
  (answers: readonly MemberAnswer<V>[]): R;
  /** Share of the answering weight that supports the value, 0 to 1. */
  support?(answers: readonly MemberAnswer<V>[], value: R): number;
}

export const mean: Combiner<number, number> = (answers) => {
  let sum = 0;
  for (const { value } of answers) sum += value;
  return sum / answers.length;
};

export const weightedMean: Combiner<number, number> = (answers) => {
  let sum = 0;
  let weights = 0;
  for (const { value, weight } of answers) {
    sum += value * weight;
    weights += weight;
  }
  if (weights > 0) return sum / weights;
  const names = answers.map(({ name }) => name).join(", ");
  throw new TuttiError("BelowQuorum", `the members that answered (${names}) have no weight between them`);
};

/** The value with the most weight behind it; of equal ones the one that the earlier member gave. */
export const vote: Combiner<string | number, string | number> = Object.assign(
  (answers: readonly MemberAnswer<string | number>[]) => {
    let winner = answers[0]!.value;
    let most = Number.NEGATIVE_INFINITY;
    for (const [value, weight] of countVotes(answers)) {
      if (weight > most) {
        winner = value;
        most = weight;
      }
    }
    return winner;
  },
  {
    support: (answers: readonly MemberAnswer<string | number>[], value: string | number) => {
      let total = 0;
      for (const { weight } of answers) total += weight;
      return total > 0 ? (countVotes(answers).get(value) ?? 0) / total : 0;
    },
  },
);

function countVotes(answers: readonly MemberAnswer<string | number>[]): Map<string | number, number> {
  const votes = new Map<string | number, number>();
  for (const { value, weight } of answers) votes.set(value, (votes.get(value) ?? 0) + weight);
  return votes;
}
