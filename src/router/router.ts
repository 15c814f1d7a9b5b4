import type {
  CallPort,
  OutgoingCall,
  OutgoingFanout,
  OutgoingStreamCall,
  PendingCall,
  PendingStream,
} from "../api/call-port.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import { resolveRoutingOptions } from "../config/routing-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { CallCounters } from "../observe/call-counters.ts";
import type { RouterCounts } from "../observe/node-metrics.ts";
import { DeadlineWatch } from "../wire/deadline-watch.ts";
import { Lane, type Link } from "./lane.ts";
import { type HomeMoves, ReplicaSet } from "./replica-set.ts";
import { type AttemptHistory, type CallRoutes, RoutedCall } from "./routed-call.ts";
import { type FanoutRoutes, RoutedFanout, refuseMember } from "./routed-fanout.ts";
import { RoutedStream } from "./routed-stream.ts";
import { EMPTY_SNAPSHOT, type ExecutorAddress, type RoutingSnapshot } from "./snapshot.ts";
import { Stragglers } from "./stragglers.ts";

export interface RouterOptions {
  /** The executor that this router lives in, if it lives in one. */
  readonly localExecutor?: string;
  /** Starts to connect to an executor; what comes of it is told by `laneOpened` and `laneClosed`. */
  readonly connect: (executor: ExecutorAddress) => void;
  /** Called for executors that a snapshot no longer has. */
  readonly disconnect: (executorId: string) => void;
  /** Calls that wait for a replica to be there, before more are refused. Default 16,384. */
  readonly maxWaitingCalls?: number;
  readonly random?: () => number;
  /** Default the system's. */
  readonly clock?: Clock;
  /** This process's. Default new ones. */
  readonly counters?: CallCounters;
}

/**
 * Sends each call to a replica, by the newest snapshot it was given.
 *
 * - **R1** A snapshot replaces the one before it as a whole; calls under way keep the replica they have.
 * - **R2** A call without a replica waits for one, bounded in number and by its own deadline, and is then served.
 * - **R3** A failed attempt is repeated by the rule D3 alone, elsewhere when there is an elsewhere.
 * - **R4** Outstanding calls of a deployment are bounded by what its replicas take; the refusal is immediate.
 */
