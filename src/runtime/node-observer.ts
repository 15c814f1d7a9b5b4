import type { AdminSource } from "../admin/admin-source.ts";
import type {
  ApplicationStatus,
  DeploymentStatus,
  ExecutorReport,
  NodeStatus,
  ReplicaStatus,
  VersionStatus,
} from "../admin/node-status.ts";
import type { Clock } from "../clock/clock.ts";
import type { ApplicationView, VersionView } from "../controller/application-view.ts";
import type { Controller } from "../controller/controller.ts";
import type { NodeRunner } from "../controller/node-runner.ts";
import { isSame, type SlotView } from "../controller/slot.ts";
import type { DeploymentView } from "../controller/version-runner.ts";
import type { IngressCounts } from "../ingress/ingress-counters.ts";
import { sumCounts } from "../observe/call-counters.ts";
import type { EventLog, EventReader } from "../observe/event-log.ts";
import type { NodeMetrics, RouteCounts } from "../observe/node-metrics.ts";
import type { RequestRecorder } from "../observe/request-recorder.ts";
import { type RequestsQuery, type RequestsReport, reportRequests } from "../observe/requests-report.ts";
import { ApplicationNames } from "./application-names.ts";
import { toBatches } from "./batch-metrics.ts";
import type { HostedVersion } from "./hosted-version.ts";
import { MetricsCollector } from "./metrics-collector.ts";
import { RecordCollector, slotTitle } from "./record-collector.ts";
import type { SlotHistory } from "./slot-history.ts";
import type { VersionRouters } from "./version-routers.ts";

export interface NodeObserverParts {
  readonly runner: NodeRunner;
  readonly controller: Pick<Controller<HostedVersion>, "applications" | "revision" | "troubles">;
  /** Of this process. */
  readonly router: Pick<VersionRouters, "counts" | "counters">;
  readonly recorder: RequestRecorder;
  readonly ingress: () => IngressCounts;
  readonly routes: () => readonly RouteCounts[];
  readonly history: SlotHistory;
  readonly events: EventLog;
  readonly readiness: () => { readonly ready: boolean; readonly reason: string };
  readonly clock: Clock;
}

/** Of the version of each application that has the requests, or most of them. */
export interface NodeGlance {
  readonly ready: boolean;
  readonly reason: string;
  readonly deployments: readonly {
    readonly application: string;
    readonly deployment: string;
    readonly state: "ready" | "short" | "down";
    readonly ready: number;
    readonly wanted: number;
  }[];
}

/** What can be seen of a running node, put together from its parts when somebody looks. */
export class NodeObserver implements AdminSource {
  readonly #parts: NodeObserverParts;
  readonly #collector: RecordCollector;
  readonly #metrics: MetricsCollector;
  readonly #startedAtMs: number;

  constructor(parts: NodeObserverParts) {
    this.#parts = parts;
    this.#collector = new RecordCollector(parts);
    this.#metrics = new MetricsCollector(parts);
    this.#startedAtMs = parts.clock.now();
  }

  readiness(): { readonly ready: boolean; readonly reason: string } {
    return this.#parts.readiness();
  }

  nameOf(executorId: string): string {
    return this.#collector.nameOf(executorId);
  }

