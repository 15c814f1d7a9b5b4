import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type AdminOptions, resolveAdminOptions } from "../admin/admin-options.ts";
import { type AdminAddress, AdminServer } from "../admin/admin-server.ts";
import type { Application } from "../api/application.ts";
import type { ApplicationGraph } from "../api/graph.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import { executorEnvironment } from "../config/environment.ts";
import { type NodeOptions, type ResolvedNodeOptions, resolveNodeOptions } from "../config/node-options.ts";
import type { ApplicationRunner, RunnerEvent } from "../controller/application-runner.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { Fleet } from "../executor/fleet.ts";
import { InlineExecutor } from "../executor/inline-executor.ts";
import { OnnxModelLoader } from "../executor/model-loader.ts";
import { ProcessLauncher } from "../executor/process-launcher.ts";
import type { IngressLog } from "../ingress/edge-services.ts";
import { Ingress, type ListenAddress } from "../ingress/ingress.ts";
import { type IngressOptions, resolveIngressOptions } from "../ingress/ingress-options.ts";
import type { IngressTarget } from "../ingress/ingress-target.ts";
import { EventLog } from "../observe/event-log.ts";
import { RequestRecorder } from "../observe/request-recorder.ts";
import { EdgeTarget, toApplicationSpec } from "./edge-target.ts";
import { NodeEvents } from "./node-events.ts";
import { NodeObserver } from "./node-observer.ts";
import { createRunDirectory } from "./run-directory.ts";
import { SlotHistory } from "./slot-history.ts";
import { INLINE_ID, keepHealthy, wireNode } from "./wire-node.ts";

/** Where the application comes from. `inline`: an object of this program, whose classes then run in this process. */
export type ApplicationSource =
  | { readonly kind: "module"; readonly path: string }
  | { readonly kind: "inline"; readonly application: Application; readonly models: "process" | "inline" };

export interface StartNodeOptions {
  readonly source: ApplicationSource;
  readonly http?: IngressOptions;
  readonly node?: NodeOptions;
  /** Where the admin API listens. Default nowhere. */
  readonly admin?: AdminOptions;
  readonly log: IngressLog;
  /** This process's; its executors have their own. Default the system's. */
  readonly clock?: Clock;
  /** Aborted: the start is given up, and rejects when nothing of it is left. Without effect later. */
  readonly signal?: AbortSignal;
  readonly onEvent: (event: RunnerEvent) => void;
  readonly onOutput: (executorId: string, stream: "stdout" | "stderr", line: string) => void;
}

