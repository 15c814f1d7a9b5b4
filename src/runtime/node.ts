import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type AdminOptions, type ResolvedAdminOptions, resolveAdminOptions } from "../admin/admin-options.ts";
import { type AdminAddress, AdminServer } from "../admin/admin-server.ts";
import { ApplicationsDesk } from "../admin/applications-desk.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import { executorEnvironment } from "../config/environment.ts";
import { type NodeOptions, type ResolvedNodeOptions, resolveNodeOptions } from "../config/node-options.ts";
import type { ApplicationView } from "../controller/application-view.ts";
import { Controller } from "../controller/controller.ts";
import type { NodeRunner } from "../controller/node-runner.ts";
import type { RunnerEvent } from "../controller/slot.ts";
import type { ControllerEvent } from "../controller/version-port.ts";
import type { Fleet } from "../executor/fleet.ts";
import { InlineExecutor } from "../executor/inline-executor.ts";
import { OnnxModelLoader } from "../executor/model-loader.ts";
import { ProcessLauncher } from "../executor/process-launcher.ts";
import type { IngressLog } from "../ingress/edge-services.ts";
import { Ingress, type ListenAddress } from "../ingress/ingress.ts";
import { type IngressOptions, resolveIngressOptions } from "../ingress/ingress-options.ts";
import { EventLog } from "../observe/event-log.ts";
import { RequestRecorder } from "../observe/request-recorder.ts";
import type { JsonObject } from "../policy/desired-state.ts";
import type { HostedVersion } from "./hosted-version.ts";
import { NodeEvents } from "./node-events.ts";
import { NodeObserver } from "./node-observer.ts";
import { type NodeSource, openSource } from "./node-source.ts";
import { notServedTarget } from "./not-served-target.ts";
import { OperateNode } from "./operate-node.ts";
import { createRunDirectory, noteAddresses } from "./run-directory.ts";
import { SlotHistory } from "./slot-history.ts";
import { toldSettings } from "./told-settings.ts";
import { urlOf } from "./url-of.ts";
import { VersionHost } from "./version-host.ts";
import { INLINE_ID, keepHealthy, wireNode } from "./wire-node.ts";

export interface StartNodeOptions {
  readonly source: NodeSource;
  readonly http?: IngressOptions;
  readonly node?: NodeOptions;
  /** Where the admin API listens. Default nowhere. */
  readonly admin?: AdminOptions;
  readonly log: IngressLog;
  /** This process's; its executors have their own. Default the system's. */
  readonly clock?: Clock;
  /** Aborted: the start is given up, and rejects when nothing of it is left. Without effect later. */
  readonly signal?: AbortSignal;
  readonly onEvent: (event: RunnerEvent | ControllerEvent) => void;
  /** Somebody has asked for its end over the admin API: whoever started it drains and closes it. Default nothing. */
  readonly onShutDownAsked?: () => void;
  readonly onOutput: (executorId: string, stream: "stdout" | "stderr", line: string) => void;
}

