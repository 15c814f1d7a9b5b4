import { type CancelTimer, type Clock, everyInBackground, systemClock } from "../clock/clock.ts";
import type { ResolvedNodeOptions } from "../config/node-options.ts";
import { NodeRunner } from "../controller/node-runner.ts";
import type { RunnerEvent } from "../controller/slot.ts";
import { countLosses } from "../executor/count-losses.ts";
import type { Executor } from "../executor/executor.ts";
import type { ExecutorLauncher } from "../executor/executor-launcher.ts";
import { Fleet } from "../executor/fleet.ts";
import type { InlineExecutor } from "../executor/inline-executor.ts";
import { Router } from "../router/router.ts";
import { VersionRouters } from "./version-routers.ts";

/** What a node stands on: processes and the system's time, or simulated ones. */
export interface NodePlatform {
  readonly launcher: ExecutorLauncher;
  /** Where the code of versions is kept as long as they run. Default nowhere: no executor imports any. */
  readonly codeDirectory?: string;
  /** Default the system's. */
  readonly clock?: Clock;
  /** In [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

export interface NodeWiring {
  readonly platform: NodePlatform;
  readonly options: ResolvedNodeOptions;
  /** Given the router of its classes, makes the executor that this very process is; none by default. */
  readonly inline?: (router: Router) => InlineExecutor;
  /** Which kinds of slots the inline executor fills. */
  readonly isInline?: (kind: "model" | "code") => boolean;
  readonly onEvent: (event: RunnerEvent) => void;
}

export const INLINE_ID = "inline";
const HEARTBEAT_INTERVAL_MS = 100;
/** This share of the silence that ends an executor is enough to ask elsewhere. */
const SILENT_SHARE = 0.25;
const HEAL_INTERVAL_MS = 1000;
const NOTHING_IS_INLINE = () => false;

/** Joins routers, fleet and runner: what a node is behind its edge. */
export function wireNode({ platform, options, onEvent, ...wiring }: NodeWiring) {
  const { launcher, codeDirectory, clock = systemClock, random = Math.random } = platform;
  const { isInline = NOTHING_IS_INLINE } = wiring;
  const routers = new VersionRouters((counters): Router => {
    const router: Router = new Router({
      localExecutor: INLINE_ID,
      clock,
      random,
      counters,
      connect: ({ id }) => {
        if (inline !== undefined && id === INLINE_ID) {
          const { link } = inline;
          return queueMicrotask(() => router.laneOpened(INLINE_ID, link));
        }
        const state = fleet.get(id)?.state;
        // The node's connection to an executor is its control connection: it is there before any snapshot names it.
        if (state?.kind === "ready") router.laneOpened(id, state.peer);
      },
      disconnect: () => {},
    });
    return router;
  });
  const fleet: Fleet = new Fleet({
    launcher,
    clock,
    spares: options.spares,
    heartbeat: {
      intervalMs: HEARTBEAT_INTERVAL_MS,
      silentAfterMs: Math.max(2 * HEARTBEAT_INTERVAL_MS, SILENT_SHARE * options.heartbeatTimeoutMs),
      timeoutMs: options.heartbeatTimeoutMs,
      loadingTimeoutMs: options.loadingTimeoutMs,
      memoryLimitMb: options.executorMemoryLimitMb,
    },
    onDetached: ({ id }) => routers.laneClosed(id),
    onLost: (executor, reason) => {
      routers.laneClosed(executor.id);
      runner.lost(executor, reason);
    },
    onSilence: (executor, isSilent) => runner.silent(executor, isSilent),
    onTooLarge: (executor, reason) => void runner.retire(executor, reason),
    onLoad: (executorId, load) => routers.report(executorId, load, clock.now()),
    onLoss: countLosses(routers.counters),
  });
  // Its classes are of the one version that there then is, and call by its router.
  // There is one application then, which comes later.
  let inlineApplication = (): string => "";
  const inlineRouter = wiring.inline === undefined ? undefined : routers.open(() => inlineApplication());
  const inline = inlineRouter === undefined ? undefined : wiring.inline?.(inlineRouter);
  const runner: NodeRunner = new NodeRunner({
    acquire: async (kind, isUrgent): Promise<Executor> =>
      inline !== undefined && isInline(kind) ? inline : fleet.acquire(isUrgent),
    limits: {
      lanes: isInline("model") ? 1 : options.lanes,
      codeExecutors: isInline("code") ? 1 : options.codeExecutors,
      laneMemoryMb: options.executorMemoryLimitMb,
    },
    importTimeoutMs: options.loadingTimeoutMs,
    ...(codeDirectory === undefined ? {} : { codeDirectory }),
    hostTimeoutMs: options.loadingTimeoutMs,
    onEvent,
    clock,
    random,
  });
  const openRouter = (applicationOf: () => string): Router => {
    if (inlineRouter === undefined) return routers.open(applicationOf);
    inlineApplication = applicationOf;
    return inlineRouter;
  };
  return { fleet, routers, runner, openRouter };
}

/** Has replicas replaced whose health checks failed, until that is cancelled. */
export function keepHealthy(runner: NodeRunner, clock: Clock = systemClock): CancelTimer {
  return everyInBackground(clock, HEAL_INTERVAL_MS, () => void runner.heal());
}
