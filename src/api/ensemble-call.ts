import type { Clock } from "../clock/clock.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallPlace } from "../observe/call-group.ts";
import { type CallOutcome, type CallStats, NO_STATS, type RowsOfResult } from "../wire/messages.ts";
import { sliceRows } from "../wire/slice-rows.ts";
import type { PendingCall } from "./call-port.ts";
import type { MemberAnswer } from "./combiners.ts";
import { currentContext } from "./context.ts";
import type { ResolvedEnsembleOptions } from "./ensemble-options.ts";
import type { EnsembleResult, MemberReport, MemberStatus } from "./ensemble-result.ts";
import type { CallOptions } from "./handle.ts";
import { callScope, type HandleTarget, routedMs, statusOf } from "./handle-proxy.ts";

export interface EnsembleMember {
  readonly name: string;
  readonly target: HandleTarget;
}

/**
 * One call of an ensemble, from fan-out to answer. No timer of its own: each member's call carries the ensemble's
 * deadline, by which its carrier ends it (D2), and the last one to end completes the ensemble (E3).
 */
export class EnsembleCall<V, R> {
  readonly result: Promise<EnsembleResult<R>>;
  readonly #members: readonly EnsembleMember[];
  readonly #method: string;
  readonly #options: ResolvedEnsembleOptions<V, R>;
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  readonly #callContext = currentContext();
  readonly #reports: (MemberReport | undefined)[];
  readonly #answers: (MemberAnswer<V> | undefined)[];
  readonly #errors: (TuttiError | undefined)[] = [];
  #pending: PendingCall | undefined;
  #resolve!: (result: EnsembleResult<R>) => void;
  #reject!: (error: TuttiError) => void;
  #left: number;
  #ok = 0;
  #done = false;

  constructor(
    members: readonly EnsembleMember[],
    options: ResolvedEnsembleOptions<V, R>,
    callOptions: CallOptions,
    method: string,
    args: readonly unknown[],
  ) {
    this.#members = members;
    this.#method = method;
    this.#options = options;
    this.#clock = members[0]!.target.port.clock;
    this.#startedAtMs = this.#clock.now();
    this.#left = members.length;
    this.#reports = new Array(members.length).fill(undefined);
    this.#answers = new Array(members.length).fill(undefined);
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#start(callOptions, method, args);
  }

