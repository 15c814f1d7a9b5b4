import { rm } from "node:fs/promises";
import type { ApplicationGraph } from "../api/graph.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { ApplicationIdentity, ReplicaSpec } from "../executor/control-messages.ts";
import type { Executor } from "../executor/executor.ts";
import type { ApplicationDefinition } from "../policy/desired-state.ts";
import type { ExecutorAddress, RoutingSnapshot } from "../router/snapshot.ts";
import { ExecutorSlots, type ExecutorSlotsOptions } from "./executor-slots.ts";
import type { ModelLanes } from "./model-lanes.ts";
import { overrideGraph } from "./override-graph.ts";
import {
  classWishes,
  keyOf,
  modelWishes,
  type PlanChange,
  type PlanLimits,
  planChange,
  toRoutes,
} from "./plan.ts";
import { isSame, type LiveReplica, type PlannedReplica, type SlotView } from "./slot.ts";
import type { SlotNames } from "./slot-names.ts";

/** What a version is made from. */
export interface VersionSource {
  /** Absolute path of the application's module. */
  readonly module: string;
  /** For a module whose default export is a function. Default none. */
  readonly args?: object;
  /** What it is called here, where that is not what the module says. */
  readonly identity?: ApplicationIdentity;
  /** Options over those that the module gives. Default none. */
  readonly deployments?: ApplicationDefinition["deployments"];
  /** Somebody waits for it, and that counts more than those who are served meanwhile. Default false: it starts in the background. */
  readonly isUrgent?: boolean;
}

export interface VersionRunnerOptions extends Omit<ExecutorSlotsOptions, "onChange" | "prepare"> {
  readonly source: VersionSource;
  readonly limits: PlanLimits;
  readonly names: SlotNames;
  readonly lanes: ModelLanes;
  readonly importTimeoutMs: number;
  /** Where its first executor leaves its code for those that come later. Absent: each imports what there then is. */
  readonly codeCopy?: string;
  /** For the node's own router. */
  readonly onSnapshot: (snapshot: RoutingSnapshot) => void;
}

/** A deployment of a version, as it is now. */
export interface DeploymentView {
  readonly name: string;
  readonly kind: "class" | "model";
  /** What its replicas are called in slots. */
  readonly key: string;
  readonly minReplicas: number;
  readonly wantedReplicas: number;
  readonly readyReplicas: number;
}

const ROUTE_TIMEOUT_MS = 5000;
const FILES_TIMEOUT_MS = 5000;

/**
 * One version of one application: its classes in code executors of its own, its models in the lanes that all share. It tells
 * its code executors, and the node's router for it, where everything is that it calls: other versions are not in that, so that
 * what came to a version stays in it (D9). All its code executors run the code that the first one has imported, also those that are
 * started when the files are others.
 */
export class VersionRunner {
  readonly slots: ExecutorSlots;
  readonly #options: VersionRunnerOptions;
  readonly #acquire: VersionRunnerOptions["acquire"];
  /** As the module gives it. */
  #imported: ApplicationGraph | undefined;
  /** With the options that the node sets. */
  #graph: ApplicationGraph | undefined;
  #sha256Of: ReadonlyMap<string, string> = new Map();
  #snapshots = 0;
  #isStopping = false;
  /** The process that reads the graph, until it has. */
  #first: Executor | undefined;

  constructor(options: VersionRunnerOptions) {
    this.#options = options;
    const isUrgent = options.source.isUrgent ?? false;
    this.#acquire = (kind, isMissing) => options.acquire(kind, isMissing || isUrgent);
    this.slots = new ExecutorSlots({
      ...options,
      acquire: this.#acquire,
      onChange: () => this.publish(),
      prepare: (executor) => this.#prepare(executor),
    });
  }

