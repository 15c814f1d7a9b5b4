import { isBatched } from "../api/batched.ts";
import { runInContext } from "../api/context.ts";
import { calledMethod, HTTP_PREFIX, type HttpCall } from "../api/http-call.ts";
import type { Route } from "../api/http-routes.ts";
import { methodNames } from "../api/method-names.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import type { ResolvedDeploymentOptions } from "../config/deployment-options.ts";
import { failedWhileRunning, TuttiError } from "../errors/tutti-error.ts";
import { CallCounters, type Ending } from "../observe/call-counters.ts";
import { type CallBook, CallRecorder } from "../observe/call-recorder.ts";
import { Suspicion } from "../policy/suspicion.ts";
import { DeadlineWatch } from "../wire/deadline-watch.ts";
import {
  type CallOutcome,
  type CallStats,
  type CostReport,
  type IncomingCall,
  NO_STATS,
} from "../wire/messages.ts";
import type { BatchingStatus } from "./batch-decisions.ts";
import { BatchedMethod, HUNG_GRACE_MS } from "./batched-method.ts";
import type { HostedReplica, ReplySink, StreamSink } from "./hosted-replica.ts";
import { answerHttp, type Methods } from "./http-adapter.ts";
import { Quarantine, type Suspect } from "./quarantine.ts";
import { type ServedBy, ServedCall } from "./served-call.ts";
import { isAsyncIterable, ServedStream } from "./served-stream.ts";

export interface CodeReplicaOptions {
  readonly target: number;
  readonly deployment: string;
  readonly options: ResolvedDeploymentOptions;
  readonly instance: object;
  /** The application's routes when this is its ingress; else none. */
  readonly routes: readonly Route[] | undefined;
  readonly servedBy: ServedBy;
  /** Default the system's. */
  readonly clock?: Clock;
  /** Of the whole process. Default new ones. */
  readonly counters?: CallCounters;
  /** Of the whole process. Default a new one. */
  readonly recorder?: CallRecorder;
}

/** What a class that computes is taken to need for one call before it has shown it. */
const FIRST_COMPUTE_US = 250_000;
/** User code may take longer than it ever did: so much is added to what it is known to take. */
const COMPUTE_SLACK_US = 250_000;
/** How much of its longest call it keeps with each shorter one. */
const COMPUTE_FORGETS = 0.95;

/**
 * One instance of a user's class. Only methods found on the class when it was built, and its batched fields, can be
 * called by name: a name in a frame is never looked up on the object itself.
 *
 * A call that never returns holds its place until a moment after its deadline and no longer; a replica with more such
 * calls than it may work on is unhealthy.
 */
export class CodeReplica implements HostedReplica {
  readonly target: number;
  readonly deployment: string;
  #options: ResolvedDeploymentOptions;
  readonly #instance: Methods;
  readonly #methods: ReadonlySet<string>;
  readonly #batched = new Map<string, BatchedMethod>();
  readonly #routes: readonly Route[] | undefined;
  readonly #servedBy: ServedBy;
  readonly #clock: Clock;
  readonly #counters: CallCounters;
  readonly #recorder: CallRecorder;
  readonly #books = new Map<string, CallBook>();
  /** Calls being worked on, each at its `place`. */
  readonly #accepted: AcceptedCall[] = [];
  readonly #overdue: DeadlineWatch;
  #quarantine: Quarantine | undefined;
  #ongoing = 0;
  /** Calls that were given up and have not returned. */
  #hung = 0;
  #longestRunUs = FIRST_COMPUTE_US;
  #closed = false;

  constructor({
    target,
    deployment,
    options,
    instance,
    routes,
    servedBy,
    clock,
    counters,
    recorder,
  }: CodeReplicaOptions) {
    this.target = target;
    this.deployment = deployment;
    this.#options = options;
    // The one place where an instance of an unknown class is given a shape; `#methods` guards every look-up.
    this.#instance = instance as Methods;
    this.#methods = new Set(methodNames(Object.getPrototypeOf(instance)));
    this.#routes = routes;
    this.#servedBy = servedBy;
    this.#clock = clock ?? systemClock;
    this.#counters = counters ?? new CallCounters();
    this.#recorder = recorder ?? new CallRecorder();
    this.#overdue = new DeadlineWatch((nowMs) => this.#giveUpOverdue(nowMs), this.#clock);
    const limits = {
      maxItems: options.maxOngoingRequests,
      maxQueueMs: options.maxQueueMs,
      onLost: (_item: unknown, _nowMs: number, ended: Ending) => this.#counters.count("queue", ended),
    };
    for (const [name, value] of Object.entries(instance)) {
      if (isBatched(value))
        this.#batched.set(name, new BatchedMethod(`${deployment}.${name}`, value, limits, this.#clock));
    }
  }

