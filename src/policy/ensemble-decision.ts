/** What an ensemble asks for before it has an answer; lists are by member. */
export interface EnsembleRules {
  /** 0 or more each. */
  readonly weights: readonly number[];
  readonly totalWeight: number;
  /** Members without which there is no answer. */
  readonly required: readonly boolean[];
  /** How many members must answer. */
  readonly quorum: number;
  /** What the weights of those that answered must add up to. */
  readonly minWeight: number;
}

/** How far one call has come: counts, so that no step looks at all members again. */
export interface EnsembleTally {
  ok: number;
  okWeight: number;
  /** Asked, and not ended. */
  pending: number;
  pendingWeight: number;
  requiredPending: number;
  /** Ended without an answer, or not asked. */
  missing: number;
  requiredMissing: number;
}

/**
 * `wait`: members are out that are needed, or may be. `enough`: what is there would do, so that the call may end as
 * soon as the others can no longer change the decision. `complete`: all have ended, and it does. `fail`: whatever the
 * others say, it will not do.
 */
export type EnsembleOutlook = "wait" | "enough" | "complete" | "fail";

/** Sums of weights are taken as equal within this part of all weight: 0.1 + 0.2 is not 0.3 in binary. */
const ROUNDING = 1e-9;

/** Before any member has ended. @param isAsked which members the call goes to. */
export function beginTally(rules: EnsembleRules, isAsked: (member: number) => boolean): EnsembleTally {
  const tally: EnsembleTally = {
    ok: 0,
    okWeight: 0,
    pending: 0,
    pendingWeight: 0,
    requiredPending: 0,
    missing: 0,
    requiredMissing: 0,
  };
  rules.weights.forEach((weight, member) => {
    if (isAsked(member)) {
      tally.pending += 1;
      tally.pendingWeight += weight;
      if (rules.required[member]) tally.requiredPending += 1;
    } else {
      tally.missing += 1;
      if (rules.required[member]) tally.requiredMissing += 1;
    }
  });
  return tally;
}

/** Counts the end of a member that was pending. */
export function tallyEnd(tally: EnsembleTally, rules: EnsembleRules, member: number, isOk: boolean): void {
  const weight = rules.weights[member]!;
  tally.pending -= 1;
  tally.pendingWeight -= weight;
  if (isOk) {
    tally.ok += 1;
    tally.okWeight += weight;
  } else tally.missing += 1;
  if (!rules.required[member]) return;
  tally.requiredPending -= 1;
  if (!isOk) tally.requiredMissing += 1;
}

/** What can be said of the call now. Once it is not `wait`, more members can only turn `enough` into `complete`. */
export function ensembleOutlook(tally: EnsembleTally, rules: EnsembleRules): EnsembleOutlook {
  const { ok, pending, requiredPending } = tally;
  if (tally.requiredMissing > 0 || ok + pending < rules.quorum) return "fail";
  if (!weighsEnough(tally.okWeight + tally.pendingWeight, rules)) return "fail";
  if (pending === 0) return "complete";
  const isEnough = requiredPending === 0 && ok >= rules.quorum && weighsEnough(tally.okWeight, rules);
  return isEnough ? "enough" : "wait";
}

/** Whether that much weight is what the rules ask for. */
export function weighsEnough(weight: number, { minWeight, totalWeight }: EnsembleRules): boolean {
  return weight >= minWeight - totalWeight * ROUNDING;
}