  /**
   * Imports the module, has its models loaded, and fills its code executors.
   *
   * @throws TuttiError the first failure. What was started ends with `stop`.
   */
  async start(): Promise<ApplicationGraph> {
    const { source, lanes } = this.#options;
    const first = await this.#acquire("code", false);
    this.#first = first;
    try {
      this.#imported = await this.#import(first);
      const graph = overrideGraph(this.#imported, { deployments: source.deployments ?? {} });
      this.#sha256Of = await this.#hashModels(first, graph);
      // From here on nothing is awaited until everything that is begun is known to `stop`.
      if (this.#isStopping) throw new TuttiError("Draining", `${this.title} is not wanted any more`);
      this.#graph = graph;
      const change = this.#plan(graph);
      this.#first = undefined;
      // The process that has read the graph has the module imported: it is the first code executor.
      await Promise.all([
        lanes.want(this, modelWishes(graph, this.#sha256Of)),
        this.#fill(change.slots, first),
      ]);
      return graph;
    } catch (thrown) {
      // One that fills a slot already ends with that.
      this.#first?.kill("its version could not be started");
      throw TuttiError.from(thrown, "StartFailed");
    }
  }

  /** For messages. */
  get title(): string {
    return this.#graph === undefined ? this.#options.source.module : `application ${this.#graph.name}`;
  }

  /**
   * Changes options in place: replicas come and go, limits are others from now on, `reconfigure` is called where the `userConfig` is
   * another. No process is started for it but those that more replicas need.
   *
   * @throws TuttiError what stands against it. Some of it may then have been done: it can be asked for again.
   */
  async configure(deployments: ApplicationDefinition["deployments"], route?: string): Promise<void> {
    const imported = this.#imported;
    if (imported === undefined) throw new TuttiError("NotRunning", `${this.title} has not been read yet`);
    const graph = overrideGraph({ ...imported, route: route ?? imported.route }, { deployments });
    const wishes = classWishes(graph);
    const change = this.#plan(graph);
    const fresh = (replica: PlannedReplica): PlannedReplica => ({
      ...replica,
      spec: wishes.find(({ key }) => key === replica.key)?.spec(replica.index) ?? replica.spec,
    });
    for (const { name, planned } of this.slots.views()) await this.slots.respec(name, planned.map(fresh));
    await this.#options.lanes.want(this, modelWishes(graph, this.#sha256Of));
    await this.slots.fill(change.slots);
    for (const { name, replicas } of change.added) await this.slots.add(name, replicas, "in-place");
    // What comes before what goes: there are never fewer than the smaller of the two numbers.
    this.#graph = graph;
    this.publish();
    for (const { name, replicas } of change.dropped) await this.#drop(name, replicas);
  }

  /** Files of the user's own that this version was made from. */
  async files(): Promise<readonly string[]> {
    const [executor] = this.slots.executors();
    const models =
      this.#graph?.deployments.flatMap((spec) => (spec.kind === "model" ? [spec.path] : [])) ?? [];
    if (executor === undefined) return models;
    return [...(await executor.order({ type: "files" }, FILES_TIMEOUT_MS)), ...models];
  }

  get graph(): ApplicationGraph | undefined {
    return this.#graph;
  }

  deployments(): DeploymentView[] {
    const { graph } = this;
    if (graph === undefined) return [];
    return graph.deployments.map((spec) => {
      const key = keyOf(spec, this.#sha256Of);
      const { min, initial } = spec.options.replicas;
      const ready = spec.kind === "class" ? this.#liveOf(key) : this.#options.lanes.liveOf(key);
      return {
        name: spec.name,
        kind: spec.kind,
        key,
        minReplicas: min,
        wantedReplicas: initial,
        // Another version may want more copies of the same model.
        readyReplicas: Math.min(initial, ready.length),
      };
    });
  }

  /** Ready when every deployment has its minimum of replicas. */
  readiness(): { readonly ready: boolean; readonly reason: string } {
    if (this.#isStopping) return { ready: false, reason: "shutting down" };
    if (this.#graph === undefined) return { ready: false, reason: "starting" };
    for (const { name, readyReplicas, minReplicas } of this.deployments()) {
      if (readyReplicas < minReplicas)
        return { ready: false, reason: `${name} has ${readyReplicas} of ${minReplicas} replicas` };
    }
    return { ready: true, reason: "" };
  }

  /** Lets code executors finish what they have; ending them is not its part. */
  async drain(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    await this.slots.drain(deadlineMs);
  }

  /** Ends its code executors, those that still work after so long too, and lets go of its models. */
  async stop(drainMs: number, reason: string): Promise<void> {
    this.#isStopping = true;
    this.#first?.kill(reason);
    const views = this.slots.views();
    await Promise.all(views.map(({ name }) => this.slots.remove(name, drainMs, reason)));
    for (const { name } of views) this.#options.names.free(name);
    await this.#options.lanes.release(this);
    const { codeCopy } = this.#options;
    if (codeCopy !== undefined) await rm(codeCopy, { force: true });
  }

  /** Tells routers where everything is now. */
  publish(): void {
    if (this.#graph === undefined || this.#isStopping) return;
    this.#snapshots += 1;
    const snapshot = this.#snapshot();
    // Before the node's own router, which sends what waits at once: a class must not be called over the same connection
    // before it knows where those are that it calls itself.
    for (const executor of this.slots.executors()) void this.#tellRoutes(executor, snapshot);
    this.#options.onSnapshot(snapshot);
  }

  views(): SlotView[] {
    return this.slots.views();
  }

  async #fill(slots: Parameters<ExecutorSlots["fill"]>[0], first: Executor): Promise<void> {
    void this.#tellRoutes(first, this.#snapshot());
    await this.slots.fill(slots, first);
  }

  #plan(graph: ApplicationGraph): PlanChange {
    const { limits, names } = this.#options;
    const change = planChange(classWishes(graph), {
      kind: "code",
      slots: this.slots.views().map(({ name, planned }) => ({ name, replicas: planned })),
      maxShared: limits.codeExecutors,
      memoryMb: limits.laneMemoryMb,
      nameAfter: (prefix) => names.take(prefix),
    });
    if (change.unplaced.length === 0) return change;
    for (const { name } of change.slots) names.free(name);
    throw new TuttiError("StartFailed", `application ${graph.name}: ${change.unplaced[0]}`);
  }

  /** A slot with nothing in it any more ends. */
  async #drop(name: string, unwanted: readonly PlannedReplica[]): Promise<void> {
    const planned = this.slots.views().find((slot) => slot.name === name)?.planned ?? [];
    if (planned.some((replica) => !unwanted.some((one) => isSame(one, replica))))
      return this.slots.drop(name, unwanted);
    const longestMs = Math.max(...planned.map(({ spec }) => gracefulMs(spec)));
    await this.slots.remove(name, longestMs, "its replicas are not wanted any more");
    this.#options.names.free(name);
  }

  #import(executor: Executor): Promise<ApplicationGraph> {
    const { source, importTimeoutMs, codeCopy } = this.#options;
    const { module, args = {}, identity = {} } = source;
    const copy = codeCopy === undefined ? {} : { codeCopy };
    return executor.order({ type: "import", module, args, identity, ...copy }, importTimeoutMs);
  }

  async #hashModels(executor: Executor, graph: ApplicationGraph): Promise<Map<string, string>> {
    const paths = [...new Set(graph.deployments.flatMap((spec) => (spec.kind === "model" ? spec.path : [])))];
    if (paths.length === 0) return new Map();
    const hashes = await executor.order({ type: "hash", paths }, this.#options.importTimeoutMs);
    return new Map(paths.map((path, i) => [path, hashes[i]!]));
  }

  async #prepare(executor: Executor): Promise<void> {
    const { module } = this.#options.source;
    const graph = await this.#import(executor);
    if (JSON.stringify(graph, withoutPaths) !== JSON.stringify(this.#imported, withoutPaths)) {
      throw new TuttiError(
        "ModuleLoadFailed",
        `${module} built another graph than before: it must give the same deployments and options at each import`,
      );
    }
    void this.#tellRoutes(executor, this.#snapshot());
  }

  #liveOf(key: string): LiveReplica[] {
    return this.slots.live().filter((replica) => replica.key === key);
  }

  #snapshot(): RoutingSnapshot {
    const { lanes } = this.#options;
    const executors = new Map<string, ExecutorAddress>();
    for (const address of [...lanes.addresses(), ...this.slots.addresses()])
      executors.set(address.id, address);
    const graph = this.#graph!;
    return {
      version: this.#snapshots,
      executors: [...executors.values()],
      deployments: toRoutes(graph, (spec) => {
        const key = keyOf(spec, this.#sha256Of);
        return spec.kind === "class" ? this.#liveOf(key) : lanes.liveOf(key);
      }),
      routing: graph.routing,
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

/** Which file a model is was decided when the version began, and is no business of code executors: a newer one may be there by now. */
const withoutPaths = (_: string, value: unknown): unknown =>
  isModel(value) ? { ...value, path: undefined } : value;

const isModel = (value: unknown): value is object =>
  typeof value === "object" && value !== null && "kind" in value && value.kind === "model";

const gracefulMs = (spec: ReplicaSpec): number =>
  spec.kind === "class" ? spec.options.gracefulShutdownMs : spec.gracefulShutdownMs;
