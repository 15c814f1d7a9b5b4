import type { Clock } from "../clock/clock.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallPlace } from "../observe/call-group.ts";
import { type DeadlineLead, leadMs, learnLate } from "../policy/deadline-lead.ts";
import { beginTally, type EnsembleTally, ensembleOutlook, tallyEnd } from "../policy/ensemble-decision.ts";
import { type CallOutcome, type CallStats, NO_STATS, type RowsOfResult } from "../wire/messages.ts";
import { sliceRows } from "../wire/slice-rows.ts";
import { belowQuorum, withReports } from "./below-quorum.ts";
import type { OutgoingFanout, PendingCall } from "./call-port.ts";
import type { MemberAnswer } from "./combiners.ts";
import { currentContext } from "./context.ts";
import type { ResolvedEnsembleOptions } from "./ensemble-options.ts";
import type { EnsembleResult, MemberReport, MemberStatus } from "./ensemble-result.ts";
import type { CallOptions } from "./handle.ts";
import { callScope, type HandleTarget, routedMs, statusOf } from "./handle-proxy.ts";

/** An ensemble as all its calls share it. */
export interface EnsemblePlan<V, R> {
  readonly targets: readonly HandleTarget[];
  readonly options: ResolvedEnsembleOptions<V, R>;
  readonly whole: AskedMembers;
  /** Without the optional members. */
  readonly lean: AskedMembers;
  /** How late its calls are told of their deadline. */
  readonly lead: DeadlineLead;
}

/** The members that a call goes to: their names, and their places in the ensemble. */
export interface AskedMembers {
  readonly deployments: readonly string[];
  readonly members: readonly number[];
  readonly tally: Readonly<EnsembleTally>;
}

export function askedMembers<V, R>(
  targets: readonly HandleTarget[],
  { rules }: ResolvedEnsembleOptions<V, R>,
  isAsked: (member: number) => boolean,
): AskedMembers {
  const members = targets.flatMap((_, member) => (isAsked(member) ? [member] : []));
  return Object.freeze({
    deployments: members.map((member) => targets[member]!.deployment),
    members,
    tally: Object.freeze(beginTally(rules, isAsked)),
  });
}

/** Whose fault it is when no member wanted the input. */
const CALLERS_FAULTS: ReadonlySet<ErrorCode> = new Set(["TensorMismatch", "InvalidArgument"]);

/**
 * One call of an ensemble, from fan-out to answer. No timer of its own: each member's call carries the ensemble's
 * deadline, by which its carrier ends it (D2), and the last one to end completes the ensemble (E3). It is the fan-out
 * that the port carries: with 15 members a call, what is made for each of them is what a call costs.
 */
export class EnsembleCall<V, R> implements OutgoingFanout, PendingCall {
  readonly result: Promise<EnsembleResult<R>>;
  readonly method: string;
  readonly args: readonly unknown[];
  readonly deployments: readonly string[];
  readonly requestId: string;
  readonly deadlineAtMs: number;
  readonly priority: number;
  readonly lean: boolean;
  readonly hedge: boolean;
  readonly #plan: EnsemblePlan<V, R>;
  readonly #asked: AskedMembers;
  readonly #tally: EnsembleTally;
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  readonly #callContext = currentContext();
  readonly #reports: (MemberReport | undefined)[];
  readonly #answers: (MemberAnswer<V> | undefined)[];
  readonly #errors: (TuttiError | undefined)[] = [];
  #pending: PendingCall | undefined;
  #resolve!: (result: EnsembleResult<R>) => void;
  #reject!: (error: TuttiError) => void;
  #done = false;
  /** A member that answered is degraded itself. */
  #isMemberDegraded = false;

