import { TuttiError } from "../errors/tutti-error.ts";
import type { CallOutcome, CallStats } from "../wire/messages.ts";
import type { PendingCall } from "./call-port.ts";
import type { MemberAnswer } from "./combiners.ts";
import { currentContext } from "./context.ts";
import type { ResolvedEnsembleOptions } from "./ensemble-options.ts";
import type { EnsembleResult, MemberReport, MemberStatus } from "./ensemble-result.ts";
import type { CallOptions } from "./handle.ts";
import { callScope, type HandleTarget } from "./handle-proxy.ts";

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
  readonly #options: ResolvedEnsembleOptions<V, R>;
  readonly #startedAtMs = performance.now();
  readonly #callContext = currentContext();
  readonly #reports: (MemberReport | undefined)[];
  readonly #answers: (MemberAnswer<V> | undefined)[];
  readonly #errors: (TuttiError | undefined)[] = [];
  readonly #pending: (PendingCall | undefined)[];
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
    this.#options = options;
    this.#left = members.length;
    this.#reports = new Array(members.length).fill(undefined);
    this.#answers = new Array(members.length).fill(undefined);
    this.#pending = new Array(members.length).fill(undefined);
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#start(callOptions, method, args);
  }

  #start(callOptions: CallOptions, method: string, args: readonly unknown[]): void {
    const scope = callScope(callOptions);
    const { reserveMs, deadlineMs } = this.#options;
    let deadlineAtMs = scope.deadlineAtMs - reserveMs;
    if (deadlineMs !== undefined) deadlineAtMs = Math.min(deadlineAtMs, this.#startedAtMs + deadlineMs);
    const { requestId, priority } = scope;
    for (let i = 0; i < this.#members.length; i++) {
      const { target } = this.#members[i]!;
      this.#pending[i] = target.port.dispatch({
        deployment: target.deployment,
        method,
        args,
        requestId,
        deadlineAtMs,
        priority: target.options.priority ?? priority,
        onEnd: (outcome, stats) => this.#end(i, outcome, stats),
      });
    }
    const { signal } = callOptions;
    if (signal !== undefined) {
      const onAbort = () => this.#cancelRest();
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
      const stop = () => signal.removeEventListener("abort", onAbort);
      this.result.then(stop, stop);
    }
  }

  #end(index: number, outcome: CallOutcome, stats: CallStats): void {
    if (this.#reports[index] !== undefined) return;
    this.#left -= 1;
    let status: MemberStatus = "ok";
    if (outcome.ok) {
      try {
        const value = this.#options.select(outcome.value);
        this.#answers[index] = {
          name: this.#members[index]!.name,
          value,
          weight: this.#options.weights[index]!,
        };
        this.#ok += 1;
      } catch (thrown) {
        status = "failed";
        this.#errors[index] = TuttiError.from(thrown);
      }
    } else {
      status = memberStatus(outcome.error);
      this.#errors[index] = outcome.error;
    }
    this.#reports[index] = {
      name: this.#members[index]!.name,
      status,
      output: this.#answers[index]?.value,
      latencyMs: performance.now() - this.#startedAtMs,
      queueMs: stats.queueUs / 1000,
      batchSize: stats.batchItems,
      version: this.#callContext?.applicationVersion ?? "",
    };
    if (this.#done) return;
    if (this.#left === 0) this.#finish();
    else if (this.#ok + this.#left < this.#options.quorum) this.#finish();
  }

  #finish(): void {
    this.#done = true;
    if (this.#left > 0) this.#cancelRest();
    const members = this.#reports as MemberReport[];
    if (this.#ok < this.#options.quorum) return this.#reject(this.#belowQuorum(members));
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
    for (let i = 0; i < this.#pending.length; i++) {
      if (this.#reports[i] === undefined) this.#pending[i]?.cancel();
    }
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

function memberStatus(error: TuttiError): MemberStatus {
  if (error.code === "DeadlineExceeded") return "late";
  if (error.code === "Overloaded") return "shed";
  return error.code === "Cancelled" ? "cancelled" : "failed";
}