/** A running node. `drain` loses no accepted request; `close` ends everything. Both are idempotent. */
export interface RunningNode {
  readonly address: ListenAddress;
  /** Undefined without an admin API. */
  readonly admin: AdminAddress | undefined;
  readonly applications: () => readonly ApplicationView[];
  readonly pids: () => readonly number[];
  readonly placements: NodeRunner["placements"];
  /** Of a node with the application of one module: brings its code as it is now, as another version. */
  reload(): Promise<void>;
  /** Files of the user's own that what is served was made from. */
  files(): Promise<readonly string[]>;
  drain(): Promise<void>;
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;

const IS_BUILT = !import.meta.url.endsWith(".ts");

/** The executor's main module: built, it is a bundle, which is loaded sooner than the many files it is made of. */
const ENTRY = fileURLToPath(
  new URL(IS_BUILT ? "../bundle/entry.js" : "../executor/entry.ts", import.meta.url),
);

/**
 * Type stripping and `node:sqlite` announce themselves as experimental on some versions that we support, once for each
 * process: of no use to anyone here. The memory reducer collects a heap that has become quiet, and what is compiled with it
 * (docs/decisions/0017).
 */
const EXECUTOR_FLAGS = [
  "--disable-warning=ExperimentalWarning",
  "--no-memory-reducer",
  // What the application imports from this package is then the same code, see `exports` of package.json.
  ...(IS_BUILT ? ["--conditions=tutti-executor"] : []),
];

/** Without an earlier version to go back to, a version is tried for ever. */
const MAX_STARTS = 3;

/**
 * The composition root of a node: executors, routers, runner, controller and edge, wired.
 *
 * @returns of a source with one application, when it is served; else when the desired state has been read.
 * @throws TuttiError what kept it from starting; nothing is left running then.
 */
export async function startNode(options: StartNodeOptions): Promise<RunningNode> {
  const { clock = systemClock } = options;
  const nodeOptions = resolveNodeOptions(options.node);
  const ingressOptions = resolveIngressOptions(options.http);
  const adminOptions = options.admin === undefined ? undefined : resolveAdminOptions(options.admin);
  const source = await openSource(options.source);
  const runDirectory = await createRunDirectory();
  const modelCacheDirectory = path.join(runDirectory, "models");
  const codeCacheDirectory = path.join(runDirectory, "code");
  const codeDirectory = path.join(runDirectory, "versions");
  for (const directory of [modelCacheDirectory, codeCacheDirectory, codeDirectory])
    await mkdir(directory, { mode: 0o700 });
  const history = new SlotHistory();
  const log = new EventLog();
  const events = new NodeEvents({ log, glance: () => observer.glance(), clock });
  const onEvent = (event: RunnerEvent | ControllerEvent) => {
    if ("slot" in event) history.note(event);
    events.note(event);
    options.onEvent(event);
  };
  const directories = { runDirectory, modelCacheDirectory, codeCacheDirectory, codeDirectory };
  const { fleet, routers, runner, openRouter } = wire({ ...options, onEvent }, nodeOptions, directories);
  const recorder = new RequestRecorder();
  const ingress = new Ingress({
    options: ingressOptions,
    recorder,
    target: notServedTarget(() => controller.readiness()),
    log: options.log,
    clock,
    calls: routers.counters,
  });
  const controller: Controller<HostedVersion> = new Controller<HostedVersion>({
    ...source,
    port: new VersionHost({ runner, routers, openRouter, ingress }),
    limits: { maxStarts: source.maxStarts ?? MAX_STARTS, drainMs: nodeOptions.drainTimeoutMs },
    onEvent,
    clock,
  });
  const observer: NodeObserver = new NodeObserver({
    runner,
    controller,
    recorder,
    router: routers,
    history,
    events: log,
    ingress: () => ingress.counts(),
    routes: () => ingress.routeCounts(),
    readiness: () => controller.readiness(),
    clock,
  });
  const makeAdmin = (resolved: ResolvedAdminOptions) => {
    const settings = toldSettings(ingressOptions, nodeOptions, resolved);
    const operations = new OperateNode({
      store: source.store,
      controller,
      shutDown: () => options.onShutDownAsked?.(),
    });
    return new AdminServer(resolved, observer, options.log, toDesk(options.source, settings), operations);
  };
  const admin = adminOptions === undefined ? undefined : makeAdmin(adminOptions);
  const stopHealing = keepHealthy(runner, clock);
  const closeAll = async () => {
    stopHealing();
    void controller.stop();
    events.close();
    await ingress.close();
    routers.closeAll();
    await fleet.close();
    await admin?.close();
    await source.store.close();
    await rm(runDirectory, { recursive: true, force: true });
  };
  const giveUp = () => void closeAll();
  options.signal?.addEventListener("abort", giveUp, { once: true });
  try {
    options.signal?.throwIfAborted();
    // The port is taken first: a port in use is known before a second of loading, and probes get their answer.
    const address = await ingress.start();
    const adminAddress = await admin?.start();
    await noteAddresses(runDirectory, {
      edge: urlOf(address),
      ...(adminAddress === undefined ? {} : { admin: urlOf(adminAddress) }),
    });
    await fleet.start();
    const ofProcesses = processSlots(options.source, nodeOptions);
    fleet.prestart(ofProcesses);
    await controller.start();
    if (source.isWhole) await controller.started;
    if (ofProcesses > 0) fleet.keepSpares();
    const drain = async () => {
      // The edge first: what it has accepted still needs the executors.
      await Promise.all([controller.stop(), ingress.drain({ deadlineMs: nodeOptions.drainTimeoutMs })]);
      await runner.drain(nodeOptions.drainTimeoutMs);
    };
    const { reload } = source;
    return toRunningNode({
      address,
      admin: adminAddress,
      controller,
      fleet,
      runner,
      reload,
      drain,
      closeAll,
    });
  } catch (thrown) {
    await closeAll();
    throw thrown;
  } finally {
    options.signal?.removeEventListener("abort", giveUp);
  }
}

/** What a node was started with is changed by who starts it; only a desired state is changed while it runs. */
function toDesk(source: NodeSource, settings: JsonObject): ApplicationsDesk | undefined {
  if (source.kind !== "state" || source.modulesDirectory === undefined) return undefined;
  const { store, modulesDirectory } = source;
  return new ApplicationsDesk({ store, modulesDirectory, settings });
}

interface NodeDirectories {
  /** Only this user can enter it. */
  readonly runDirectory: string;
  readonly modelCacheDirectory: string;
  /** What V8 has compiled. */
  readonly codeCacheDirectory: string;
  /** The user's modules as versions have them. */
  readonly codeDirectory: string;
}

function wire(options: StartNodeOptions, nodeOptions: ResolvedNodeOptions, directories: NodeDirectories) {
  const { source, onEvent, onOutput, clock = systemClock } = options;
  const { runDirectory, modelCacheDirectory, codeCacheDirectory, codeDirectory } = directories;
  const launcher = new ProcessLauncher({
    runDirectory,
    modelCacheDirectory,
    entry: ENTRY,
    nodeFlags: EXECUTOR_FLAGS,
    env: executorEnvironment(codeCacheDirectory),
    laneNiceness: nodeOptions.laneNiceness,
    startTimeoutMs: START_TIMEOUT_MS,
    onOutput,
    clock,
  });
  const platform = { launcher, clock, codeDirectory };
  if (source.kind !== "inline") return wireNode({ platform, options: nodeOptions, onEvent });
  const models = new OnnxModelLoader({ directory: modelCacheDirectory });
  return wireNode({
    platform,
    options: nodeOptions,
    inline: (router) => new InlineExecutor(INLINE_ID, source.application, router, models),
    isInline: (kind) => kind === "code" || source.models === "inline",
    onEvent,
  });
}

/** How many processes the source is known to need. */
function processSlots(source: NodeSource, { lanes, codeExecutors }: ResolvedNodeOptions): number {
  if (source.kind !== "inline") return lanes + codeExecutors;
  return source.models === "process" ? lanes : 0;
}

interface NodeParts extends Pick<RunningNode, "address" | "admin" | "reload"> {
  readonly controller: Controller<HostedVersion>;
  readonly fleet: Fleet;
  readonly runner: NodeRunner;
  readonly drain: () => Promise<void>;
  readonly closeAll: () => Promise<void>;
}

function toRunningNode({
  address,
  admin,
  controller,
  fleet,
  runner,
  reload,
  drain,
  closeAll,
}: NodeParts): RunningNode {
  let draining: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  return {
    address,
    admin,
    applications: () => controller.applications(),
    pids: () => fleet.pids,
    placements: () => runner.placements(),
    reload,
    files: async () => {
      const files = await Promise.all(controller.serving().map((version) => version.runner.files()));
      return [...new Set(files.flat())];
    },
    drain: () => (draining ??= drain()),
    close: () => (closing ??= closeAll()),
  };
}
