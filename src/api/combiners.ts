import { checkKeys, describe } from "../config/check-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { isRangeSettled, isVoteSettled } from "../policy/settled-decision.ts";

/** What one member answered. */
export interface MemberAnswer<V> {
  readonly name: string;
  readonly value: V;
  /** From the option `weights`; 1 where it says nothing. */
  readonly weight: number;
}

/** A member that has not answered yet, and may not. */
export interface OpenMember {
  readonly name: string;
  readonly weight: number;
}

/**
 * Makes one value of the answers that are there, in the order of the members; never called with none. Weights are
 * those of the members that answered: a mean is over what is there, which renormalises by itself.
 *
 * The optional parts are pure functions too. What they throw ends the call.
 */
export interface Combiner<V, R> {
  (answers: readonly MemberAnswer<V>[]): R;
  /** Share of the answering weight that supports the value, 0 to 1. */
  support?(answers: readonly MemberAnswer<V>[], value: R): number;
  /** Why an answer cannot be combined; undefined when it can. The member that gave it is `failed`. */
  refusal?(value: V): string | undefined;
  /**
   * True when whatever the open members say, or if they say nothing, leads to the same decision. The ensemble then
   * cancels them and answers. Without it, an ensemble waits for all of its members.
   */
  isSettled?(answers: readonly MemberAnswer<V>[], open: readonly OpenMember[]): boolean;
}

/** One number that is not finite would make the mean of all of them worthless. */
const notFinite = (value: number): string | undefined =>
  Number.isFinite(value) ? undefined : `a mean is of finite numbers, not of ${describe(value)}`;

export const mean: Combiner<number, number> = Object.assign(
  (answers: readonly MemberAnswer<number>[]) => {
    let sum = 0;
    for (const { value } of answers) sum += value;
    return sum / answers.length;
  },
  { refusal: notFinite },
);

export const weightedMean: Combiner<number, number> = Object.assign(
  (answers: readonly MemberAnswer<number>[]) => {
    let sum = 0;
    let weights = 0;
    for (const { value, weight } of answers) {
      sum += value * weight;
      weights += weight;
    }
    if (weights > 0) return sum / weights;
    const names = answers.map(({ name }) => name).join(", ");
    throw new TuttiError("BelowQuorum", `the members that answered (${names}) have no weight between them`);
  },
  { refusal: notFinite },
);

/**
 * The value with the most weight behind it; of equal ones the one that the earlier member gave. Settled, and so answered
 * without waiting for the rest, as soon as the leader is ahead by more than the weight of all open members.
 */
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
      const total = sumOfWeights(answers);
      return total > 0 ? (countVotes(answers).get(value) ?? 0) / total : 0;
    },
    isSettled: (answers: readonly MemberAnswer<string | number>[], open: readonly OpenMember[]) =>
      isVoteSettled(countVotes(answers).values(), sumOfWeights(open)),
  },
);

/** What is decided by a combined number, and between which numbers each member's answer lies. */
export interface Decision {
  /** Least answer that a member gives. */
  readonly min: number;
  /** Largest. A member that answers outside of them is `failed`. */
  readonly max: number;
  /**
   * What follows from the combined number, e.g. `(value) => value >= 0.5`; compared by `Object.is`. Each outcome must
   * belong to one interval of numbers.
   */
  readonly decide: (value: number) => unknown;
}

/**
 * The same combiner, of whose number only a decision is wanted: the ensemble answers as soon as the open members can no
 * longer change that, although they could still move the number.
 *
 * @param combiner `mean`, `weightedMean` or any other that never falls when an answer rises or one of `max` joins, nor
 * rises when an answer falls or one of `min` joins.
 * @throws TuttiError `InvalidOptions` naming what is wrong with the decision.
 */
export function decisive(combiner: Combiner<number, number>, decision: Decision): Combiner<number, number> {
  checkKeys("decisive", decision, ["min", "max", "decide"]);
  const { min, max, decide } = decision;
  if (!(Number.isFinite(min) && Number.isFinite(max) && min < max)) {
    const found = `${describe(min)} and ${describe(max)}`;
    throw new TuttiError(
      "InvalidOptions",
      `decisive: min and max must be numbers, min below max; got ${found}`,
    );
  }
  if (typeof decide !== "function") {
    throw new TuttiError("InvalidOptions", `decisive: decide must be a function, got ${describe(decide)}`);
  }
  const combine = (answers: readonly MemberAnswer<number>[]) => combiner(answers);
  const all = (answers: readonly MemberAnswer<number>[], open: readonly OpenMember[], value: number) =>
    combiner([...answers, ...open.map(({ name, weight }) => ({ name, weight, value }))]);
  return Object.assign(combine, {
    refusal: (value: number) =>
      value >= min && value <= max
        ? combiner.refusal?.(value)
        : `${describe(value)} is not in ${min} to ${max}`,
    isSettled: (answers: readonly MemberAnswer<number>[], open: readonly OpenMember[]) =>
      // Without any weight there may be no value at all yet.
      sumOfWeights(answers) > 0 &&
      isRangeSettled(all(answers, open, min), all(answers, open, max), { min, max }, decide),
  });
}

function countVotes(answers: readonly MemberAnswer<string | number>[]): Map<string | number, number> {
  const votes = new Map<string | number, number>();
  for (const { value, weight } of answers) votes.set(value, (votes.get(value) ?? 0) + weight);
  return votes;
}

function sumOfWeights(members: readonly OpenMember[]): number {
  let sum = 0;
  for (const { weight } of members) sum += weight;
  return sum;
}
