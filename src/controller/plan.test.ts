import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ApplicationGraph, ClassSpec, ModelSpec } from "../api/graph.ts";
import {
  CODE_DEFAULTS,
  type DeploymentOptions,
  MODEL_DEFAULTS,
  resolveDeploymentOptions,
} from "../config/deployment-options.ts";
import { resolveRoutingOptions } from "../config/routing-options.ts";
import {
  classWishes,
  modelWishes,
  type PlanLimits,
  type Pool,
  planChange,
  toRoutes,
  type Wish,
} from "./plan.ts";
import type { Slot } from "./slot.ts";
import { SlotNames } from "./slot-names.ts";

const model = (name: string, options: DeploymentOptions = {}): ModelSpec => ({
  kind: "model",
  name,
  options: resolveDeploymentOptions(name, options, MODEL_DEFAULTS),
  path: `/models/${name}.onnx`,
  maxBatchRows: 64,
  session: { intraOpThreads: 1 },
});

const code = (name: string, options: DeploymentOptions = {}): ClassSpec => ({
  kind: "class",
  name,
  options: resolveDeploymentOptions(name, options, CODE_DEFAULTS),
  uses: [],
});

const graphOf = (...deployments: (ModelSpec | ClassSpec)[]): ApplicationGraph => ({
  name: "offers",
  route: "/",
  version: "1",
  deadlineMs: 1000,
  routing: resolveRoutingOptions(),
  ingress: "Offers",
  routes: [],
  deployments,
});

const LIMITS = { lanes: 2, codeExecutors: 2, laneMemoryMb: 1000 };

const NO_HASHES: ReadonlyMap<string, string> = new Map();

const pool = (kind: Slot["kind"], limits: PlanLimits, names: SlotNames, slots: Pool["slots"] = []): Pool => ({
  kind,
  slots,
  maxShared: kind === "model" ? limits.lanes : limits.codeExecutors,
  memoryMb: limits.laneMemoryMb,
  nameAfter: (prefix) => names.take(prefix),
});

/** All that an application needs where nothing is yet. */
function planSlots(graph: ApplicationGraph, limits: PlanLimits) {
  const names = new SlotNames();
  const code = planChange(classWishes(graph), pool("code", limits, names));
  const models = planChange(modelWishes(graph, NO_HASHES), pool("model", limits, names));
  return {
    slots: [...code.slots, ...models.slots],
    unplaced: [...code.unplaced, ...models.unplaced],
  };
}

/** `slot: deployment#index …`, one line for each slot. */
const told = ({ slots }: { readonly slots: readonly Slot[] }) =>
  slots.map(
    ({ name, replicas }) => `${name}: ${replicas.map((one) => `${one.deployment}#${one.index}`).join(" ")}`,
  );

describe("the plan of an application", () => {
  it("puts every model on as many lanes as it has replicas", () => {
    const models = Array.from({ length: 15 }, (_, index) => model(`m${index}`, { replicas: 2 }));
    const { slots, unplaced } = planSlots(graphOf(...models), LIMITS);
    const lanes = slots.filter(({ kind }) => kind === "model");
    expect(lanes).toHaveLength(2);
    for (const { replicas } of lanes) {
      expect(new Set(replicas.map(({ deployment }) => deployment)).size).toBe(15);
    }
    expect(unplaced).toEqual([]);
  });

  it("spreads models with one replica evenly over the lanes", () => {
    const models = Array.from({ length: 7 }, (_, index) => model(`m${index}`));
    const counts = planSlots(graphOf(...models), LIMITS).slots.map(({ replicas }) => replicas.length);
    expect(counts.sort()).toEqual([3, 4]);
  });

  it("shares code executors among the classes that wait, a deployment's replicas apart", () => {
    const plan = planSlots(graphOf(code("Features"), code("Offers", { replicas: 2 })), LIMITS);
    expect(plan.slots.map(({ name }) => name)).toEqual(["code0", "code1"]);
    for (const { replicas } of plan.slots) {
      expect(replicas.filter(({ deployment }) => deployment === "Offers")).toHaveLength(1);
    }
  });

  it("starts no more code executors than the widest class has replicas", () => {
    expect(told(planSlots(graphOf(code("Features"), code("Offers")), LIMITS))).toEqual([
      "code0: Features#0 Offers#0",
    ]);
  });

  it("gives each replica of a class that computes an executor of its own", () => {
    const plan = planSlots(graphOf(code("Offers"), code("Render-2", { compute: true, replicas: 3 })), LIMITS);
    expect(told(plan).sort()).toEqual([
      "code-Render-2-0: Render-2#0",
      "code-Render-2-1: Render-2#1",
      "code-Render-2-2: Render-2#2",
      "code0: Offers#0",
    ]);
    const own = plan.slots.find(({ name }) => name === "code-Render-2-0");
    expect(own).toMatchObject({
      kind: "code",
      replicas: [{ reason: "it computes: an executor of its own" }],
    });
  });

  it("has no lanes without models and no code executors without classes that wait", () => {
    expect(planSlots(graphOf(code("Offers")), LIMITS).slots.map(({ kind }) => kind)).toEqual(["code"]);
    expect(planSlots(graphOf(model("m")), LIMITS).slots.every(({ kind }) => kind === "model")).toBe(true);
  });

  it("says of each replica that fits nowhere what it needs", () => {
    const big = model("big", { replicas: 3, resources: { memoryMb: 700 } });
    const { unplaced, slots } = planSlots(graphOf(big), LIMITS);
    expect(unplaced).toEqual(["big#2 needs 700 MB, which no executor has left"]);
    expect(slots.map(({ replicas }) => replicas.length)).toEqual([1, 1]);
  });

  it("says of each placement why", () => {
    for (const { replicas } of planSlots(graphOf(model("m", { replicas: 4 })), LIMITS).slots) {
      for (const { reason } of replicas) expect(reason).toMatch(/^(no replica of this|more replicas than)/);
    }
  });

  it("gives every slot a name of its own and every replica one place", () => {
    const plan = planSlots(
      graphOf(
        ...["a", "b", "c"].map((name) => model(name, { replicas: 2 })),
        code("Offers", { replicas: 3 }),
        code("Render", { compute: true, replicas: 2 }),
      ),
      { lanes: 3, codeExecutors: 2, laneMemoryMb: 1000 },
    );
    const names = plan.slots.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const placed = plan.slots.flatMap(({ replicas }) =>
      replicas.map(({ deployment, index }) => `${deployment}#${index}`),
    );
    expect(new Set(placed).size).toBe(placed.length);
    expect(placed).toHaveLength(3 * 2 + 3 + 2);
  });

  it("is the same for the same graph", () => {
    const graph = graphOf(model("b", { replicas: 2 }), model("a"), code("Offers", { replicas: 2 }));
    expect(told(planSlots(graph, LIMITS))).toEqual(told(planSlots(graph, LIMITS)));
  });
});

