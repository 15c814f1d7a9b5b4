import type { Clock } from "../clock/clock.ts";
import type { ApplicationView } from "../controller/application-view.ts";
import type { Controller } from "../controller/controller.ts";
import type { NodeRunner } from "../controller/node-runner.ts";
import type { SlotView } from "../controller/slot.ts";
import type { ExecutorMetrics, ExecutorStatus } from "../executor/control-messages.ts";
import type { Executor } from "../executor/executor.ts";
import { processFeatureCounters } from "../features/feature-counters.ts";
import type {
  DeploymentMetrics,
  EdgeCounts,
  ExecutorPlaceMetrics,
  NodeMetrics,
  OfApplication,
  ProcessMetrics,
  RouteCounts,
} from "../observe/node-metrics.ts";
import { processUsage } from "../observe/process-usage.ts";
import { ApplicationNames } from "./application-names.ts";
import { sumBatches, toBatches } from "./batch-metrics.ts";
import type { HostedVersion } from "./hosted-version.ts";
import { slotTitle } from "./record-collector.ts";
import type { SlotHistory } from "./slot-history.ts";
import type { VersionRouters } from "./version-routers.ts";

export interface MetricsCollectorParts {
  readonly runner: Pick<NodeRunner, "slots">;
  readonly controller: Pick<Controller<HostedVersion>, "applications">;
  readonly router: Pick<VersionRouters, "counts" | "counters">;
  readonly ingress: () => EdgeCounts;
  readonly routes: () => readonly RouteCounts[];
  readonly readiness: () => { readonly ready: boolean };
  readonly history: SlotHistory;
  readonly clock: Clock;
}

/** An executor whose thread is busy for longer is left out. */
const EXECUTOR_TIMEOUT_MS = 1000;
/** Whoever asks more often is told the same again: asking costs the processes that serve. */
const FRESH_MS = 100;

interface Answer {
  readonly slot: SlotView;
  readonly executor: Executor;
  readonly tookMs: number;
  readonly metrics: ExecutorMetrics;
}

/** Asks every executor of a node for what it has counted, when somebody wants to know. */
export class MetricsCollector {
  readonly #parts: MetricsCollectorParts;
  readonly #startedAtMs: number;
  #last: { readonly atMs: number; readonly metrics: Promise<NodeMetrics> } | undefined;

  constructor(parts: MetricsCollectorParts) {
    this.#parts = parts;
    this.#startedAtMs = parts.clock.now();
  }

  collect(): Promise<NodeMetrics> {
    const nowMs = this.#parts.clock.now();
    if (this.#last === undefined || nowMs - this.#last.atMs >= FRESH_MS) {
      this.#last = { atMs: nowMs, metrics: this.#collect(nowMs) };
    }
    return this.#last.metrics;
  }

  async #collect(nowMs: number): Promise<NodeMetrics> {
    const { runner, controller, ingress, routes, readiness } = this.#parts;
    const slots = runner.slots();
    const views = controller.applications();
    const names = new ApplicationNames(views);
    // One that runs inline may fill several slots, and is asked once.
    const asked = new Map(slots.flatMap((slot) => (slot.executor ? [[slot.executor, slot] as const] : [])));
    const answers = (
      await Promise.all([...asked].map(([executor, slot]) => this.#ask(executor, slot)))
    ).filter((answer) => answer !== undefined);
    return {
      uptimeMs: nowMs - this.#startedAtMs,
      ready: readiness().ready,
      applications: views.map(({ name, status }) => ({ application: name, status })),
      versions: views.flatMap(versionsOf),
      deployments: deploymentsOf(views),
      edge: ingress(),
      routes: routes(),
      processes: [this.#node(answers, names), ...answers.flatMap((answer) => toProcess(answer, names))],
      batches: sumBatches(
        answers.flatMap(({ metrics, executor }) =>
          toBatches(metrics.status.batching, executor, slots, names),
        ),
      ),
      executors: slots.map((slot) => this.#place(slot, answers)),
    };
  }

  async #ask(executor: Executor, slot: SlotView): Promise<Answer | undefined> {
    const { clock } = this.#parts;
    const askedAtMs = clock.now();
    try {
      const metrics = await executor.order({ type: "metrics" }, EXECUTOR_TIMEOUT_MS);
      return { slot, executor, metrics, tookMs: clock.now() - askedAtMs };
    } catch {
      // It has ended, is blocked, or is about to be ended by its heartbeat: that is told elsewhere.
      return undefined;
    }
  }

  /** This process. What runs inline in it counts here too, but for its classes, which only it knows. */
  #node(answers: readonly Answer[], names: ApplicationNames): ProcessMetrics {
    const { router } = this.#parts;
    const inline = answers.filter(isInline);
    return {
      process: "node",
      calls: router.counters.snapshot(),
      usage: processUsage(),
      router: router.counts(),
      methods: inline.flatMap(({ metrics, slot }) => of(names.ofPlace(slot), metrics.methods)),
      features: { ...processFeatureCounters },
    };
  }

  #place({ name, kind, state, executor, live }: SlotView, answers: readonly Answer[]): ExecutorPlaceMetrics {
    const answer = answers.find((one) => one.executor === executor);
    const status: ExecutorStatus | undefined = answer?.metrics.status ?? executor?.status;
    return {
      executor: slotTitle(name),
      kind,
      state: state === "filled" ? "ready" : state,
      replicas: live.length,
      ...this.#parts.history.of(name),
      status,
      answerMs: answer?.tookMs,
    };
  }
}

/** Those that get requests; what differs in options alone is of one name. */
function versionsOf({ name: application, versions }: ApplicationView): NodeMetrics["versions"] {
  const weights = new Map<string, number>();
  for (const { version, weight } of versions)
    if (weight > 0) weights.set(version, (weights.get(version) ?? 0) + weight);
  return [...weights].map(([version, weight]) => ({ application, version, weight }));
}

/** Of the versions that get requests; those of one application are told together. */
function deploymentsOf(views: readonly ApplicationView[]): DeploymentMetrics[] {
  const byName = new Map<string, DeploymentMetrics>();
  for (const { name: application, versions } of views) {
    for (const { weight, runner } of versions) {
      if (weight === 0 || runner === undefined) continue;
      for (const { name: deployment, wantedReplicas, readyReplicas } of runner.deployments()) {
        const name = JSON.stringify([application, deployment]);
        const { wanted, ready } = byName.get(name) ?? { wanted: 0, ready: 0 };
        byName.set(name, {
          application,
          deployment,
          wanted: wanted + wantedReplicas,
          ready: ready + readyReplicas,
        });
      }
    }
  }
  return [...byName.values()];
}

const isInline = ({ executor }: Answer): boolean => executor.pid === process.pid;

const of = <T>(application: string, counts: readonly T[]): (T & OfApplication)[] =>
  counts.map((one) => ({ ...one, application }));

function toProcess(answer: Answer, names: ApplicationNames): ProcessMetrics[] {
  if (isInline(answer)) return [];
  const { status, usage, router, methods, features } = answer.metrics;
  const application = names.ofPlace(answer.slot);
  return [
    {
      process: slotTitle(answer.slot.name),
      calls: status.counts,
      usage,
      router: { ...router, deployments: of(application, router.deployments) },
      methods: of(application, methods),
      features,
    },
  ];
}
