import type { ApplicationGraph, ClassSpec, ModelSpec } from "../api/graph.ts";
import type { SpecToHost } from "../executor/control-messages.ts";
import { type Lane, place, type WantedReplica } from "../policy/place.ts";
import type { DeploymentRoute } from "../router/snapshot.ts";

/** One process that the application needs, and what is to be in it. Slots outlive the processes that fill them. */
export interface Slot {
  readonly name: string;
  readonly kind: "model" | "code";
  readonly replicas: readonly PlannedReplica[];
}

export interface PlannedReplica {
  readonly deployment: string;
  readonly index: number;
  readonly reason: string;
}

export interface PlanLimits {
  /** Model executors; one compute lane each. */
  readonly lanes: number;
  /** Executors that the classes which only wait share. */
  readonly codeExecutors: number;
  readonly laneMemoryMb: number;
}

export interface Plan {
  readonly slots: readonly Slot[];
  /** Replicas that fit nowhere, with the reason. */
  readonly unplaced: readonly string[];
}

/**
 * Which processes an application needs and what goes where: models over the lanes, classes that wait over a few code
 * executors, each replica of a class that computes in one of its own. Pure.
 */
export function planSlots(graph: ApplicationGraph, limits: PlanLimits): Plan {
  const models = graph.deployments.filter((spec): spec is ModelSpec => spec.kind === "model");
  const classes = graph.deployments.filter((spec): spec is ClassSpec => spec.kind === "class");
  const waiting = classes.filter(({ options }) => !options.compute);
  const mostReplicas = Math.max(0, ...waiting.map(({ options }) => options.replicas.initial));
  const shared = numbered("code", Math.min(limits.codeExecutors, mostReplicas));
  const modelReplicas = models.reduce((sum, { options }) => sum + options.replicas.initial, 0);
  const lanes = numbered("lane", Math.min(limits.lanes, modelReplicas));
  const own = classes
    .filter(({ options }) => options.compute)
    .flatMap(({ name, options }) => numbered(`code-${name}-`, options.replicas.initial));
  const wanted = [
    { kind: "model" as const, names: lanes, specs: models },
    { kind: "code" as const, names: shared, specs: waiting },
  ];
  const slots: Slot[] = own.map((name) => ({ name, kind: "code", replicas: [ownReplica(name)] }));
  const unplaced: string[] = [];
  for (const { kind, names, specs } of wanted) {
    const emptyLanes: Lane[] = names.map((id) => ({ id, memoryMb: limits.laneMemoryMb, replicas: [] }));
    const wishes = specs.flatMap(toWishes);
    const placements = place(wishes, emptyLanes);
    for (const name of names) {
      const here = placements.filter(({ lane }) => lane === name);
      slots.push({
        name,
        kind,
        replicas: here.map(({ deployment, index, reason }) => ({ deployment, index, reason })),
      });
    }
    for (const wish of wishes) {
      const isPlaced = placements.some((at) => at.deployment === wish.deployment && at.index === wish.index);
      if (!isPlaced)
        unplaced.push(
          `${wish.deployment}#${wish.index} needs ${wish.memoryMb} MB, which no executor has left`,
        );
    }
  }
  return { slots, unplaced };
}

function toWishes({ name, options }: ModelSpec | ClassSpec): WantedReplica[] {
  return Array.from({ length: options.replicas.initial }, (_, index) => ({
    deployment: name,
    index,
    memoryMb: options.memoryMb,
  }));
}

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

function ownReplica(slot: string): PlannedReplica {
  const [, deployment = "", index = "0"] = /^code-(.*)-(\d+)$/.exec(slot) ?? [];
  return { deployment, index: Number(index), reason: "it computes: an executor of its own" };
}

/** What an executor is told to host for one planned replica. */
export function toHostSpec(
  graph: ApplicationGraph,
  replica: PlannedReplica,
  target: number,
  sha256Of: ReadonlyMap<string, string>,
): SpecToHost {
  const spec = graph.deployments.find(({ name }) => name === replica.deployment);
  if (spec?.kind !== "model")
    return { kind: "class", target, deployment: replica.deployment, index: replica.index };
  return {
    kind: "model",
    target,
    deployment: spec.name,
    index: replica.index,
    path: spec.path,
    sha256: sha256Of.get(spec.path) ?? "",
    maxBatchRows: spec.maxBatchRows,
    maxOngoing: spec.options.maxOngoingRequests,
    maxQueueMs: spec.options.maxQueueMs,
    gracefulShutdownMs: spec.options.gracefulShutdownMs,
    session: spec.session,
  };
}

export interface LiveReplica {
  readonly deployment: string;
  readonly index: number;
  readonly target: number;
  readonly executor: string;
}

/** The routes of a snapshot: every deployment, with the replicas that are ready now. */
export function toRoutes(graph: ApplicationGraph, live: readonly LiveReplica[]): DeploymentRoute[] {
  return graph.deployments.map(({ kind, name, options }) => ({
    name,
    waits: kind === "class" && !options.compute,
    idempotent: options.idempotent,
    maxOngoing: options.maxOngoingRequests,
    replicas: live
      .filter(({ deployment }) => deployment === name)
      .map(({ target, executor }) => ({ target, executor })),
  }));
}
