import type { Application } from "../api/application.ts";
import type { Binding } from "../api/binding.ts";
import { readGraph } from "../api/graph.ts";
import type { CancelTimer, Clock } from "../clock/clock.ts";
import type { ResolvedDeploymentOptions } from "../config/deployment-options.ts";
import { TuttiError, toWireError } from "../errors/tutti-error.ts";
import { processFeatureCounters } from "../features/feature-counters.ts";
import { CallRecorder } from "../observe/call-recorder.ts";
import { packCalls } from "../observe/pack-calls.ts";
import { processUsage } from "../observe/process-usage.ts";
import { warmUp } from "../onnx/warm-up.ts";
import type { Router } from "../router/router.ts";
import type { RoutingSnapshot } from "../router/snapshot.ts";
import { type IncomingCall, type LoadReport, NO_STATS, type Withdrawal } from "../wire/messages.ts";
import type { Peer, PeerService } from "../wire/peer.ts";
import { buildInstance } from "./build-instance.ts";
import { CodeReplica } from "./code-replica.ts";
import {
  type ClassSpecToHost,
  CONTROL_TARGET,
  type ControlAnswers,
  type ControlRequest,
  type ExecutorMetrics,
  type ExecutorStatus,
  type HostResult,
  type ImportRequest,
  type ModelSpecToHost,
  type RecordedByExecutor,
  type SpecToHost,
} from "./control-messages.ts";
import { HealthChecks } from "./health-checks.ts";
import type { HostedReplica, ReplySink } from "./hosted-replica.ts";
import { ModelLane } from "./model-lane.ts";
import type { ModelLoader } from "./model-loader.ts";
import { ModelReplica } from "./model-replica.ts";
import { NO_PROCESS, type OwnProcess } from "./own-process.ts";
import { ReplicaTable } from "./replica-table.ts";

/** How often the end of a drain is looked for. */
const DRAIN_POLL_MS = 10;
/** Since it first hosted anything: by then what requests call has been called. */
const WARM_AFTER_MS = 5000;
/**
 * What is kept last stays, file by file, and executors of both kinds load some of the same: what those need that are
 * started most, with each version, comes after what lanes need.
 */
const CLASSES_WARM_AFTER_MS = 7000;

export interface ExecutorHostOptions {
  /** Carries the calls of the classes hosted here; its clock and counters are everybody's here. */
  readonly router: Router;
  readonly models: ModelLoader;
  readonly importApplication: (module: string, args: object, codeCopy?: string) => Promise<Application>;
  /** Files of the user's own that were imported so far. Default none. */
  readonly importedFiles?: () => readonly string[];
  /** Given each replica before it takes calls; what it returns takes them. Default the replica itself. */
  readonly wrapReplica?: (replica: HostedReplica, spec: SpecToHost) => HostedReplica;
  /** The process, if the executor has one to itself. */
  readonly ownProcess?: OwnProcess;
  /** In [0, 1), draws what is sampled of its calls. Default `Math.random`. */
  readonly random?: () => number;
  /** Resident memory in MB. Default this process's. */
  readonly rssMb?: () => number;
}

/**
 * What an executor does: hosts the replicas its node tells it to, and serves their calls from whoever is connected.
 * The same object serves in a process of its own and inline.
 */
export class ExecutorHost implements PeerService {
  readonly replicas: ReplicaTable;
  readonly #clock: Clock;
  readonly #lane: ModelLane;
  readonly #health: HealthChecks;
  readonly #router: Router;
  readonly #options: ExecutorHostOptions;
  readonly #recorder: CallRecorder;
  readonly #process: OwnProcess;
  readonly #classes = new Map<number, CodeReplica>();
  #cancelWarm: CancelTimer | undefined;
  #application:
    | { readonly application: Application; readonly bindings: ReadonlyMap<string, Binding> }
    | undefined;