describe("what an executor is told to host", () => {
  it("is a model's file, hash and limits", () => {
    const graph = graphOf(model("m", { maxOngoingRequests: 9, maxQueueMs: 50 }));
    const [wish] = modelWishes(graph, new Map([["/models/m.onnx", "abc"]]));
    expect(wish!.spec(1)).toEqual({
      kind: "model",
      deployment: "m",
      index: 1,
      path: "/models/m.onnx",
      sha256: "abc",
      maxBatchRows: 64,
      maxOngoing: 9,
      maxQueueMs: 50,
      gracefulShutdownMs: 20_000,
      session: { intraOpThreads: 1 },
    });
  });

  it("is a class by its name and options, which the executor's own module builds", () => {
    const offers = code("Offers");
    const [wish] = classWishes(graphOf(offers));
    const { options } = offers;
    expect(wish!.spec(1)).toEqual({ kind: "class", deployment: "Offers", index: 1, options });
  });
});

describe("a change of what is wanted", () => {
  const wish = (key: string, replicas: number, more: Partial<Wish> = {}): Wish => ({
    ...modelWishes(graphOf(model(key, { replicas })), NO_HASHES)[0]!,
    key,
    ...more,
  });
  /** What is planned once a change was made. */
  const after = (slots: Pool["slots"], change: ReturnType<typeof planChange>): Slot[] =>
    [...slots, ...change.slots].map(({ name, replicas }) => ({
      name,
      kind: "model",
      replicas: [
        ...replicas.filter(
          (one) =>
            !change.dropped.some(
              (slot) =>
                slot.name === name &&
                slot.replicas.some(({ key, index }) => key === one.key && index === one.index),
            ),
        ),
        ...(change.added.find((slot) => slot.name === name)?.replicas ?? []),
      ],
    }));

  it("brings what is missing and drops what is wanted no more, and leaves all else where it is", () => {
    const anyWishes = fc
      .dictionary(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 1, max: 4 }))
      .map((counts) => Object.entries(counts).map(([key, replicas]) => wish(key, replicas)));
    fc.assert(
      fc.property(fc.array(anyWishes, { minLength: 1, maxLength: 5 }), (history) => {
        const names = new SlotNames();
        let slots: Slot[] = [];
        for (const wishes of history) {
          const before = new Map(
            slots.flatMap(({ name, replicas }) => replicas.map((one) => [one, name] as const)),
          );
          slots = after(slots, planChange(wishes, pool("model", LIMITS, names, slots)));
          const planned = slots.flatMap(({ name, replicas }) => replicas.map((one) => ({ one, name })));
          const wanted = wishes.flatMap(({ key, replicas }) =>
            Array.from({ length: replicas }, (_, i) => `${key}#${i}`),
          );
          expect(planned.map(({ one }) => `${one.key}#${one.index}`).sort()).toEqual(wanted.sort());
          for (const { one, name } of planned) if (before.has(one)) expect(before.get(one)).toBe(name);
          expect(slots.length).toBeLessThanOrEqual(LIMITS.lanes);
        }
      }),
    );
  });
});

describe("the routes of a snapshot", () => {
  it("have every deployment, with the replicas that live, and what its calls may do", () => {
    const graph = graphOf(
      model("m"),
      code("Offers", { idempotent: ["offer"], maxOngoingRequests: 7 }),
      code("Idle"),
    );
    const live = [
      { key: "Offers", deployment: "Offers", index: 0, target: 5, executor: "x1" },
      { key: "m", deployment: "m", index: 0, target: 6, executor: "x2" },
      { key: "m", deployment: "m", index: 0, target: 7, executor: "x3" },
    ];
    const routes = toRoutes(graph, ({ name }) => live.filter(({ deployment }) => deployment === name));
    expect(routes).toMatchObject([
      {
        name: "m",
        idempotent: true,
        maxOngoing: 4096,
        replicas: [
          { target: 6, executor: "x2" },
          { target: 7, executor: "x3" },
        ],
      },
      { name: "Offers", idempotent: ["offer"], maxOngoing: 7, replicas: [{ target: 5, executor: "x1" }] },
      { name: "Idle", replicas: [] },
    ]);
  });
});