export class Router implements CallPort {
  readonly clock: Clock;
  readonly counters: CallCounters;
  readonly #options: RouterOptions;
  readonly #random: () => number;
  readonly #lanes = new Map<string, Lane>();
  readonly #waiting = new Set<RoutedCall>();
  readonly #deadlines: DeadlineWatch;
  readonly #homeMoves: HomeMoves = { nextAtMs: 0 };
  readonly #stragglers: Stragglers;
  readonly #routes: CallRoutes & FanoutRoutes;
  #snapshot = EMPTY_SNAPSHOT;
  #sets = new Map<string, ReplicaSet>();
  #closed = false;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.clock = options.clock ?? systemClock;
    this.counters = options.counters ?? new CallCounters();
    this.#deadlines = new DeadlineWatch((nowMs) => this.#expireWaiting(nowMs), this.clock);
    this.#random = options.random ?? Math.random;
    this.#stragglers = new Stragglers({
      counters: this.counters,
      lanes: () => this.#lanes.values(),
      sets: () => this.#sets.values(),
      routing: resolveRoutingOptions(),
      clock: this.clock,
    });
    const dispatch = (call: OutgoingCall, history: AttemptHistory | undefined) =>
      this.#dispatch(call, history);
    this.#routes = {
      stragglers: this.#stragglers,
      route: (call) => this.#route(call),
      leave: (call) => {
        this.#waiting.delete(call);
        this.counters.count("router", "cancelled");
      },
      second: dispatch,
      alone: dispatch,
    };
  }

  /** R1. Snapshots that are not newer are ignored, since they may come over several connections. */
  apply(snapshot: RoutingSnapshot): void {
    if (snapshot.version <= this.#snapshot.version || this.#closed) return;
    this.#snapshot = snapshot;
    const routing = snapshot.routing ?? resolveRoutingOptions();
    this.#stragglers.configure(routing);
    const wanted = new Set(snapshot.executors.map(({ id }) => id));
    for (const executor of snapshot.executors) {
      const known = this.#lanes.get(executor.id);
      const lane = known ?? new Lane(executor.id, executor.id === this.#options.localExecutor);
      // Whoever reads this in the executor itself is the proof that it goes on.
      lane.isSilent = executor.isSilent === true && !lane.isLocal;
      if (known !== undefined) continue;
      this.#lanes.set(executor.id, lane);
      this.#options.connect(executor);
    }
    for (const id of this.#lanes.keys()) {
      if (wanted.has(id)) continue;
      this.#lanes.delete(id);
      this.#options.disconnect(id);
    }
    // Each set takes its home again, or another one where its home is gone.
    for (const lane of this.#lanes.values()) {
      lane.homes = 0;
      lane.healths.clear();
    }
    const sets = new Map<string, ReplicaSet>();
    for (const route of snapshot.deployments) {
      sets.set(
        route.name,
        new ReplicaSet(
          route,
          (id) => this.#lanes.get(id),
          this.#sets.get(route.name),
          this.#homeMoves,
          this.clock,
          routing,
        ),
      );
    }
    this.#sets = sets;
    this.#routeWaiting();
  }

  lane(executorId: string): Lane | undefined {
    return this.#lanes.get(executorId);
  }

  laneOpened(executorId: string, link: Link): void {
    this.#lanes.get(executorId)?.open(link);
    this.#routeWaiting();
  }

  laneClosed(executorId: string): void {
    this.#lanes.get(executorId)?.close();
  }

  dispatch(call: OutgoingCall): PendingCall {
    return this.#dispatch(call, undefined);
  }

  dispatchStream(call: OutgoingStreamCall): PendingStream {
    const set = this.#sets.get(call.deployment) ?? this.#unknownSet(call.deployment);
    const refusal = this.#refusal(set, call.deployment);
    return this.#begin(new RoutedStream(call, set, this.#routes), refusal);
  }

  /** Members are routed each by itself, and those that meet at one executor travel together. */
  dispatchMany(call: OutgoingFanout): PendingCall {
    const fanout = new RoutedFanout(call, this.#routes);
    const nowMs = this.clock.now();
    for (let member = 0; member < call.deployments.length; member++) {
      const name = call.deployments[member]!;
      const set = this.#sets.get(name) ?? this.#unknownSet(name);
      const refusal = this.#refusal(set, name);
      if (refusal !== undefined) {
        refuseMember(call, member, refusal);
        continue;
      }
      const replica = set.choose(undefined, nowMs, this.#random);
      const link = replica?.lane.link;
      if (replica === undefined || link === undefined) fanout.goAlone(member, undefined);
      else fanout.add(member, set, replica, link, nowMs);
    }
    fanout.send();
    return fanout;
  }

  #dispatch(call: OutgoingCall, history: AttemptHistory | undefined): RoutedCall {
    const set = this.#sets.get(call.deployment) ?? this.#unknownSet(call.deployment);
    // Asked before the call is counted among those under way, or it would take the place that it asks for.
    const refusal = this.#refusal(set, call.deployment);
    return this.#begin(new RoutedCall(call, set, this.#routes, history), refusal);
  }

  #begin<C extends RoutedCall>(routed: C, refusal: TuttiError | undefined): C {
    if (refusal === undefined) this.#route(routed);
    else queueMicrotask(() => routed.fail(refusal));
    return routed;
  }

  get outstandingCalls(): number {
    let calls = 0;
    for (const set of this.#sets.values()) calls += set.outstanding;
    return calls;
  }

  counts(): RouterCounts {
    const deployments = [...this.#sets.values()].map((set) => set.counts());
    return {
      waiting: this.#waiting.size,
      stalls: this.#stragglers.stalls,
      // Others it could call, and never did.
      deployments: deployments.filter(({ calls }) => calls > 0),
    };
  }

  close(): void {
    this.#closed = true;
    this.#deadlines.close();
    this.#stragglers.close();
    const error = new TuttiError("Draining", "this process is shutting down", { started: "no" });
    for (const call of this.#waiting) call.fail(error);
    this.#waiting.clear();
  }

  #refusal(set: ReplicaSet, deployment: string): TuttiError | undefined {
    if (this.#closed) return new TuttiError("Draining", "this process is shutting down", { started: "no" });
    if (set.isFull) {
      this.counters.count("router", "refused");
      const message = `${deployment} has ${set.outstanding} calls under way, as many as its replicas take`;
      return new TuttiError("Overloaded", message, { started: "no", retryAfterSeconds: 1 });
    }
    return undefined;
  }

  #route(call: RoutedCall): void {
    const set = this.#sets.get(call.deployment);
    if (set !== undefined) call.follow(set);
    const nowMs = this.clock.now();
    const replica = set?.choose(call.avoid, nowMs, this.#random);
    const link = replica?.lane.link;
    if (replica === undefined || link === undefined) return this.#wait(call);
    call.send(replica, link, nowMs);
  }

  #wait(call: RoutedCall): void {
    const limit = this.#options.maxWaitingCalls ?? 16_384;
    if (this.#closed || this.#waiting.size >= limit) {
      if (!this.#closed) this.counters.count("router", "refused");
      const message = `${call.deployment} has no replica, and ${this.#waiting.size} calls wait for one already`;
      const error = new TuttiError("Unavailable", message, { started: "no", retryAfterSeconds: 1 });
      queueMicrotask(() => call.fail(error));
      return;
    }
    this.#waiting.add(call);
    this.#deadlines.add(call.deadlineAtMs);
  }

  #routeWaiting(): void {
    const calls = [...this.#waiting];
    this.#waiting.clear();
    for (const call of calls) if (call.isWaiting) this.#route(call);
  }

  #expireWaiting(nowMs: number): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const call of this.#waiting) {
      if (!call.isWaiting) this.#waiting.delete(call);
      else if (call.deadlineAtMs <= nowMs) {
        this.#waiting.delete(call);
        this.counters.count("router", "expired");
        const message = `${call.deployment} had no replica before the deadline`;
        call.fail(new TuttiError("DeadlineExceeded", message, { started: "no" }));
      } else earliestMs = Math.min(earliestMs, call.deadlineAtMs);
    }
    return earliestMs;
  }

  /** A deployment that no snapshot named yet: its calls wait like those of one without replicas (R2). */
  #unknownSet(name: string): ReplicaSet {
    const route = { name, idempotent: false, waits: false, maxOngoing: 1024, replicas: [] };
    const set = new ReplicaSet(route, () => undefined, undefined, this.#homeMoves);
    if (this.#sets.size < 4096) this.#sets.set(name, set);
    return set;
  }
}