  constructor(options: ExecutorHostOptions) {
    const { router } = options;
    this.#options = options;
    this.#process = options.ownProcess ?? NO_PROCESS;
    this.#router = router;
    this.#clock = router.clock;
    this.#health = new HealthChecks(this.#clock);
    this.#lane = new ModelLane({ clock: this.#clock, counters: router.counters });
    this.#recorder = new CallRecorder(options.random);
    this.replicas = new ReplicaTable(this.#lane);
  }

  onCalls(calls: readonly IncomingCall[], from: Peer): void {
    for (const call of calls) this.replicas.accept(call, from);
  }

  onCancel(ids: readonly number[], from: Peer): void {
    for (const id of ids) this.replicas.cancel(id, from);
  }

  onWithdraw(withdrawals: readonly Withdrawal[], from: Peer): void {
    for (const withdrawal of withdrawals) this.replicas.withdraw(withdrawal, from);
  }

  loadReport(): LoadReport {
    return this.replicas.loadReport(this.#process.busyFraction(this.#clock.now()));
  }

  /** While a lane runs, its next replies are a batch away. */
  get hasMoreSoon(): boolean {
    return this.#lane.isRunning;
  }

  /** The service for the connection to the node: calls, and orders to the executor itself. */
  controlService(): PeerService {
    const host = this;
    return {
      get hasMoreSoon() {
        return host.hasMoreSoon;
      },
      onCalls: (calls, from) => {
        for (const call of calls) {
          if (call.target === CONTROL_TARGET) void this.#answerControl(call, from);
          else this.replicas.accept(call, from);
        }
      },
      onCancel: (ids, from) => this.onCancel(ids, from),
      onWithdraw: (withdrawals, from) => this.onWithdraw(withdrawals, from),
      loadReport: () => this.loadReport(),
    };
  }

  async #answerControl(call: IncomingCall, from: ReplySink): Promise<void> {
    try {
      // Only the node has the token that opens this connection: what it sends is what `ControlRequest` says.
      const value = await this.control(call.args[0] as ControlRequest);
      from.reply(call.id, { ok: true, value }, NO_STATS, 0);
    } catch (thrown) {
      from.reply(call.id, { ok: false, error: TuttiError.from(thrown, "Internal") }, NO_STATS, 0);
    }
  }

  async control(request: ControlRequest): Promise<ControlAnswers[ControlRequest["type"]]> {
    switch (request.type) {
      case "import":
        return this.#use(await this.#import(request));
      case "hash":
        return this.#hash(request.paths);
      case "host":
        return this.#host(request.replicas);
      case "drop":
        await Promise.all(request.targets.map((target) => this.#drop(target)));
        return undefined;
      case "configure":
        await this.#configure(request.replicas);
        return undefined;
      case "files":
        return this.#options.importedFiles?.() ?? [];
      case "route":
        this.route(request.snapshot);
        return undefined;
      case "ping":
        return this.status();
      case "requests":
        return this.#recorded();
      case "metrics":
        return this.#metrics();
      case "drain":
        await this.drain(request.deadlineMs);
        return undefined;
    }
  }

  async #import({ module, args, identity, codeCopy }: ImportRequest): Promise<Application> {
    return { ...(await this.#options.importApplication(module, args, codeCopy)), ...identity };
  }

  async #hash(paths: readonly string[]): Promise<string[]> {
    const hashes: string[] = [];
    for (const path of paths) hashes.push(await this.#options.models.hash(path));
    return hashes;
  }

  #use(application: Application) {
    const { graph, bindings } = readGraph(application);
    this.#application = { application, bindings };
    return graph;
  }

  route(snapshot: RoutingSnapshot): void {
    this.#router.apply(snapshot);
  }

  /** Refuses new calls, lets each replica finish what it has within its own time and the deadline, then frees all. */
  async drain(deadlineMs: number): Promise<void> {
    this.replicas.drain();
    await Promise.all(
      this.replicas
        .all()
        .map((replica) => finish(replica, Math.min(deadlineMs, replica.gracefulShutdownMs), this.#clock)),
    );
    this.#health.close();
    this.#cancelWarm?.();
  }

  status(): ExecutorStatus {
    return {
      ongoing: this.replicas.ongoing,
      backlogUs: this.#lane.backlogUs,
      longestRunMs: this.replicas.longestRunMs,
      rssMb: this.#options.rssMb?.() ?? process.memoryUsage.rss() / 2 ** 20,
      unhealthy: this.#health.unhealthy,
      counts: this.#router.counters.snapshot(),
      batching: this.replicas.all().flatMap((replica) => replica.batching()),
    };
  }

  #metrics(): ExecutorMetrics {
    return {
      status: this.status(),
      usage: processUsage(),
      router: this.#router.counts(),
      methods: this.#recorder.counts(),
      features: { ...processFeatureCounters },
    };
  }

  #recorded(): RecordedByExecutor {
    const nowMs = this.#clock.now();
    return {
      kept: packCalls(this.#recorder.kept(nowMs)),
      sample: this.#recorder
        .sample(nowMs)
        .map(({ items, offered }) => ({ calls: packCalls(items), offered })),
      waits: this.#lane.history.waits(nowMs),
    };
  }

  /** One after the other: loads share this thread anyway, and each one's memory is seen apart. */
  async #host(specs: readonly SpecToHost[]): Promise<HostResult[]> {
    for (const spec of specs) {
      if (spec.kind === "model") await this.#options.models.prepare(spec);
    }
    const results: HostResult[] = [];
    for (const spec of specs) results.push(await this.#hostOne(spec));
    this.#process.hasLoaded();
    const warmAfterMs = this.#classes.size > 0 ? CLASSES_WARM_AFTER_MS : WARM_AFTER_MS;
    this.#cancelWarm ??= this.#clock.afterInBackground(warmAfterMs, () => this.#process.isWarm());
    return results;
  }

  async #hostOne(spec: SpecToHost): Promise<HostResult> {
    const startedAtMs = this.#clock.now();
    const rssBefore = process.memoryUsage.rss();
    const result = (): HostResult => ({
      target: spec.target,
      loadMs: this.#clock.now() - startedAtMs,
      memoryMb: Math.max(0, process.memoryUsage.rss() - rssBefore) / 2 ** 20,
    });
    try {
      const replica = spec.kind === "model" ? await this.#loadModel(spec) : await this.#buildClass(spec);
      this.replicas.add(this.#options.wrapReplica?.(replica, spec) ?? replica);
      return result();
    } catch (thrown) {
      const { code, message } = toWireError(TuttiError.from(thrown, "StartFailed"));
      return { ...result(), error: { code, message } };
    }
  }

  async #loadModel(spec: ModelSpecToHost): Promise<HostedReplica> {
    this.#process.giveWay();
    const loaded = await this.#options.models.load(spec);
    const samples = await warmUp(loaded, { now: () => this.#clock.now() });
    const replica = new ModelReplica(spec, loaded, samples, this.#lane);
    this.#lane.add(replica);
    return replica;
  }

  async #buildClass(spec: ClassSpecToHost): Promise<HostedReplica> {
    const { application, bindings } = this.#application ?? {};
    const binding = bindings?.get(spec.deployment);
    if (application === undefined || binding === undefined || binding.kind !== "class") {
      throw new TuttiError(
        "StartFailed",
        `this executor's module has no class deployment ${spec.deployment}`,
      );
    }
    const { options } = spec;
    if (options.compute) this.#process.giveWay();
    const replica = new CodeReplica({
      target: spec.target,
      deployment: spec.deployment,
      options,
      instance: await buildInstance(binding, options.userConfig, this.#router, application.version),
      routes: binding === application.ingress ? application.routes : undefined,
      clock: this.#clock,
      counters: this.#router.counters,
      recorder: this.#recorder,
      servedBy: {
        replica: `${spec.deployment}#${spec.index}`,
        application: application.name,
        applicationVersion: application.version,
      },
    });
    // A class that is not healthy from its beginning never takes a call.
    await this.#health.checkFirst(replica, options.healthCheckTimeoutMs);
    this.#classes.set(spec.target, replica);
    this.#watchHealth(replica, options);
    return replica;
  }

  #watchHealth(replica: CodeReplica, options: ResolvedDeploymentOptions): void {
    const { healthCheckPeriodMs, healthCheckTimeoutMs } = options;
    this.#health.watch(replica, { periodMs: healthCheckPeriodMs, timeoutMs: healthCheckTimeoutMs });
  }

  async #configure(replicas: Extract<ControlRequest, { type: "configure" }>["replicas"]): Promise<void> {
    for (const { target, options } of replicas) {
      const replica = this.#classes.get(target);
      if (replica === undefined) continue;
      await replica.configure(options);
      this.#health.forget(target);
      this.#watchHealth(replica, options);
    }
  }

  /** Refuses new calls to it at once, lets what is ongoing end, then frees it. */
  async #drop(target: number): Promise<void> {
    const replica = this.replicas.get(target);
    if (replica === undefined) return;
    this.#health.forget(target);
    this.#classes.delete(target);
    this.replicas.delete(target);
    await finish(replica, replica.gracefulShutdownMs, this.#clock);
    this.#lane.remove(target);
  }
}

/** Waits until a replica has no calls left, or for so long; then frees what it holds. */
async function finish(replica: HostedReplica, timeoutMs: number, clock: Clock): Promise<void> {
  const endAtMs = clock.now() + timeoutMs;
  while (replica.ongoing > 0 && clock.now() < endAtMs) {
    await new Promise<void>((resolve) => clock.after(DRAIN_POLL_MS, resolve));
  }
  await replica.close();
}
