import { TuttiError } from "../errors/tutti-error.ts";
import {
  type CostReport,
  type IncomingCall,
  type LoadReport,
  NO_STATS,
  type Withdrawal,
} from "../wire/messages.ts";
import type { HostedReplica, ReplySink, StreamSink } from "./hosted-replica.ts";
import type { ModelLane } from "./model-lane.ts";

/** The replicas of one executor, by the number that calls name them with. */
export class ReplicaTable {
  readonly #replicas = new Map<number, HostedReplica>();
  readonly #lane: ModelLane;
  #draining = false;

  constructor(lane: ModelLane) {
    this.#lane = lane;
  }

  get(target: number): HostedReplica | undefined {
    return this.#replicas.get(target);
  }

  add(replica: HostedReplica): void {
    this.#replicas.set(replica.target, replica);
  }

  delete(target: number): void {
    this.#replicas.delete(target);
  }

  all(): HostedReplica[] {
    return [...this.#replicas.values()];
  }

  get ongoing(): number {
    let ongoing = 0;
    for (const replica of this.#replicas.values()) ongoing += replica.ongoing;
    return ongoing;
  }

  /** The longest that this process may well be silent for. */
  get longestRunMs(): number {
    let longestUs = 0;
    for (const { longestRunUs } of this.#replicas.values()) longestUs = Math.max(longestUs, longestRunUs);
    return longestUs / 1000;
  }

  /** From now on calls are refused as not started, so that their callers go elsewhere. */
  drain(): void {
    this.#draining = true;
  }

  accept(call: IncomingCall, from: StreamSink): void {
    const { targets } = call;
    const nowMs = this.#lane.clock.now();
    if (targets === undefined) return this.#acceptOne(call, call.target, from, 0, nowMs);
    for (let part = 0; part < targets.length; part++) {
      this.#acceptOne(call, targets[part]!, from, part, nowMs);
    }
  }

  #acceptOne(call: IncomingCall, target: number, from: StreamSink, part: number, nowMs: number): void {
    const replica = this.#replicas.get(target);
    if (replica !== undefined && !this.#draining) return replica.accept(call, from, part, nowMs);
    const error = this.#draining
      ? new TuttiError("Draining", "this executor is stopping", { started: "no" })
      : new TuttiError("Unavailable", `replica ${target} is not hosted here`, { started: "no" });
    from.reply(call.id, { ok: false, error }, NO_STATS, part);
  }

  /** Ids are the caller's, and a cancellation does not say which replica it is for: each looks among its own. */
  cancel(id: number, from: ReplySink): void {
    for (const replica of this.#replicas.values()) replica.cancel(id, from);
  }

  withdraw({ id, target, part, abort }: Withdrawal, from: ReplySink): void {
    this.#replicas.get(target)?.withdraw(id, part, from, abort);
  }

  /** @param processBusy share of a core that the process used of late. */
  loadReport(processBusy: number): LoadReport {
    let queuedItems = 0;
    for (const replica of this.#replicas.values()) queuedItems += replica.queuedItems;
    const costs: CostReport[] = this.#lane.lastRan.map((replica) => replica.cost());
    const { backlogUs } = this.#lane;
    return { backlogUs, queuedItems, busyFraction: Math.max(this.#lane.busyFraction, processBusy), costs };
  }
}
