import type { Clock } from "../clock/clock.ts";
import type { ApplicationRunner, SlotView } from "../controller/application-runner.ts";
import type { ExecutorMetrics, ExecutorStatus } from "../executor/control-messages.ts";
import type { Executor } from "../executor/executor.ts";
import { processFeatureCounters } from "../features/feature-counters.ts";
import type {
  DeploymentMetrics,
  EdgeCounts,
  ExecutorPlaceMetrics,
  NodeMetrics,
  ProcessMetrics,
  RouteCounts,
} from "../observe/node-metrics.ts";
import { processUsage } from "../observe/process-usage.ts";
import type { Router } from "../router/router.ts";
import { toBatches } from "./batch-metrics.ts";
import { slotTitle } from "./record-collector.ts";
import type { SlotHistory } from "./slot-history.ts";

export interface MetricsCollectorParts {
  readonly runner: Pick<ApplicationRunner, "slots" | "graph">;
  readonly router: Pick<Router, "counts" | "counters">;
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
    const { runner, ingress, routes, readiness } = this.#parts;
    const slots = runner.slots();
    // One that runs inline may fill several slots, and is asked once.
    const asked = new Map(slots.flatMap((slot) => (slot.executor ? [[slot.executor, slot] as const] : [])));
    const answers = (
      await Promise.all([...asked].map(([executor, slot]) => this.#ask(executor, slot)))
    ).filter((answer) => answer !== undefined);
    const { graph } = runner;
    return {
      uptimeMs: nowMs - this.#startedAtMs,
      ready: readiness().ready,
      application: graph === undefined ? undefined : { name: graph.name, version: graph.version },
      deployments: this.#deployments(slots),
      edge: ingress(),
      routes: routes(),
      processes: [this.#node(answers), ...answers.flatMap(toProcess)],
      batches: answers.flatMap(({ metrics, executor }) =>
        toBatches(metrics.status.batching, executor, slots),
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
  #node(answers: readonly Answer[]): ProcessMetrics {
    const { router } = this.#parts;
    const inline = answers.filter(isInline);
    return {
      process: "node",
      calls: router.counters.snapshot(),
      usage: processUsage(),
      router: router.counts(),
      methods: inline.flatMap(({ metrics }) => metrics.methods),
      features: { ...processFeatureCounters },
    };
  }

  #deployments(slots: readonly SlotView[]): DeploymentMetrics[] {
    const live = slots.flatMap((slot) => slot.live);
    return (this.#parts.runner.graph?.deployments ?? []).map(({ name, options }) => ({
      deployment: name,
      wanted: options.replicas.initial,
      ready: live.filter(({ deployment }) => deployment === name).length,
    }));
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

const isInline = ({ executor }: Answer): boolean => executor.pid === process.pid;

function toProcess(answer: Answer): ProcessMetrics[] {
  if (isInline(answer)) return [];
  const { status, usage, router, methods, features } = answer.metrics;
  return [{ process: slotTitle(answer.slot.name), calls: status.counts, usage, router, methods, features }];
}