  get gracefulShutdownMs(): number {
    return this.#options.gracefulShutdownMs;
  }

  get ongoing(): number {
    return this.#ongoing;
  }

  get queuedItems(): number {
    return this.#ongoing;
  }

  readonly backlogUs = 0;

  /** Learned for classes that compute, and only for them: others may wait as long as they like without blocking. */
  get longestRunUs(): number {
    return this.#options.compute ? this.#longestRunUs + COMPUTE_SLACK_US : 0;
  }

  cost(): CostReport | undefined {
    return undefined;
  }

  batching(): readonly BatchingStatus[] {
    return [...this.#batched.values()].map((method) => method.status(this.target));
  }

  accept(call: IncomingCall, from: StreamSink, part: number): void {
    const refusal = this.#refusal(call);
    if (refusal !== undefined) return from.reply(call.id, { ok: false, error: refusal }, NO_STATS, part);
    this.#ongoing += 1;
    const served = new ServedCall(call, this.#servedBy, this.#clock);
    const accepted: AcceptedCall = {
      call,
      part,
      from,
      served,
      batchSink: undefined,
      stream: undefined,
      place: this.#accepted.length,
      suspect: undefined,
      hasEnded: false,
    };
    this.#accepted.push(accepted);
    this.#overdue.add(call.deadlineAtMs + HUNG_GRACE_MS);
    const batchedMethod = this.#batched.get(call.method);
    if (batchedMethod !== undefined) this.#enqueue(batchedMethod, accepted);
    else if (isToBeAnnounced(call, from)) this.#isolate(accepted);
    else void this.#serve(accepted);
  }

  cancel(id: number, from: ReplySink): void {
    const error = new TuttiError("Cancelled", "the caller gave the call up");
    for (const accepted of this.#accepted) {
      if (accepted.call.id === id && accepted.from === from) abortCall(accepted, error);
    }
  }

  /** Only an input of a batched method can be given back: what else waits is under suspicion, and about to begin. */
  withdraw(id: number, part: number, from: ReplySink, abort: boolean): void {
    const accepted = this.#accepted.find(
      (one) => one.call.id === id && one.part === part && one.from === from,
    );
    if (accepted === undefined) return;
    const { call, batchSink } = accepted;
    if (batchSink !== undefined) this.#batched.get(call.method)?.withdraw(id, part, batchSink);
    if (abort) abortCall(accepted, new TuttiError("Cancelled", "the caller has another answer"));
  }

  async checkHealth(): Promise<void> {
    if (this.#hung > this.#options.maxOngoingRequests)
      throw new Error(`${this.#hung} calls did not return by their deadline, nor since`);
    await (this.#instance as { checkHealth?: () => unknown }).checkHealth?.();
  }

  /**
   * Other options from now on. What is bounded by them already under way goes on; the queue of a batched method keeps its bounds.
   *
   * @throws what its `reconfigure` throws; then it keeps the options that it has.
   */
  async configure(options: ResolvedDeploymentOptions): Promise<void> {
    if (JSON.stringify(options.userConfig) !== JSON.stringify(this.#options.userConfig)) {
      const { reconfigure } = this.#instance as { reconfigure?: (userConfig: unknown) => unknown };
      if (reconfigure === undefined) {
        const message = `${this.deployment} has a userConfig, but no method reconfigure(userConfig)`;
        throw new TuttiError("InvalidOptions", message);
      }
      await reconfigure.call(this.#instance, options.userConfig);
    }
    this.#options = options;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const error = new TuttiError("Draining", `${this.deployment} is stopping`, { started: "maybe" });
    for (const accepted of this.#accepted) abortCall(accepted, error);
    const notStarted = new TuttiError(error.code, error.message, { started: "no" });
    for (const method of this.#batched.values()) method.close(notStarted);
    this.#overdue.close();
    const { [Symbol.asyncDispose]: dispose } = this.#instance as Partial<AsyncDisposable>;
    await dispose?.call(this.#instance);
  }

  #refusal(call: IncomingCall): TuttiError | undefined {
    if (this.#closed) return new TuttiError("Draining", `${this.deployment} is stopping`, { started: "no" });
    if (this.#ongoing >= this.#options.maxOngoingRequests) {
      this.#counters.count("door", "refused");
      const message = `${this.deployment} works on ${this.#ongoing} calls, as many as it may`;
      return new TuttiError("Overloaded", message, { started: "no", retryAfterSeconds: 1 });
    }
    if (call.deadlineAtMs <= this.#clock.now()) {
      this.#counters.count("door", "expired");
      return new TuttiError("DeadlineExceeded", "the deadline passed on the way", { started: "no" });
    }
    const known =
      this.#batched.has(call.method) ||
      (this.#methods.has(calledMethod(call.method)) &&
        (this.#routes !== undefined || !call.method.startsWith(HTTP_PREFIX)));
    if (known) return undefined;
    return new TuttiError("NotFound", `${this.deployment} has no method ${call.method}`, { started: "no" });
  }

  #enqueue(method: BatchedMethod, accepted: AcceptedCall): void {
    const { call, part, served } = accepted;
    const sink: ReplySink = {
      ...(accepted.from.begun === undefined
        ? {}
        : { begun: (id, company) => accepted.from.begun?.(id, company) }),
      reply: (_, outcome, stats) => this.#reply(accepted, outcome, stats),
      replyRows: () => {},
    };
    accepted.batchSink = sink;
    const { deadlineAtMs } = call;
    const input = { value: call.args[0], served };
    const queuedAtMs = this.#clock.now();
    const busyBeforeMs = method.busyMs(queuedAtMs);
    const item = { call, part, from: sink, input, rows: 1, deadlineAtMs, queuedAtMs, busyBeforeMs };
    if (method.push(item)) return;
    this.#counters.count("door", "refused");
    const message = `${method.name} has as many inputs waiting as it may`;
    this.#reply(
      accepted,
      { ok: false, error: new TuttiError("Overloaded", message, { started: "no" }) },
      NO_STATS,
    );
  }

  /** D10: so that one that ends this process is known by it. */
  #isolate(accepted: AcceptedCall): void {
    const { call, from, served } = accepted;
    accepted.suspect = {
      begin: (company) => {
        const reason = served.abortReason ?? this.#lateness(call);
        if (reason === undefined) {
          from.begun?.(call.id, company);
          return void this.#serve(accepted);
        }
        this.#counters.count("queue", reason.code === "DeadlineExceeded" ? "expired" : "cancelled");
        const error = new TuttiError(reason.code, reason.message, { started: "no" });
        this.#reply(accepted, { ok: false, error }, NO_STATS);
      },
    };
    this.#quarantine ??= new Quarantine(this.#clock);
    this.#quarantine.add(accepted.suspect);
  }

  #lateness({ deadlineAtMs }: IncomingCall): TuttiError | undefined {
    if (deadlineAtMs > this.#clock.now()) return undefined;
    return new TuttiError("DeadlineExceeded", "the deadline passed while the call waited");
  }

  /** Frees the places of calls that have not returned; what they return later is dropped. */
  #giveUpOverdue(nowMs: number): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    // From the end, since each that is given up has its place taken by the last.
    for (let i = this.#accepted.length - 1; i >= 0; i--) {
      const accepted = this.#accepted[i]!;
      const dueAtMs = accepted.call.deadlineAtMs + HUNG_GRACE_MS;
      if (dueAtMs > nowMs) {
        earliestMs = Math.min(earliestMs, dueAtMs);
        continue;
      }
      const message = `${this.deployment}.${calledMethod(accepted.call.method)}() did not return by its deadline`;
      const error = new TuttiError("DeadlineExceeded", message, { started: "yes" });
      abortCall(accepted, error);
      this.#counters.count("run", "expired");
      this.#hung += 1;
      this.#reply(accepted, { ok: false, error }, NO_STATS);
    }
    return earliestMs;
  }

  async #serve(accepted: AcceptedCall): Promise<void> {
    const { call, served } = accepted;
    const startedAtMs = this.#clock.now();
    let outcome: CallOutcome;
    try {
      const result = await runInContext(served, () => this.#invoke(call, served));
      outcome = {
        ok: true,
        value: isAsyncIterable(result) ? await this.#streamOut(result, accepted) : result,
      };
    } catch (thrown) {
      // A method that heeds its signal ends by throwing: the call's end is then why the signal was aborted.
      const aborted = thrown instanceof TuttiError ? undefined : served.abortReason;
      outcome = { ok: false, error: aborted ?? failedWhileRunning(thrown) };
    }
    const runUs = (this.#clock.now() - startedAtMs) * 1000;
    // Calls that overlap may have waited for longer together than the call took.
    const waitedUs = Math.min(served.waitedMs * 1000, runUs);
    if (!outcome.ok) this.#countGivenUp(accepted);
    const { degraded } = served;
    this.#reply(accepted, outcome, { queueUs: 0, runUs, batchItems: 1, waitedUs, degraded });
  }

  /** Of a call that ended without a result after its caller had given it up; a result would be counted as wasted. */
  #countGivenUp({ call, served, hasEnded }: AcceptedCall): void {
    if (hasEnded || served.abortReason === undefined || served.abortReason.code === "Draining") return;
    // To its caller's process a deadline that has passed is one more reason to cancel.
    const isLate = call.deadlineAtMs <= this.#clock.now();
    this.#counters.count("run", isLate ? "expired" : "cancelled");
  }

  #invoke(call: IncomingCall, served: ServedCall): unknown {
    if (call.method.startsWith(HTTP_PREFIX)) {
      return answerHttp(call.args[0] as HttpCall, this.#routes!, this.#instance, served, this.#clock);
    }
    return this.#instance[call.method]!(...call.args);
  }

  /** @returns what the generator returned, when its last item has been taken on. */
  #streamOut(items: AsyncIterable<unknown>, accepted: AcceptedCall): Promise<unknown> {
    const { call, from, served } = accepted;
    if (!call.takesStream) {
      const name = `${this.deployment}.${calledMethod(call.method)}()`;
      const message = `${name} returned a stream, which only a method written as "async *" may answer by`;
      throw new TuttiError("ApplicationError", message);
    }
    const stream = new ServedStream(items);
    accepted.stream = stream;
    if (served.abortReason !== undefined) stream.stop(served.abortReason);
    const writer = from.openStream(call.id, stream);
    return runInContext(served, () => stream.writeTo(writer));
  }

  #reply(accepted: AcceptedCall, outcome: CallOutcome, stats: CallStats): void {
    const { call, part, from, served, place, suspect } = accepted;
    if (accepted.hasEnded) {
      // It was given up, and counted as expired then, and has returned after all.
      this.#hung -= 1;
      return;
    }
    accepted.hasEnded = true;
    if (stats.runUs > 0) this.#longestRunUs = Math.max(stats.runUs, this.#longestRunUs * COMPUTE_FORGETS);
    this.#ongoing -= 1;
    served.end();
    this.#bookOf(call.method).note(served, outcome.ok ? undefined : outcome.error, this.#clock.now());
    const last = this.#accepted.pop()!;
    if (last !== accepted) {
      this.#accepted[place] = last;
      last.place = place;
    }
    from.reply(call.id, outcome, stats, part);
    // The reply must have left before the next suspect begins, which may end this process: then this one would be taken
    // for running still.
    if (isToBeAnnounced(call, from)) from.flush?.();
    if (suspect !== undefined) this.#quarantine?.remove(suspect);
  }

  /** Only methods that exist are asked for: their number is bounded. */
  #bookOf(method: string): CallBook {
    let book = this.#books.get(method);
    if (book === undefined) {
      book = this.#recorder.bookFor(this.deployment, method, method.startsWith(HTTP_PREFIX));
      this.#books.set(method, book);
    }
    return book;
  }
}

const isToBeAnnounced = ({ suspicion }: IncomingCall, from: ReplySink): boolean =>
  suspicion !== undefined && suspicion !== Suspicion.none && from.begun !== undefined;

/** A call that is being worked on; it ends in one reply. */
interface AcceptedCall {
  readonly call: IncomingCall;
  readonly part: number;
  readonly from: StreamSink;
  readonly served: ServedCall;
  /** Where its batch replies to, when its method is batched. */
  batchSink: ReplySink | undefined;
  /** What it yields, once it is known to be a stream. */
  stream: ServedStream | undefined;
  /** Its index in the list of calls being worked on. */
  place: number;
  /** Its place in quarantine, if it is under suspicion. */
  suspect: Suspect | undefined;
  hasEnded: boolean;
}

/** Nobody wants its answer any more. */
function abortCall({ served, stream }: AcceptedCall, error: TuttiError): void {
  served.abort(error);
  stream?.stop(error);
}
