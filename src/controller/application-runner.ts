import type { ApplicationGraph } from "../api/graph.ts";
import { type CancelTimer, type Clock, systemClock } from "../clock/clock.ts";
import { isErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { Executor } from "../executor/executor.ts";
import { hashModelFile } from "../onnx/model-file.ts";
import { backoffMs } from "../policy/backoff.ts";
import type { ExecutorAddress, RoutingSnapshot } from "../router/snapshot.ts";
import {
  type LiveReplica,
  type Plan,
  type PlanLimits,
  planSlots,
  type Slot,
  toHostSpec,
  toRoutes,
} from "./plan.ts";

/** A slot and what fills it: the union owns the process. */
type SlotState =
  | { readonly kind: "filling" }
  | { readonly kind: "filled"; readonly executor: Executor; readonly live: readonly LiveReplica[] }
  | { readonly kind: "waiting"; readonly cancelTimer: CancelTimer; readonly reason: string }
  | { readonly kind: "stopped" };

/** A slot as others see it. */
export interface SlotView {
  readonly name: string;
  readonly kind: Slot["kind"];
  readonly state: SlotState["kind"];
  /** Why it waits, if it does. */
  readonly reason: string | undefined;
  readonly executor: Executor | undefined;
  /** What is to be in it. */
  readonly planned: Slot["replicas"];
  readonly live: readonly LiveReplica[];
}

export interface ApplicationRunnerOptions {
  /** An executor that nobody else has. */
  readonly acquire: (kind: Slot["kind"]) => Promise<Executor>;
  /** Absolute path of the application's module. */
  readonly module: string;
  readonly limits: PlanLimits;
  readonly importTimeoutMs: number;
  readonly hostTimeoutMs: number;
  readonly onSnapshot: (snapshot: RoutingSnapshot) => void;
  readonly onEvent: (event: RunnerEvent) => void;
  /** Default the system's. */
  readonly clock?: Clock;
  /** In [0, 1). Default `Math.random`. */
  readonly random?: () => number;
  /** The SHA-256 of a model's file. Default by reading it. */
  readonly hashModel?: (path: string) => Promise<string>;
}

export type RunnerEvent =
  | { readonly type: "lost"; readonly slot: string; readonly executor: string; readonly reason: string }
  /** Some of its replicas are not, and are replaced in it. */
  | { readonly type: "unhealthy"; readonly slot: string; readonly executor: string; readonly reason: string }
  /** It is to be replaced while it still serves. */
  | { readonly type: "retiring"; readonly slot: string; readonly executor: string; readonly reason: string }
  | { readonly type: "filled"; readonly slot: string; readonly executor: string; readonly tookMs: number }
  | {
      readonly type: "fill-failed";
      readonly slot: string;
      readonly reason: string;
      readonly retryInMs: number;
    };

const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 10_000;
const ROUTE_TIMEOUT_MS = 5000;
const DRAIN_TIMEOUT_MS = 20_000;
/** How long one that is being replaced may finish what it has. */
const RETIRE_DRAIN_MS = 5000;

/**
 * Keeps one application running: its slots filled, its routes told. Level-triggered in the small: whatever ended, the
 * slot it was in is filled anew until that works or the runner stops.
 *
 * Back-off counts only failures before ready: a healthy executor that is killed is replaced at once (D10).
 */
export class ApplicationRunner {
  readonly #options: ApplicationRunnerOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #slots = new Map<Slot, SlotState>();
  readonly #failures = new Map<Slot, number>();
  /** Executors that do not answer as they should. */
  readonly #silent = new Set<Executor>();
  #graph: ApplicationGraph | undefined;
  #sha256Of = new Map<string, string>();
  #nextTarget = 1;
  #version = 0;
  #stopping = false;

  constructor(options: ApplicationRunnerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  /**
   * Imports the module, plans, and fills every slot.
   *
   * @throws TuttiError the first failure, with everything started so far left for whoever made the executors to end.
   */
  async start(): Promise<ApplicationGraph> {
    const { acquire, module, importTimeoutMs, limits } = this.#options;
    const first = await acquire("code");
    const graph = await first.order({ type: "import", module }, importTimeoutMs);
    this.#graph = graph;
    this.#sha256Of = await hashModels(graph, this.#options.hashModel ?? hashModelFile);
    const plan: Plan = planSlots(graph, limits);
    if (plan.unplaced.length > 0)
      throw new TuttiError("StartFailed", `application ${graph.name}: ${plan.unplaced[0]}`);
    for (const slot of plan.slots) this.#slots.set(slot, { kind: "filling" });
    // The process that has read the graph has the module imported: it is the first code executor.
    const firstCode = plan.slots.find(({ kind }) => kind === "code");
    await Promise.all(plan.slots.map((slot) => this.#fillOnce(slot, slot === firstCode ? first : undefined)));
    return graph;
  }

  get graph(): ApplicationGraph | undefined {
    return this.#graph;
  }

  /** Ready when every deployment has its minimum of replicas. */
  readiness(): { readonly ready: boolean; readonly reason: string } {
    if (this.#stopping) return { ready: false, reason: "shutting down" };
    if (this.#graph === undefined) return { ready: false, reason: "starting" };
    const live = this.#live();
    for (const { name, options } of this.#graph.deployments) {
      const count = live.filter(({ deployment }) => deployment === name).length;
      if (count < options.replicas.min) {
        return { ready: false, reason: `${name} has ${count} of ${options.replicas.min} replicas` };
      }
    }
    return { ready: true, reason: "" };
  }

  /** An executor has ended: its replicas leave the routes at once, its slot is filled anew. */
  lost(executor: Executor, reason: string): void {
    const slot = this.#slotOf(executor);
    this.#silent.delete(executor);
    if (slot === undefined || this.#stopping) return;
    this.#options.onEvent({ type: "lost", slot: slot.name, executor: executor.id, reason });
    this.#slots.set(slot, { kind: "filling" });
    this.#publish();
    void this.#refill(slot);
  }

  /** An executor does not answer as it should, or does so again: routers are told, and ask elsewhere meanwhile. */
  silent(executor: Executor, isSilent: boolean): void {
    if (isSilent) this.#silent.add(executor);
    else this.#silent.delete(executor);
    if (this.#slotOf(executor) !== undefined && !this.#stopping) this.#publish();
  }

  /**
   * Replaces an executor that still serves: first its slot is filled by another, then it finishes what it has, then it
   * ends. One that nobody else knows just ends.
   */
  async retire(executor: Executor, reason: string): Promise<void> {
    const slot = this.#slotOf(executor);
    if (slot === undefined) return executor.kill(reason);
    this.#options.onEvent({ type: "retiring", slot: slot.name, executor: executor.id, reason });
    try {
      await this.#fillOnce(slot, undefined, executor);
      await executor.order({ type: "drain", deadlineMs: RETIRE_DRAIN_MS }, RETIRE_DRAIN_MS + 1000);
    } catch {
      // Nobody could take over, or it did not get so far as to finish: it ends, and its slot, if it still has one, is
      // filled as that of any other that is lost.
    }
    executor.kill(reason);
  }

  /** Replaces replicas whose health checks failed, in place. */
  async heal(): Promise<void> {
    for (const [slot, state] of this.#slots) {
      if (state.kind !== "filled" || this.#stopping) continue;
      const sick = state.executor.status?.unhealthy ?? [];
      const live = state.live.filter(({ target }) => sick.some((one) => one.target === target));
      if (live.length === 0) continue;
      const reason = sick.find(({ target }) => target === live[0]!.target)?.reason ?? "";
      await this.#replaceReplicas(slot, state.executor, state.live, live, reason);
    }
  }

  /** Lets code executors finish what they have, then is done; ending the processes is not its part. */
  async drain(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    const executors = [...this.#slots].flatMap(([slot, state]) => {
      if (state.kind === "waiting") state.cancelTimer();
      return state.kind === "filled" && slot.kind === "code" ? [state.executor] : [];
    });
    for (const slot of this.#slots.keys()) this.#slots.set(slot, { kind: "stopped" });
    await Promise.allSettled(
      executors.map((executor) =>
        executor.order({ type: "drain", deadlineMs }, Math.min(deadlineMs, DRAIN_TIMEOUT_MS) + 1000),
      ),
    );
  }

  /** Who is where, for people and tests. */
  placements(): { slot: string; executor: string | undefined; pid: number | undefined; replicas: number }[] {
    return [...this.#slots].map(([slot, state]) => ({
      slot: slot.name,
      executor: state.kind === "filled" ? state.executor.id : undefined,
      pid: state.kind === "filled" ? state.executor.pid : undefined,
      replicas: state.kind === "filled" ? state.live.length : 0,
    }));
  }

  /** Every slot with what fills it now. */
  slots(): SlotView[] {
    return [...this.#slots].map(([{ name, kind, replicas }, state]) => ({
      name,
      kind,
      planned: replicas,
      state: state.kind,
      reason: state.kind === "waiting" ? state.reason : undefined,
      executor: state.kind === "filled" ? state.executor : undefined,
      live: state.kind === "filled" ? state.live : [],
    }));
  }

  async #refill(slot: Slot): Promise<void> {
    try {
      await this.#fillOnce(slot, undefined);
      this.#failures.delete(slot);
    } catch (thrown) {
      if (this.#stopping) return;
      const reason = TuttiError.from(thrown, "StartFailed").message;
      const failures = (this.#failures.get(slot) ?? 0) + 1;
      this.#failures.set(slot, failures);
      const retryInMs = backoffMs(failures, FIRST_BACKOFF_MS, MAX_BACKOFF_MS, this.#random());
      this.#options.onEvent({ type: "fill-failed", slot: slot.name, reason, retryInMs });
      const cancelTimer = this.#clock.after(retryInMs, () => {
        this.#slots.set(slot, { kind: "filling" });
        void this.#refill(slot);
      });
      this.#slots.set(slot, { kind: "waiting", cancelTimer, reason });
    }
  }

  /** @param predecessor who fills the slot until then, and may have ended meanwhile. */
  async #fillOnce(slot: Slot, imported: Executor | undefined, predecessor?: Executor): Promise<void> {
    const startedAtMs = this.#clock.now();
    const { acquire, hostTimeoutMs } = this.#options;
    const executor = imported ?? (await acquire(slot.kind));
    try {
      if (slot.kind === "code" && imported === undefined) await this.#importSame(executor);
      if (slot.kind === "code") void this.#tellRoutes(executor, this.#snapshot());
      const live = await this.#host(executor, slot, hostTimeoutMs);
      if (this.#stopping) return;
      // It may have ended between its last answer and now; then nobody would tell this slot again.
      if (executor.hasEnded)
        throw new TuttiError("StartFailed", `executor ${executor.id} ended while it was filled`);
      // Then the slot is being filled by another already.
      if (predecessor !== undefined && this.#slotOf(predecessor) !== slot)
        return executor.kill("it is not needed any more");
      this.#slots.set(slot, { kind: "filled", executor, live });
    } catch (thrown) {
      executor.kill("its slot could not be filled");
      throw failedToFill(slot, thrown);
    }
    this.#publish();
    const tookMs = this.#clock.now() - startedAtMs;
    this.#options.onEvent({ type: "filled", slot: slot.name, executor: executor.id, tookMs });
  }

  async #importSame(executor: Executor): Promise<void> {
    const { module, importTimeoutMs } = this.#options;
    const graph = await executor.order({ type: "import", module }, importTimeoutMs);
    if (JSON.stringify(graph) === JSON.stringify(this.#graph)) return;
    throw new TuttiError(
      "ModuleLoadFailed",
      `${module} built another graph than before: it must give the same deployments and options at each import`,
    );
  }

  async #host(executor: Executor, slot: Slot, timeoutMs: number): Promise<LiveReplica[]> {
    const graph = this.#graph!;
    const specs = slot.replicas.map((replica) =>
      toHostSpec(graph, replica, this.#nextTarget++, this.#sha256Of),
    );
    const results = await executor.order({ type: "host", replicas: specs }, timeoutMs);
    for (const { error } of results) {
      if (error !== undefined)
        throw new TuttiError(isErrorCode(error.code) ? error.code : "StartFailed", error.message);
    }
    return specs.map(({ deployment, index, target }) => ({
      deployment,
      index,
      target,
      executor: executor.id,
    }));
  }

  async #replaceReplicas(
    slot: Slot,
    executor: Executor,
    all: readonly LiveReplica[],
    sick: readonly LiveReplica[],
    reason: string,
  ): Promise<void> {
    const healthy = all.filter((replica) => !sick.includes(replica));
    this.#options.onEvent({ type: "unhealthy", slot: slot.name, executor: executor.id, reason });
    this.#slots.set(slot, { kind: "filled", executor, live: healthy });
    this.#publish();
    const wanted = slot.replicas.filter(({ deployment, index }) =>
      sick.some((one) => one.deployment === deployment && one.index === index),
    );
    try {
      const fresh = await this.#host(executor, { ...slot, replicas: wanted }, this.#options.hostTimeoutMs);
      if (this.#slots.get(slot)?.kind !== "filled") return;
      this.#slots.set(slot, { kind: "filled", executor, live: [...healthy, ...fresh] });
      this.#publish();
      // Last, since it may take its time over what it still has.
      const targets = sick.map(({ target }) => target);
      await executor.order({ type: "drop", targets }, this.#options.hostTimeoutMs);
    } catch (thrown) {
      executor.kill(`an unhealthy replica could not be replaced: ${TuttiError.from(thrown).message}`);
    }
  }

  #slotOf(executor: Executor): Slot | undefined {
    for (const [slot, state] of this.#slots) {
      if (state.kind === "filled" && state.executor === executor) return slot;
    }
    return undefined;
  }

  #live(): LiveReplica[] {
    return [...this.#slots.values()].flatMap((state) => (state.kind === "filled" ? state.live : []));
  }

  #publish(): void {
    this.#version += 1;
    const snapshot = this.#snapshot();
    // Before the node's own router, which sends what waits at once: a class must not be called over the same connection
    // before it knows where those are that it calls itself.
    for (const [slot, state] of this.#slots) {
      if (slot.kind === "code" && state.kind === "filled") void this.#tellRoutes(state.executor, snapshot);
    }
    this.#options.onSnapshot(snapshot);
  }

  #snapshot(): RoutingSnapshot {
    const executors = new Map<string, ExecutorAddress>();
    for (const state of this.#slots.values()) {
      if (state.kind !== "filled") continue;
      const { id, socketPath } = state.executor;
      const isSilent = this.#silent.has(state.executor);
      executors.set(id, { id, socketPath, ...(isSilent ? { isSilent } : {}) });
    }
    return {
      version: this.#version,
      executors: [...executors.values()],
      deployments: toRoutes(this.#graph!, this.#live()),
      routing: this.#graph!.routing,
    };
  }

  async #tellRoutes(executor: Executor, snapshot: RoutingSnapshot): Promise<void> {
    try {
      await executor.order({ type: "route", snapshot }, ROUTE_TIMEOUT_MS);
    } catch {
      // It has ended, or is about to be ended by its heartbeat; both are told elsewhere.
    }
  }
}

/** An executor that ends does not know which of its replicas was the reason: all it was to host are named. */
function failedToFill({ name, replicas }: Slot, thrown: unknown): TuttiError {
  const error = TuttiError.from(thrown, "StartFailed");
  if (error.code !== "PeerClosed" && error.code !== "DeadlineExceeded") return error;
  const hosted = [...new Set(replicas.map(({ deployment }) => deployment))].join(", ");
  return new TuttiError("StartFailed", `${name}, which was to host ${hosted}: ${error.message}`, {
    cause: thrown,
  });
}

async function hashModels(
  graph: ApplicationGraph,
  hash: (path: string) => Promise<string>,
): Promise<Map<string, string>> {
  const paths = graph.deployments.flatMap((spec) => (spec.kind === "model" ? [spec.path] : []));
  const entries = await Promise.all(paths.map(async (path) => [path, await hash(path)] as const));
  return new Map(entries);
}