/** A running node. `drain` loses no accepted request; `close` ends everything. Both are idempotent. */
export interface RunningNode {
  readonly address: ListenAddress;
  /** Undefined without an admin API. */
  readonly admin: AdminAddress | undefined;
  readonly graph: ApplicationGraph;
  readonly pids: () => readonly number[];
  readonly placements: ApplicationRunner["placements"];
  drain(): Promise<void>;
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;

/** This file's own extension: the executor's main module stands beside it, built or not. */
const ENTRY = fileURLToPath(new URL(`../executor/entry${path.extname(import.meta.url)}`, import.meta.url));

/**
 * Type stripping and `node:sqlite` announce themselves as experimental on some versions that we support, once for each
 * process: of no use to anyone here.
 */
const EXECUTOR_FLAGS = ["--disable-warning=ExperimentalWarning"];

/**
 * The composition root of a node with one application: executors, router, runner and edge, wired.
 *
 * @throws TuttiError what kept it from starting; nothing is left running then.
 */
export async function startNode(options: StartNodeOptions): Promise<RunningNode> {
  const { clock = systemClock } = options;
  const nodeOptions = resolveNodeOptions(options.node);
  const ingressOptions = resolveIngressOptions(options.http);
  const adminOptions = options.admin === undefined ? undefined : resolveAdminOptions(options.admin);
  const runDirectory = await createRunDirectory();
  const modelCacheDirectory = path.join(runDirectory, "models");
  await mkdir(modelCacheDirectory, { mode: 0o700 });
  const history = new SlotHistory();
  const log = new EventLog();
  const events = new NodeEvents({ log, status: () => observer.status(), clock });
  const onEvent = (event: RunnerEvent) => {
    history.note(event);
    events.note(event);
    options.onEvent(event);
  };
  const directories = { runDirectory, modelCacheDirectory };
  const { fleet, router, runner } = wire({ ...options, onEvent }, nodeOptions, directories);
  let target: IngressTarget = notReadyTarget;
  const recorder = new RequestRecorder();
  const ingress = new Ingress({
    options: ingressOptions,
    recorder,
    target: { call: (request) => target.call(request), readiness: () => target.readiness() },
    log: options.log,
    clock,
    calls: router.counters,
  });
  const observer: NodeObserver = new NodeObserver({
    runner,
    recorder,
    router,
    history,
    events: log,
    ingress: () => ingress.counts(),
    routes: () => ingress.routeCounts(),
    readiness: () => target.readiness(),
    clock,
  });
  const admin = adminOptions === undefined ? undefined : new AdminServer(adminOptions, observer, options.log);
  const stopHealing = keepHealthy(runner, clock);
  const closeAll = async () => {
    stopHealing();
    events.close();
    await ingress.close();
    router.close();
    await fleet.close();
    await admin?.close();
    await rm(runDirectory, { recursive: true, force: true });
  };
  const giveUp = () => void closeAll();
  options.signal?.addEventListener("abort", giveUp, { once: true });
  try {
    options.signal?.throwIfAborted();
    // The port is taken first: a port in use is known before a second of loading, and probes get their answer.
    const address = await ingress.start();
    const adminAddress = await admin?.start();
    await fleet.start();
    const ofProcesses = processSlots(options.source, nodeOptions);
    fleet.prestart(ofProcesses.lanes + ofProcesses.codeExecutors);
    const graph = await runner.start();
    target = new EdgeTarget(router, graph, () => runner.readiness());
    ingress.setApplications([toApplicationSpec(graph)]);
    if (ofProcesses.lanes + ofProcesses.codeExecutors > 0) fleet.keepSpares();
    return toRunningNode({
      address,
      admin: adminAddress,
      graph,
      fleet,
      runner,
      ingress,
      closeAll,
      drainTimeoutMs: nodeOptions.drainTimeoutMs,
    });
  } catch (thrown) {
    await closeAll();
    throw thrown;
  } finally {
    options.signal?.removeEventListener("abort", giveUp);
  }
}

interface NodeDirectories {
  /** Only this user can enter it. */
  readonly runDirectory: string;
  readonly modelCacheDirectory: string;
}

function wire(options: StartNodeOptions, nodeOptions: ResolvedNodeOptions, directories: NodeDirectories) {
  const { source, onEvent, onOutput, clock = systemClock } = options;
  const launcher = new ProcessLauncher({
    ...directories,
    entry: ENTRY,
    nodeFlags: EXECUTOR_FLAGS,
    env: executorEnvironment(),
    laneNiceness: nodeOptions.laneNiceness,
    startTimeoutMs: START_TIMEOUT_MS,
    onOutput,
    clock,
  });
  const platform = { launcher, clock };
  if (source.kind === "module")
    return wireNode({ platform, options: nodeOptions, module: source.path, onEvent });
  const models = new OnnxModelLoader({ directory: directories.modelCacheDirectory });
  return wireNode({
    platform,
    options: nodeOptions,
    module: "the application",
    inline: (router) => new InlineExecutor(INLINE_ID, source.application, router, models),
    isInline: (kind) => kind === "code" || source.models === "inline",
    onEvent,
  });
}

/** How many executors of each kind are processes. */
function processSlots(source: ApplicationSource, { lanes, codeExecutors }: ResolvedNodeOptions) {
  if (source.kind === "module") return { lanes, codeExecutors };
  return { lanes: source.models === "process" ? lanes : 0, codeExecutors: 0 };
}

const notReadyTarget: IngressTarget = {
  call: () => {
    throw new TuttiError("Unavailable", "the application is starting", {
      started: "no",
      retryAfterSeconds: 1,
    });
  },
  readiness: () => ({ ready: false, reason: "starting" }),
};

interface NodeParts {
  readonly address: ListenAddress;
  readonly admin: AdminAddress | undefined;
  readonly graph: ApplicationGraph;
  readonly fleet: Fleet;
  readonly runner: ApplicationRunner;
  readonly ingress: Ingress;
  readonly closeAll: () => Promise<void>;
  readonly drainTimeoutMs: number;
}

function toRunningNode({
  address,
  admin,
  graph,
  fleet,
  runner,
  ingress,
  closeAll,
  drainTimeoutMs,
}: NodeParts): RunningNode {
  let draining: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  const drain = async () => {
    // The edge first: what it has accepted still needs the executors.
    await ingress.drain({ deadlineMs: drainTimeoutMs });
    await runner.drain(drainTimeoutMs);
  };
  return {
    address,
    admin,
    graph,
    pids: () => fleet.pids,
    placements: () => runner.placements(),
    drain: () => (draining ??= drain()),
    close: () => (closing ??= closeAll()),
  };
}