  #start(callOptions: CallOptions, method: string, args: readonly unknown[]): void {
    const { port } = this.#members[0]!.target;
    const scope = callScope({ options: callOptions, port });
    const { reserveMs, deadlineMs } = this.#options;
    let deadlineAtMs = scope.deadlineAtMs - reserveMs;
    if (deadlineMs !== undefined) deadlineAtMs = Math.min(deadlineAtMs, this.#startedAtMs + deadlineMs);
    const { requestId, priority, lean } = scope;
    this.#pending = port.dispatchMany({
      deployments: this.#members.map(({ name }) => name),
      method,
      args,
      requestId,
      deadlineAtMs,
      priority,
      lean,
      hedge: callOptions.hedge ?? false,
      onEnd: (member, outcome, stats, place) => this.#end(member, outcome, stats, place),
      onRows: (member, rows, stats, place) => this.#endRows(member, rows, stats, place),
    });
    const { signal } = callOptions;
    if (signal !== undefined) {
      const onAbort = () => this.#cancelRest();
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
      const stop = () => signal.removeEventListener("abort", onAbort);
      this.result.then(stop, stop);
    }
  }

  #end(index: number, outcome: CallOutcome, stats: CallStats, place: CallPlace | undefined): void {
    if (this.#reports[index] !== undefined) return;
    if (!outcome.ok) return this.#report(index, statusOf(outcome.error), outcome.error, stats, place);
    let value: V;
    try {
      value = this.#options.select(outcome.value);
    } catch (thrown) {
      return this.#report(index, "failed", TuttiError.from(thrown), stats, place);
    }
    this.#answer(index, value, stats, place);
  }

  /** One number out of a shared result is read where it is; anything else is cut out first. */
  #endRows(index: number, rows: RowsOfResult, stats: CallStats, place: CallPlace | undefined): void {
    if (this.#reports[index] !== undefined) return;
    const value = this.#options.selectNumber?.(rows);
    if (value !== undefined) return this.#answer(index, value as V, stats, place);
    const { tensors, firstRow, rows: count } = rows;
    this.#end(index, { ok: true, value: sliceRows(tensors, firstRow, count) }, stats, place);
  }

  #answer(index: number, value: V, stats: CallStats, place: CallPlace | undefined): void {
    this.#answers[index] = { name: this.#members[index]!.name, value, weight: this.#options.weights[index]! };
    this.#ok += 1;
    this.#report(index, "ok", undefined, stats, place);
  }

  #report(
    index: number,
    status: MemberStatus,
    error: TuttiError | undefined,
    stats: CallStats,
    place: CallPlace | undefined,
  ): void {
    this.#left -= 1;
    this.#errors[index] = error;
    this.#reports[index] = {
      name: this.#members[index]!.name,
      status,
      output: this.#answers[index]?.value,
      code: error?.code,
      latencyMs: this.#clock.now() - this.#startedAtMs,
      routedMs: routedMs(place, this.#startedAtMs),
      queueMs: stats.queueUs / 1000,
      runMs: stats.runUs / 1000,
      batchSize: stats.batchItems,
      executor: place?.executor ?? "",
      attempts: place?.attempts ?? 0,
      version: this.#callContext?.applicationVersion ?? "",
    };
    if (this.#done) return;
    if (this.#left === 0 || this.#ok + this.#left < this.#options.quorum) this.#finish();
  }

  #finish(): void {
    this.#done = true;
    if (this.#left > 0) {
      this.#cancelRest();
      // E2, also of those whose end is on its way already, which no cancellation can hasten.
      for (let i = 0; i < this.#reports.length; i++) {
        if (this.#reports[i] === undefined) this.#report(i, "cancelled", undefined, NO_STATS, undefined);
      }
    }
    const members = this.#reports as MemberReport[];
    this.#callContext?.noteCalls({
      method: this.#method,
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#clock.now(),
      calls: members,
    });
    if (this.#ok < this.#options.quorum)
      return this.#reject(this.#callersFault() ?? this.#belowQuorum(members));
    const degraded = this.#ok < members.length;
    if (degraded && this.#callContext !== undefined) this.#callContext.degraded = true;
    const answers = degraded
      ? this.#answers.filter((answer) => answer !== undefined)
      : (this.#answers as MemberAnswer<V>[]);
    try {
      const value = this.#options.combine(answers);
      this.#resolve({ value, degraded, members, confidence: this.#confidence(answers, value) });
    } catch (thrown) {
      this.#reject(TuttiError.from(thrown));
    }
  }

  #confidence(answers: readonly MemberAnswer<V>[], value: R): number {
    let answered = 0;
    let total = 0;
    for (const { weight } of answers) answered += weight;
    for (const weight of this.#options.weights) total += weight;
    const share = total > 0 ? answered / total : answers.length / this.#members.length;
    return share * (this.#options.combine.support?.(answers, value) ?? 1);
  }

  #cancelRest(): void {
    this.#pending?.cancel();
  }

  /** Members that refuse the input itself all refuse it: then it is the caller who must hear that, not a quorum. */
  #callersFault(): TuttiError | undefined {
    const refusals = this.#errors.filter((error) => error !== undefined && error.code !== "Cancelled");
    return refusals.every((error) => CALLERS_FAULTS.has(error!.code)) ? refusals[0] : undefined;
  }

  #belowQuorum(members: readonly MemberReport[]): TuttiError {
    const missing = members.flatMap(({ name, status }, index) =>
      status === "ok" ? [] : [{ name, status, reason: this.#errors[index]?.message ?? status }],
    );
    const first = missing.find(({ status }) => status !== "cancelled") ?? missing[0];
    return new TuttiError(
      "BelowQuorum",
      `${this.#ok} of ${members.length} members answered, ${this.#options.quorum} are needed; ` +
        `${first?.name} ${first?.status}: ${first?.reason}`,
      { details: { missing, members } },
    );
  }
}

const CALLERS_FAULTS: ReadonlySet<ErrorCode> = new Set(["TensorMismatch", "InvalidArgument"]);
