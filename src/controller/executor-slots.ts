import { type Clock, systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { Executor } from "../executor/executor.ts";
import { backoffMs } from "../policy/backoff.ts";
import type { ExecutorAddress } from "../router/snapshot.ts";
import { computes, drain, failedToFill, type HostLimits, hostReplicas } from "./host-replicas.ts";
import {
  isSame,
  type LiveReplica,
  type PlannedReplica,
  type RunnerEvent,
  type Slot,
  type SlotView,
} from "./slot.ts";
import { fills, liveOf, newRecord, type SlotRecord, viewOf } from "./slot-record.ts";

export interface ExecutorSlotsOptions extends HostLimits {
  /**
   * An executor that nobody else has.
   *
   * @param isUrgent something is missing until it serves. Else it is in the background until it is brought to the front.
   */
  readonly acquire: (kind: Slot["kind"], isUrgent: boolean) => Promise<Executor>;
  /** Makes an executor ready to host what is planned, before it is told to. Default nothing. */
  readonly prepare?: (executor: Executor) => Promise<void>;
  /** What is live, or who is silent, is not what it was. */
  readonly onChange: () => void;
  readonly onEvent: (event: RunnerEvent) => void;
  /** Default the system's. */
  readonly clock?: Clock;
  /** In [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 10_000;
/** How long one that is being replaced may finish what it has. */
const RETIRE_DRAIN_MS = 5000;

/**
 * Places for executors, kept filled with what is planned for them. Whatever ended, the slot it was in is filled anew
 * until that works or the slot is stopped. What changes a slot is done one at a time (P1); what it has lost is known at once.
 *
 * Back-off counts only failures before ready: a healthy executor that is killed is replaced at once (D10).
 */
export class ExecutorSlots {
  readonly #options: ExecutorSlotsOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #slots = new Map<string, SlotRecord>();
  /** Executors that do not answer as they should. */
  readonly #silent = new Set<Executor>();
  #stopping = false;

  constructor(options: ExecutorSlotsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  /**
   * Adds slots and fills them, all at once.
   *
   * @param first fills the first of them, and is prepared already.
   * @throws TuttiError the first failure; none of them is there then.
   */
  async fill(slots: readonly Slot[], first?: Executor): Promise<void> {
    const added = slots.map(newRecord);
    for (const slot of added) this.#slots.set(slot.name, slot);
    try {
      await Promise.all(
        added.map((slot, i) =>
          slot.turns.run(() => this.#fillOnce(slot, slot.planned, i === 0 ? first : undefined, false)),
        ),
      );
    } catch (thrown) {
      for (const { name } of added) void this.remove(name, 0, "another could not be filled");
      throw thrown;
    }
  }

  /**
   * Hosts more in a slot.
   *
   * @param how `in-place`: in the process that is there. `fresh`: in another, which then takes over: loading does not hold up what
   *   is served.
   * @throws TuttiError when one of them could not be hosted: then none of them is.
   */
  add(name: string, more: readonly PlannedReplica[], how: "in-place" | "fresh"): Promise<void> {
    const slot = this.#get(name);
    return slot.turns.run(async () => {
      if (slot.state.kind !== "filled" || how === "fresh") return this.#addByRefill(slot, more);
      const { executor } = slot.state;
      const fresh = await this.#host(executor, slot, more);
      if (!fills(slot, executor)) throw new TuttiError("StartFailed", `${name} was lost meanwhile`);
      slot.planned = [...slot.planned, ...more];
      this.#setLive(slot, executor, [...liveOf(slot), ...fresh]);
    });
  }

  /**
   * Gives classes that are planned for a slot other options, and at once those that are live.
   *
   * @throws TuttiError when one of them does not take its options: then what is planned stays as it was.
   */
  respec(name: string, respecified: readonly PlannedReplica[]): Promise<void> {
    const slot = this.#get(name);
    return slot.turns.run(async () => {
      const respec = (replica: PlannedReplica | LiveReplica) =>
        respecified.find((one) => isSame(one, replica))?.spec;
      if (slot.state.kind === "filled") {
        const { executor, live } = slot.state;
        const replicas = live.flatMap((replica) => {
          const spec = respec(replica);
          return spec?.kind === "class" ? [{ target: replica.target, options: spec.options }] : [];
        });
        await executor.order({ type: "configure", replicas }, this.#options.hostTimeoutMs);
      }
      slot.planned = slot.planned.map((replica) => ({ ...replica, spec: respec(replica) ?? replica.spec }));
    });
  }

  /** Forgets replicas: nobody is sent to them any more, they finish what they have, then they are freed. */
  drop(name: string, unwanted: readonly PlannedReplica[]): Promise<void> {
    const slot = this.#get(name);
    return slot.turns.run(async () => {
      const isUnwanted = (replica: PlannedReplica | LiveReplica) =>
        unwanted.some((one) => isSame(one, replica));
      slot.planned = slot.planned.filter((replica) => !isUnwanted(replica));
      if (slot.state.kind !== "filled") return;
      const { executor, live } = slot.state;
      const targets = live.filter(isUnwanted).map(({ target }) => target);
      this.#setLive(
        slot,
        executor,
        live.filter((replica) => !isUnwanted(replica)),
      );
      if (targets.length === 0) return;
      await executor.order({ type: "drop", targets }, this.#options.hostTimeoutMs).catch((thrown) => {
        executor.kill(`a replica could not be dropped: ${TuttiError.from(thrown).message}`);
      });
    });
  }

  /** Ends a slot: what fills it finishes what it has within this time, and ends. */
  async remove(name: string, drainMs: number, reason: string): Promise<void> {
    const slot = this.#get(name);
    const { state } = slot;
    this.#slots.delete(name);
    slot.state = { kind: "stopped" };
    if (state.kind === "waiting") state.cancelTimer();
    if (state.kind !== "filled") return;
    this.#silent.delete(state.executor);
    if (!this.#stopping) this.#options.onChange();
    if (drainMs > 0) await drain(state.executor, drainMs);
    state.executor.kill(reason);
  }

  /** An executor has ended: its replicas are live no more at once, its slot is filled anew. False: it is in none of these. */
  lost(executor: Executor, reason: string): boolean {
    const slot = this.#slotOf(executor);
    this.#silent.delete(executor);
    if (slot === undefined) return false;
    if (this.#stopping) return true;
    this.#options.onEvent({ type: "lost", slot: slot.name, executor: executor.id, reason });
    slot.state = { kind: "filling" };
    this.#options.onChange();
    void slot.turns.run(() => this.#refill(slot));
    return true;
  }

  /** An executor does not answer as it should, or does so again. False: it is in none of these. */
  silent(executor: Executor, isSilent: boolean): boolean {
    if (this.#slotOf(executor) === undefined) return false;
    if (isSilent) this.#silent.add(executor);
    else this.#silent.delete(executor);
    if (!this.#stopping) this.#options.onChange();
    return true;
  }

  /**
   * Replaces an executor that still serves: first its slot is filled by another, then it finishes what it has, then it
   * ends. False: it is in none of these.
   */
  async retire(executor: Executor, reason: string): Promise<boolean> {
    const slot = this.#slotOf(executor);
    if (slot === undefined) return false;
    this.#options.onEvent({ type: "retiring", slot: slot.name, executor: executor.id, reason });
    await slot.turns.run(async () => {
      try {
        if (fills(slot, executor)) await this.#takeOver(slot, executor, slot.planned);
      } catch {
        // Nobody could take over: it ends, and its slot is filled as that of any other that is lost.
      }
    });
    executor.kill(reason);
    return true;
  }

  /** Replaces replicas whose health checks failed, in place. */
  async heal(): Promise<void> {
    for (const slot of this.#slots.values()) {
      if (this.#stopping) return;
      await slot.turns.run(() => this.#heal(slot));
    }
  }

  /** Lets executors finish what they have; nothing is filled any more. */
  async drain(deadlineMs: number): Promise<void> {
    const executors = this.stop();
    await Promise.all(executors.map((executor) => drain(executor, deadlineMs)));
  }

  /** Fills nothing any more. @returns what is there. */
  stop(): Executor[] {
    this.#stopping = true;
    return [...this.#slots.values()].flatMap((slot) => {
      const { state } = slot;
      if (state.kind === "waiting") state.cancelTimer();
      slot.state = { kind: "stopped" };
      return state.kind === "filled" ? [state.executor] : [];
    });
  }

  live(): LiveReplica[] {
    return [...this.#slots.values()].flatMap((slot) => liveOf(slot));
  }

  executors(): Executor[] {
    return [...this.#slots.values()].flatMap(({ state }) =>
      state.kind === "filled" ? [state.executor] : [],
    );
  }

  addresses(): ExecutorAddress[] {
    return this.executors().map((executor) => {
      const { id, socketPath } = executor;
      return { id, socketPath, ...(this.#silent.has(executor) ? { isSilent: true } : {}) };
    });
  }

  views(): SlotView[] {
    return [...this.#slots.values()].map(viewOf);
  }

  #get(name: string): SlotRecord {
    const slot = this.#slots.get(name);
    if (slot === undefined) throw new TuttiError("Internal", `there is no slot ${name}`);
    return slot;
  }

  async #refill(slot: SlotRecord): Promise<void> {
    if (slot.state.kind !== "filling") return;
    try {
      await this.#fillOnce(slot, slot.planned, undefined, true);
    } catch (thrown) {
      if (this.#isStopped(slot)) return;
      const reason = TuttiError.from(thrown, "StartFailed").message;
      slot.failures += 1;
      const retryInMs = backoffMs(slot.failures, FIRST_BACKOFF_MS, MAX_BACKOFF_MS, this.#random());
      this.#options.onEvent({ type: "fill-failed", slot: slot.name, reason, retryInMs });
      const cancelTimer = this.#clock.after(retryInMs, () => {
        slot.state = { kind: "filling" };
        void slot.turns.run(() => this.#refill(slot));
      });
      slot.state = { kind: "waiting", cancelTimer, reason, retryAtMs: this.#clock.now() + retryInMs };
    }
  }

  #isStopped({ state }: SlotRecord): boolean {
    return this.#stopping || state.kind === "stopped";
  }

  /** @param predecessor who fills the slot until then, and may have ended meanwhile. */
  async #fillOnce(
    slot: SlotRecord,
    planned: readonly PlannedReplica[],
    prepared: Executor | undefined,
    isUrgent: boolean,
    predecessor?: Executor,
  ): Promise<void> {
    const startedAtMs = this.#clock.now();
    const executor = prepared ?? (await this.#options.acquire(slot.kind, isUrgent));
    try {
      if (prepared === undefined) await this.#options.prepare?.(executor);
      const live = await this.#host(executor, slot, planned);
      if (this.#isStopped(slot)) return executor.kill("it is not needed any more");
      // It may have ended between its last answer and now; then nobody would tell this slot again.
      if (executor.hasEnded)
        throw new TuttiError("StartFailed", `executor ${executor.id} ended while it was filled`);
      // Then the slot is to be filled by another.
      if (predecessor !== undefined && !fills(slot, predecessor))
        throw new TuttiError("StartFailed", `executor ${predecessor.id} ended before it was replaced`);
      executor.bringToFront(slot.kind === "model" || planned.some(({ spec }) => computes(spec)));
      slot.planned = planned;
      slot.failures = 0;
      slot.state = { kind: "filled", executor, live };
    } catch (thrown) {
      executor.kill("its slot could not be filled");
      throw failedToFill(slot.name, planned, thrown);
    }
    this.#options.onChange();
    const tookMs = this.#clock.now() - startedAtMs;
    this.#options.onEvent({ type: "filled", slot: slot.name, executor: executor.id, tookMs });
  }

  async #addByRefill(slot: SlotRecord, more: readonly PlannedReplica[]): Promise<void> {
    const planned = [...slot.planned, ...more];
    if (slot.state.kind === "filled") {
      const { executor } = slot.state;
      await this.#takeOver(slot, executor, planned);
      return executor.kill("another has taken over");
    }
    if (slot.state.kind === "waiting") slot.state.cancelTimer();
    slot.state = { kind: "filling" };
    try {
      await this.#fillOnce(slot, planned, undefined, true);
    } catch (thrown) {
      // What was there before is still wanted.
      void slot.turns.run(() => this.#refill(slot));
      throw thrown;
    }
  }

  async #takeOver(slot: SlotRecord, from: Executor, planned: readonly PlannedReplica[]): Promise<void> {
    await this.#fillOnce(slot, planned, undefined, false, from);
    this.#silent.delete(from);
    await drain(from, RETIRE_DRAIN_MS);
  }

  #host(
    executor: Executor,
    { name }: SlotRecord,
    replicas: readonly PlannedReplica[],
  ): Promise<LiveReplica[]> {
    return hostReplicas(executor, name, replicas, this.#options);
  }

  async #heal(slot: SlotRecord): Promise<void> {
    if (slot.state.kind !== "filled") return;
    const { executor, live: all } = slot.state;
    const unhealthy = executor.status?.unhealthy ?? [];
    const sick = all.filter(({ target }) => unhealthy.some((one) => one.target === target));
    if (sick.length === 0) return;
    const reason = unhealthy.find(({ target }) => target === sick[0]!.target)?.reason ?? "";
    this.#options.onEvent({ type: "unhealthy", slot: slot.name, executor: executor.id, reason });
    const healthy = all.filter((replica) => !sick.includes(replica));
    this.#setLive(slot, executor, healthy);
    const wanted = slot.planned.filter((replica) => sick.some((one) => isSame(one, replica)));
    try {
      const fresh = await this.#host(executor, slot, wanted);
      if (!fills(slot, executor)) return;
      this.#setLive(slot, executor, [...healthy, ...fresh]);
      // Last, since it may take its time over what it still has.
      const targets = sick.map(({ target }) => target);
      await executor.order({ type: "drop", targets }, this.#options.hostTimeoutMs);
    } catch (thrown) {
      executor.kill(`an unhealthy replica could not be replaced: ${TuttiError.from(thrown).message}`);
    }
  }

  #setLive(slot: SlotRecord, executor: Executor, live: readonly LiveReplica[]): void {
    slot.state = { kind: "filled", executor, live };
    this.#options.onChange();
  }

  #slotOf(executor: Executor): SlotRecord | undefined {
    for (const slot of this.#slots.values()) if (fills(slot, executor)) return slot;
    return undefined;
  }
}
