import type { AdminSource } from "../admin/admin-source.ts";
import type { DeploymentStatus, ExecutorReport, NodeStatus, ReplicaStatus } from "../admin/node-status.ts";
import type { Clock } from "../clock/clock.ts";
import type { ApplicationRunner, SlotView } from "../controller/application-runner.ts";
import type { IngressCounts } from "../ingress/ingress-counters.ts";
import { sumCounts } from "../observe/call-counters.ts";
import type { EventLog, EventReader } from "../observe/event-log.ts";
import type { NodeMetrics, RouteCounts } from "../observe/node-metrics.ts";
import type { RequestRecorder } from "../observe/request-recorder.ts";
import { type RequestsQuery, type RequestsReport, reportRequests } from "../observe/requests-report.ts";
import type { Router } from "../router/router.ts";
import { toBatches } from "./batch-metrics.ts";
import { MetricsCollector } from "./metrics-collector.ts";
import { RecordCollector, slotTitle } from "./record-collector.ts";
import type { SlotHistory } from "./slot-history.ts";

export interface NodeObserverParts {
  readonly runner: ApplicationRunner;
  /** Of this process. */
  readonly router: Pick<Router, "counts" | "counters">;
  readonly recorder: RequestRecorder;
  readonly ingress: () => IngressCounts;
  readonly routes: () => readonly RouteCounts[];
  readonly history: SlotHistory;
  readonly events: EventLog;
  readonly readiness: () => { readonly ready: boolean; readonly reason: string };
  readonly clock: Clock;
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
    const { runner, router, ingress, clock } = this.#parts;
    const slots = runner.slots();
    const executors = new Map(slots.flatMap(({ executor }) => (executor ? [[executor.id, executor]] : [])));
    // One that runs inline counts with this process's own counters.
    const counts = [...executors.values()].flatMap(({ pid, status }) =>
      pid === process.pid || status === undefined ? [] : [status.counts],
    );
    return {
      pid: process.pid,
      uptimeMs: clock.now() - this.#startedAtMs,
      ...this.readiness(),
      application: this.#application(slots),
      executors: slots.map(executorReport),
      calls: sumCounts([router.counters.snapshot(), ...counts]),
      batches: [...executors.values()].flatMap((executor) =>
        toBatches(executor.status?.batching ?? [], executor, slots),
      ),
      ingress: { ...ingress() },
    };
  }

  #application(slots: readonly SlotView[]): NodeStatus["application"] {
    const { graph } = this.#parts.runner;
    if (graph === undefined) return undefined;
    const { name, version, route, deadlineMs } = graph;
    const deployments = graph.deployments.map((spec): DeploymentStatus => {
      const replicas = slots.flatMap((slot) => replicasIn(slot, spec.name)).sort((a, b) => a.index - b.index);
      const ready = replicas.filter(({ state }) => state === "ready").length;
      const wanted = spec.options.replicas.initial;
      const state = ready >= wanted ? "ready" : ready > 0 ? "short" : "down";
      return { name: spec.name, kind: spec.kind, state, ready, wanted, replicas };
    });
    return { name, version, route, deadlineMs, deployments };
  }
}

const STATE_OF_MISSING = {
  filled: "starting",
  filling: "starting",
  waiting: "waiting",
  stopped: "stopped",
} as const;

/** The replicas of a deployment that are to be in a slot. */
function replicasIn({ name, state, reason, planned, live }: SlotView, wanted: string): ReplicaStatus[] {
  return planned
    .filter(({ deployment }) => deployment === wanted)
    .map(({ index }) => {
      const isLive = live.some(({ deployment, index: of }) => deployment === wanted && of === index);
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