  constructor(plan: EnsemblePlan<V, R>, callOptions: CallOptions, method: string, args: readonly unknown[]) {
    const { targets, options } = plan;
    const { port } = targets[0]!;
    const scope = callScope({ options: callOptions, port });
    const asked = scope.lean ? plan.lean : plan.whole;
    this.#plan = plan;
    this.#asked = asked;
    this.#tally = { ...asked.tally };
    this.#clock = port.clock;
    this.#startedAtMs = port.clock.now();
    this.#reports = new Array(targets.length).fill(undefined);
    this.#answers = new Array(targets.length).fill(undefined);
    this.method = method;
    this.args = args;
    this.deployments = asked.deployments;
    this.requestId = scope.requestId;
    this.priority = scope.priority;
    this.lean = scope.lean;
    this.hedge = callOptions.hedge ?? options.hedge;
    const { deadlineMs = Number.POSITIVE_INFINITY, reserveMs } = options;
    const deadlineAtMs = Math.min(scope.deadlineAtMs - reserveMs, this.#startedAtMs + deadlineMs);
    this.deadlineAtMs = deadlineAtMs - leadMs(plan.lead, deadlineAtMs - this.#startedAtMs, this.#startedAtMs);
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (asked !== plan.whole) this.#reportLeftOut();
    const { signal } = callOptions;
    const abortReason = this.#callContext?.abortReason ?? (signal?.aborted ? cancelled() : undefined);
    if (abortReason !== undefined) this.#abort(abortReason);
    else {
      this.#pending = port.dispatchMany(this);
      this.#callContext?.adopt(this);
      if (signal !== undefined) this.#heed(signal);
    }
  }

  /** @param member index among the deployments that the call goes to. */
  onEnd(member: number, outcome: CallOutcome, stats: CallStats, place?: CallPlace): void {
    const index = this.#asked.members[member]!;
    if (this.#reports[index] !== undefined) return;
    if (!outcome.ok) return this.#missing(index, statusOf(outcome.error), outcome.error, stats, place);
    let value: V;
    try {
      value = this.#plan.options.select(outcome.value);
    } catch (thrown) {
      return this.#missing(index, "failed", TuttiError.from(thrown), stats, place);
    }
    this.#answered(index, value, stats, place, this.#clock.now());
  }

  /** One number out of a shared result is read where it is; anything else is cut out first. */
  onRows(
    member: number,
    rows: RowsOfResult,
    stats: CallStats,
    place?: CallPlace,
    nowMs = this.#clock.now(),
  ): void {
    const index = this.#asked.members[member]!;
    if (this.#reports[index] !== undefined) return;
    const value = this.#plan.options.selectNumber?.(rows);
    if (value !== undefined) return this.#answered(index, value as V, stats, place, nowMs);
    const { tensors, firstRow, rows: count } = rows;
    this.onEnd(member, { ok: true, value: sliceRows(tensors, firstRow, count) }, stats, place);
  }

  /** The request that this call is part of was given up. */
  cancel(): void {
    this.#abort(this.#callContext?.abortReason ?? cancelled());
  }

  #heed(signal: AbortSignal): void {
    const onAbort = () => this.#abort(cancelled());
    signal.addEventListener("abort", onAbort, { once: true });
    const stop = () => signal.removeEventListener("abort", onAbort);
    this.result.then(stop, stop);
  }

  #answered(index: number, value: V, stats: CallStats, place: CallPlace | undefined, nowMs: number): void {
    const { combine, rules } = this.#plan.options;
    let refusal: string | undefined;
    try {
      refusal = combine.refusal?.(value);
    } catch (thrown) {
      return this.#missing(index, "failed", TuttiError.from(thrown), stats, place);
    }
    if (refusal !== undefined) {
      return this.#missing(index, "failed", new TuttiError("ApplicationError", refusal), stats, place);
    }
    this.#answers[index] = {
      name: this.#plan.targets[index]!.deployment,
      value,
      weight: rules.weights[index]!,
    };
    this.#report(index, "ok", value, stats, place, nowMs);
    if (stats.degraded === true) this.#isMemberDegraded = true;
    tallyEnd(this.#tally, rules, index, true);
    this.#decide();
  }

  #missing(
    index: number,
    status: MemberStatus,
    error: TuttiError,
    stats: CallStats,
    place: CallPlace | undefined,
  ): void {
    // What was cancelled because the call is over is not missing in its answer.
    if (this.#done) return this.#report(index, "cancelled", undefined, stats, place);
    this.#errors[index] = error;
    if (status === "late") this.#learnLate();
    this.#report(index, status, undefined, stats, place);
    tallyEnd(this.#tally, this.#plan.options.rules, index, false);
    this.#decide();
  }

  #learnLate(): void {
    const nowMs = this.#clock.now();
    learnLate(this.#plan.lead, nowMs - this.deadlineAtMs, nowMs);
  }

  #report(
    index: number,
    status: MemberStatus,
    output: unknown,
    stats: CallStats,
    place: CallPlace | undefined,
    nowMs = this.#clock.now(),
  ): void {
    const { deployment, version } = this.#plan.targets[index]!;
    this.#reports[index] = {
      name: deployment,
      status,
      code: this.#errors[index]?.code,
      output,
      latencyMs: nowMs - this.#startedAtMs,
      routedMs: routedMs(place, this.#startedAtMs),
      queueMs: stats.queueUs / 1000,
      laneMs: (stats.laneUs ?? stats.queueUs) / 1000,
      runMs: stats.runUs / 1000,
      waitedMs: (stats.waitedUs ?? 0) / 1000,
      batchSize: stats.batchItems,
      executor: place?.executor ?? "",
      attempts: place?.attempts ?? 0,
      secondAttempt: place?.secondAttempt,
      degraded: stats.degraded ?? false,
      version: version ?? "",
    };
  }

  #reportLeftOut(): void {
    const { targets, options } = this.#plan;
    for (let index = 0; index < targets.length; index++) {
      if (!options.optional[index]) continue;
      this.#errors[index] = LEFT_OUT;
      this.#report(index, "shed", undefined, NOT_RUN, undefined);
    }
  }

  #decide(): void {
    const outlook = ensembleOutlook(this.#tally, this.#plan.options.rules);
    if (outlook === "wait") return;
    try {
      if (outlook === "enough" && !this.#isSettled()) return;
    } catch (thrown) {
      this.#close();
      return this.#reject(TuttiError.from(thrown));
    }
    this.#close();
    if (outlook === "fail") this.#reject(this.#failure());
    else this.#answer();
  }

  #isSettled(): boolean {
    const { combine, rules } = this.#plan.options;
    if (combine.isSettled === undefined) return false;
    const open = this.#plan.targets.flatMap(({ deployment: name }, index) =>
      this.#reports[index] === undefined ? [{ name, weight: rules.weights[index]! }] : [],
    );
    return combine.isSettled(this.#given(), open);
  }

  /** Nothing more is waited for: what is out is cancelled, and every member has its report (E2). */
  #close(): void {
    this.#done = true;
    this.#callContext?.release(this);
    if (this.#tally.pending > 0) {
      this.#pending?.cancel();
      for (let index = 0; index < this.#reports.length; index++) {
        // Also those whose end is on its way already, which no cancellation can hasten.
        if (this.#reports[index] === undefined)
          this.#report(index, "cancelled", undefined, NO_STATS, undefined);
      }
    }
    this.#callContext?.noteCalls({
      method: this.method,
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#clock.now(),
      calls: this.#reports as MemberReport[],
    });
  }

  #answer(): void {
    const members = this.#reports as MemberReport[];
    const degraded = this.#tally.missing > 0 || this.#isMemberDegraded;
    if (degraded && this.#callContext !== undefined) this.#callContext.degraded = true;
    try {
      const value = this.#plan.options.combine(this.#given());
      this.#resolve({ value, degraded, members, confidence: this.#confidence(value) });
    } catch (thrown) {
      const error = TuttiError.from(thrown);
      this.#reject(error.code === "BelowQuorum" ? withReports(error, members) : error);
    }
  }

  /** What is combined: the answers, and defaults in place of members that ended without one (E1). */
  #given(): readonly MemberAnswer<V>[] {
    const { defaults } = this.#plan.options;
    if (this.#tally.ok === this.#answers.length) return this.#answers as MemberAnswer<V>[];
    const given: MemberAnswer<V>[] = [];
    for (let index = 0; index < this.#answers.length; index++) {
      const answer = this.#answers[index] ?? (this.#reports[index] && defaults?.[index]);
      if (answer !== undefined) given.push(answer);
    }
    return given;
  }

  #confidence(value: R): number {
    const { combine, rules } = this.#plan.options;
    const { totalWeight } = rules;
    const { ok, okWeight } = this.#tally;
    const share = totalWeight > 0 ? okWeight / totalWeight : ok / this.#answers.length;
    if (combine.support === undefined) return share;
    const answers = this.#answers.filter((answer) => answer !== undefined);
    return answers.length === 0 ? 0 : share * combine.support(answers, value);
  }

  #abort(reason: TuttiError): void {
    if (this.#done) return;
    this.#close();
    this.#reject(withReports(reason, this.#reports as MemberReport[]));
  }

  #failure(): TuttiError {
    return (
      this.#callersFault() ??
      belowQuorum(this.#plan.options.rules, this.#tally, this.#reports as MemberReport[], this.#errors)
    );
  }

  /** Members that refuse the input itself all refuse it: then it is the caller who must hear that, not a quorum. */
  #callersFault(): TuttiError | undefined {
    const refusals = this.#errors.filter(
      (error) => error !== undefined && error.code !== "Cancelled" && error !== LEFT_OUT,
    );
    return refusals.every((error) => CALLERS_FAULTS.has(error!.code)) ? refusals[0] : undefined;
  }
}

/** Of a member that was never asked. */
const NOT_RUN: CallStats = Object.freeze({ queueUs: 0, runUs: 0, batchItems: 0 });

const LEFT_OUT = new TuttiError("Overloaded", "left out while the edge is overloaded", { started: "no" });

const cancelled = () => new TuttiError("Cancelled", "the ensemble's call was cancelled by its caller");
