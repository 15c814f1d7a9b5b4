import type { ApplicationGraph, ClassSpec, ModelSpec } from "../api/graph.ts";
import type { ReplicaSpec } from "../executor/control-messages.ts";
import { type Lane, place } from "../policy/place.ts";
import type { DeploymentRoute } from "../router/snapshot.ts";
import { isSame, type LiveReplica, type PlannedReplica, type Slot } from "./slot.ts";

export interface PlanLimits {
  /** Model executors; one compute lane each. */
  readonly lanes: number;
  /** Executors that the classes which only wait share. */
  readonly codeExecutors: number;
  readonly laneMemoryMb: number;
}

/** So many copies of one thing. */
export interface Wish {
  /** See `PlannedReplica`. */
  readonly key: string;
  readonly deployment: string;
  readonly replicas: number;
  readonly memoryMb: number;
  /** Each copy in a slot of its own. */
  readonly alone: boolean;
  readonly spec: (index: number) => ReplicaSpec;
}

/** What slots there are, as far as planning is concerned. */
export type PlannedSlot = Pick<Slot, "name" | "replicas">;

/** How what is planned is to change so that wishes come true. */
export interface PlanChange {
  /** New slots, each with all that is to be in it. */
  readonly slots: readonly Slot[];
  /** What is to be in slots that are there already. */
  readonly added: readonly PlannedSlot[];
  readonly dropped: readonly PlannedSlot[];
  /** Replicas that fit nowhere, with the reason. */
  readonly unplaced: readonly string[];
}

export interface Pool {
  readonly kind: Slot["kind"];
  /** Slots that are there. */
  readonly slots: readonly PlannedSlot[];
  /** Shared slots, at most: there are never more of them than the widest wish has replicas, or than replicas in all. */
  readonly maxShared: number;
  readonly memoryMb: number;
  /** A name for a new slot, that no other has: the lowest number that is free, after this. */
  readonly nameAfter: (prefix: string) => string;
}

const OWN = "it computes: an executor of its own";

/**
 * What is to change in a pool of executors so that it has what is wished for. What is planned and still wanted stays where it is.
 * Pure but for the names that it takes.
 */
export function planChange(wishes: readonly Wish[], pool: Pool): PlanChange {
  const wanted = wishes.flatMap((wish) =>
    Array.from({ length: wish.replicas }, (_, index) => ({ ...wish, index })),
  );
  const dropped = pool.slots.flatMap(({ name, replicas }) => {
    const unwanted = replicas.filter((replica) => !wanted.some((one) => isSame(one, replica)));
    return unwanted.length === 0 ? [] : [{ name, replicas: unwanted }];
  });
  const planned = pool.slots.flatMap(({ replicas }) => replicas);
  const missing = wanted.filter((one) => !planned.some((replica) => isSame(one, replica)));
  const own = missing
    .filter(({ alone }) => alone)
    .map((wish): Slot => {
      const name = pool.nameAfter(`code-${wish.deployment}-`);
      return { name, kind: pool.kind, replicas: [toPlanned(wish, OWN)] };
    });
  const shared = placeShared(
    wishes,
    missing.filter(({ alone }) => !alone),
    pool,
  );
  return { ...shared, slots: [...own, ...shared.slots], dropped };
}

type WishOfOne = Wish & { readonly index: number };

function placeShared(
  wishes: readonly Wish[],
  missing: readonly WishOfOne[],
  pool: Pool,
): Omit<PlanChange, "dropped"> {
  const isAlone = ({ replicas }: PlannedSlot) =>
    replicas.some(({ key }) => wishes.some((wish) => wish.alone && wish.key === key));
  const there = pool.slots.filter((slot) => !isAlone(slot));
  const useful = pool.kind === "model" ? sumOf(wishes) : widest(wishes);
  const fresh = Array.from({ length: Math.max(0, Math.min(pool.maxShared, useful) - there.length) }, () =>
    missing.length === 0 ? [] : [pool.nameAfter(pool.kind === "model" ? "lane" : "code")],
  ).flat();
  const lanes: Lane[] = [
    ...there.map(({ name: id, replicas }) => ({ id, memoryMb: pool.memoryMb, replicas })),
    ...fresh.map((id) => ({ id, memoryMb: pool.memoryMb, replicas: [] })),
  ];
  const placements = place(missing, lanes);
  const unplaced: string[] = [];
  const here = new Map<string, PlannedReplica[]>();
  for (const wish of missing) {
    const at = placements.find(({ key, index }) => key === wish.key && index === wish.index);
    if (at === undefined)
      unplaced.push(`${wish.deployment}#${wish.index} needs ${wish.memoryMb} MB, which no executor has left`);
    else here.set(at.lane, [...(here.get(at.lane) ?? []), toPlanned(wish, at.reason)]);
  }
  return {
    slots: fresh.map((name) => ({ name, kind: pool.kind, replicas: here.get(name) ?? [] })),
    added: there.flatMap(({ name }) => {
      const replicas = here.get(name);
      return replicas === undefined ? [] : [{ name, replicas }];
    }),
    unplaced,
  };
}