  async requests(query: RequestsQuery): Promise<RequestsReport> {
    // What is left of this turn belongs to the edge, which shares the process.
    const pause = () => new Promise<void>((resolve) => this.#parts.clock.onNextTurn(resolve));
    return reportRequests(await this.#collector.collect(), query, pause);
  }

  readEvents(afterId: number | undefined, reader: EventReader): () => void {
    return this.#parts.events.read(afterId, reader);
  }

  metrics(): Promise<NodeMetrics> {
    return this.#metrics.collect();
  }

  status(): NodeStatus {
    const { runner, controller, router, ingress, clock } = this.#parts;
    const slots = runner.slots();
    const executors = new Map(slots.flatMap(({ executor }) => (executor ? [[executor.id, executor]] : [])));
    // One that runs inline counts with this process's own counters.
    const counts = [...executors.values()].flatMap(({ pid, status }) =>
      pid === process.pid || status === undefined ? [] : [status.counts],
    );
    const views = controller.applications();
    const names = new ApplicationNames(views);
    return {
      pid: process.pid,
      uptimeMs: clock.now() - this.#startedAtMs,
      ...this.readiness(),
      troubles: controller.troubles,
      revision: controller.revision,
      applications: views.map((one) => this.#application(one, slots)),
      executors: slots.map(executorReport),
      calls: sumCounts([router.counters.snapshot(), ...counts]),
      batches: [...executors.values()].flatMap((executor) =>
        toBatches(executor.status?.batching ?? [], executor, slots, names),
      ),
      ingress: { ...ingress() },
    };
  }

  /** As little of the status as events are made of: it is looked at whenever anything happens, on the thread that all requests pass. */
  glance(): NodeGlance {
    const deployments = this.#parts.controller.applications().flatMap(({ name, versions }) => {
      const [main] = [...versions].sort((a, b) => b.weight - a.weight);
      const views = main?.runner?.deployments() ?? [];
      return views.map((view) => ({ application: name, deployment: view.name, ...readinessOf(view) }));
    });
    return { ...this.readiness(), deployments };
  }

  #application(view: ApplicationView, slots: readonly SlotView[]): ApplicationStatus {
    const { name, status, reason, version = "", route = "", deadlineMs = 0, versions, rollout } = view;
    const nowMs = this.#parts.clock.now();
    const reports = versions.map((one) => versionReport(one, slots, nowMs));
    const [main] = [...reports].sort((a, b) => b.weight - a.weight);
    return {
      name,
      version,
      route,
      deadlineMs,
      status,
      reason,
      deployments: main?.deployments ?? [],
      versions: reports,
      ...(rollout === undefined
        ? {}
        : {
            rollout: {
              from: rollout.from,
              to: rollout.to,
              step: rollout.step,
              steps: rollout.steps,
              weight: rollout.weight,
              stepAgeMs: Math.max(0, nowMs - rollout.sinceMs),
            },
          }),
    };
  }
}

function versionReport(
  { version, phase, adjust, weight, openRequests, runner }: VersionView,
  slots: readonly SlotView[],
  nowMs: number,
): VersionStatus {
  const failure = phase.kind === "failed" ? phase : undefined;
  const error = failure?.reason ?? (adjust.kind === "failed" ? adjust.reason : undefined);
  return {
    version,
    state: weight > 0 ? "serving" : phase.kind,
    weight,
    openRequests,
    deployments: (runner?.deployments() ?? []).map((deployment) => deploymentReport(deployment, slots)),
    ...(error === undefined ? {} : { error }),
    ...(failure === undefined
      ? {}
      : { attempts: failure.attempts, retryInMs: Math.max(0, failure.retryAtMs - nowMs) }),
  };
}

function deploymentReport(deployment: DeploymentView, slots: readonly SlotView[]): DeploymentStatus {
  const { name, kind, key } = deployment;
  const replicas = slots.flatMap((slot) => replicasIn(slot, key)).sort((a, b) => a.index - b.index);
  return { name, kind, ...readinessOf(deployment), replicas };
}

function readinessOf({ wantedReplicas: wanted, readyReplicas: ready }: DeploymentView) {
  const state = ready >= wanted ? "ready" : ready > 0 ? "short" : "down";
  return { state, ready, wanted } as const;
}

const STATE_OF_MISSING = {
  filled: "starting",
  filling: "starting",
  waiting: "waiting",
  stopped: "stopped",
} as const;

/** The replicas of one key that are to be in a slot. */
function replicasIn({ name, state, reason, planned, live }: SlotView, wanted: string): ReplicaStatus[] {
  return planned
    .filter(({ key }) => key === wanted)
    .map((replica) => {
      const { index } = replica;
      const isLive = live.some((one) => isSame(one, replica));
      return { index, executor: slotTitle(name), state: isLive ? "ready" : STATE_OF_MISSING[state], reason };
    });
}

function executorReport({ name, kind, state, reason, executor, live }: SlotView): ExecutorReport {
  const status = executor?.status;
  return {
    name: slotTitle(name),
    id: executor?.id ?? "",
    kind,
    state: state === "filled" ? "ready" : state,
    reason,
    pid: executor?.pid,
    replicas: live.length,
    rssMb: status?.rssMb,
    ongoing: status?.ongoing,
    backlogMs: status === undefined ? undefined : status.backlogUs / 1000,
    longestRunMs: status?.longestRunMs,
    unhealthy: status?.unhealthy.length,
    calls: status?.counts,
  };
}