const shared = (wishes: readonly Wish[]) => wishes.filter(({ alone }) => !alone);
const widest = (wishes: readonly Wish[]) => Math.max(0, ...shared(wishes).map(({ replicas }) => replicas));
const sumOf = (wishes: readonly Wish[]) => shared(wishes).reduce((sum, { replicas }) => sum + replicas, 0);

function toPlanned({ key, deployment, index, memoryMb, spec }: WishOfOne, reason: string): PlannedReplica {
  return { key, deployment, index, memoryMb, reason, spec: spec(index) };
}

const isClass = (spec: ClassSpec | ModelSpec): spec is ClassSpec => spec.kind === "class";

/** The classes of an application. */
export function classWishes(graph: ApplicationGraph): Wish[] {
  return graph.deployments.filter(isClass).map(({ name, options }) => ({
    key: name,
    deployment: name,
    replicas: options.replicas.initial,
    memoryMb: options.memoryMb,
    alone: options.compute,
    spec: (index) => ({ kind: "class", deployment: name, index, options }),
  }));
}

/** The models of an application. Those of one name, file and limits are one, whoever wants them. */
export function modelWishes(graph: ApplicationGraph, sha256Of: ReadonlyMap<string, string>): Wish[] {
  return graph.deployments.flatMap((deployment) => {
    if (isClass(deployment)) return [];
    const { name, options, path, maxBatchRows, session } = deployment;
    const limits = {
      maxBatchRows,
      maxOngoing: options.maxOngoingRequests,
      maxQueueMs: options.maxQueueMs,
      gracefulShutdownMs: options.gracefulShutdownMs,
      session,
    };
    const sha256 = sha256Of.get(path) ?? "";
    return [
      {
        key: modelKey(deployment, sha256Of),
        deployment: name,
        replicas: options.replicas.initial,
        memoryMb: options.memoryMb,
        alone: false,
        spec: (index) => ({ kind: "model", deployment: name, index, path, sha256, ...limits }),
      },
    ];
  });
}

export function modelKey(model: ModelSpec, sha256Of: ReadonlyMap<string, string>): string {
  const { name, options, path, maxBatchRows, session } = model;
  const { maxOngoingRequests, maxQueueMs = null, gracefulShutdownMs } = options;
  // A file of the same bytes elsewhere is the same model.
  const file = sha256Of.get(path) || path;
  return JSON.stringify([
    name,
    file,
    maxBatchRows,
    session,
    maxOngoingRequests,
    maxQueueMs,
    gracefulShutdownMs,
  ]);
}

/** What a deployment's replicas are called in plans. */
export const keyOf = (spec: ClassSpec | ModelSpec, sha256Of: ReadonlyMap<string, string>): string =>
  isClass(spec) ? spec.name : modelKey(spec, sha256Of);

/** The routes of a snapshot: every deployment, with the replicas that are ready now. */
export function toRoutes(
  graph: ApplicationGraph,
  liveOf: (spec: ClassSpec | ModelSpec) => readonly LiveReplica[],
): DeploymentRoute[] {
  return graph.deployments.map((spec) => ({
    name: spec.name,
    waits: spec.kind === "class" && !spec.options.compute,
    idempotent: spec.options.idempotent,
    maxOngoing: spec.options.maxOngoingRequests,
    replicas: liveOf(spec).map(({ target, executor }) => ({ target, executor })),
  }));
}
