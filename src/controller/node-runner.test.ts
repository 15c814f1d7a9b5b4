import { describe, expect, it } from "vitest";
import type { ApplicationGraph } from "../api/graph.ts";
import {
  CODE_DEFAULTS,
  type DeploymentOptions,
  resolveDeploymentOptions,
} from "../config/deployment-options.ts";
import { resolveRoutingOptions } from "../config/routing-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type {
  ControlAnswers,
  ControlRequest,
  ExecutorStatus,
  SpecToHost,
} from "../executor/control-messages.ts";
import type { Executor } from "../executor/executor.ts";
import type { RoutingSnapshot } from "../router/snapshot.ts";
import { NodeRunner } from "./node-runner.ts";
import type { RunnerEvent } from "./slot.ts";

const POLL = { interval: 1, timeout: 10_000 };
const WELL: ExecutorStatus = {
  ongoing: 0,
  backlogUs: 0,
  rssMb: 10,
  longestRunMs: 0,
  unhealthy: [],
  counts: {},
  batching: [],
};

/** An executor that hosts whatever it is told, unless it is told to fail. */
class FakeExecutor implements Executor {
  readonly id: string;
  readonly socketPath: string;
  readonly pid = undefined;
  readonly orders: ControlRequest[] = [];
  /** What it hosts now, by target. */
  readonly hosted = new Map<number, SpecToHost>();
  readonly graph: ApplicationGraph;
  status: ExecutorStatus = WELL;
  hasEnded = false;
  /** What its next `host` answers for each replica. */
  hostError: { readonly code: string; readonly message: string } | undefined;

  constructor(id: string, graph: ApplicationGraph) {
    this.id = id;
    this.socketPath = `/run/${id}.sock`;
    this.graph = graph;
  }

  async order<R extends ControlRequest>(request: R): Promise<ControlAnswers[R["type"]]> {
    if (this.hasEnded) throw new TuttiError("PeerClosed", "it has ended", { started: "no" });
    this.orders.push(request);
    return this.#answer(request) as ControlAnswers[R["type"]];
  }

  bringToFront(): void {}

  putInBackground(): void {}

  kill(): void {
    this.hasEnded = true;
  }

  #answer(request: ControlRequest): unknown {
    if (request.type === "import") return this.graph;
    if (request.type === "drop") for (const target of request.targets) this.hosted.delete(target);
    if (request.type !== "host") return undefined;
    const { hostError: error } = this;
    return request.replicas.map((spec) => {
      if (error === undefined) this.hosted.set(spec.target, spec);
      return { target: spec.target, loadMs: 1, memoryMb: 1, ...(error === undefined ? {} : { error }) };
    });
  }
}

function graphOf(deployments: Readonly<Record<string, DeploymentOptions>>): ApplicationGraph {
  return {
    name: "offers",
    route: "/",
    version: "1",
    deadlineMs: 1000,
    ingress: "Offers",
    routing: resolveRoutingOptions(),
    routes: [],
    deployments: Object.entries(deployments).map(([name, options]) => ({
      kind: "class",
      name,
      options: resolveDeploymentOptions(name, options, CODE_DEFAULTS),
      uses: [],
    })),
  };
}

/** A runner over fake executors; `prepare` sees each before it is handed out. */
function run(graph: ApplicationGraph, prepare: (executor: FakeExecutor, index: number) => void = () => {}) {
  const executors: FakeExecutor[] = [];
  const snapshots: RoutingSnapshot[] = [];
  const events: RunnerEvent[] = [];
  const node = new NodeRunner({
    acquire: async () => {
      const executor = new FakeExecutor(`x${executors.length}`, graph);
      prepare(executor, executors.push(executor) - 1);
      return executor;
    },
    limits: { lanes: 2, codeExecutors: 2, laneMemoryMb: 1000 },
    importTimeoutMs: 1000,
    hostTimeoutMs: 1000,
    onEvent: (event) => events.push(event),
  });
  const version = node.add({ module: "/app.ts" }, (snapshot) => snapshots.push(snapshot));
  const runner = Object.assign(node, { start: () => version.start() });
  /** `deployment@executor`, sorted, of the newest snapshot. */
  const routed = () =>
    (snapshots.at(-1)?.deployments ?? [])
      .flatMap(({ name, replicas }) => replicas.map(({ executor }) => `${name}@${executor}`))
      .sort();
  return { runner, executors, snapshots, events, routed };
}

const ONE = graphOf({ Offers: {} });
const TWO = graphOf({ Features: {}, Offers: { replicas: 2 } });
const typesOf = ({ orders }: FakeExecutor) =>
  orders.map(({ type }) => type).filter((type) => type !== "route");

describe("an application that starts", () => {
  it("fills every slot and tells where every replica is", async () => {
    const { runner, executors, routed } = run(TWO);
    expect(await runner.start()).toBe(TWO);
    expect(executors).toHaveLength(2);
    expect(routed()).toHaveLength(3);
    expect(routed().filter((at) => at.startsWith("Offers@"))).toEqual(["Offers@x0", "Offers@x1"]);
    expect(runner.readiness()).toEqual({ ready: true, reason: "" });
  });

  it("hosts in the process that has read the graph, which is not asked to import it again", async () => {
    const { runner, executors } = run(TWO);
    await runner.start();
    expect(typesOf(executors[0]!)).toEqual(["import", "host"]);
    expect(typesOf(executors[1]!)).toEqual(["import", "host"]);
  });

  it("is not ready before it has started, and says so", () => {
    expect(run(TWO).runner.readiness()).toEqual({ ready: false, reason: "starting" });
  });

  it("tells its code executors the routes, and each snapshot is newer than the one before", async () => {
    const { runner, executors, snapshots } = run(TWO);
    await runner.start();
    const versions = snapshots.map(({ version }) => version);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(new Set(versions).size).toBe(versions.length);
    for (const { orders } of executors) {
      const last = orders.findLast((order) => order.type === "route");
      expect(last).toMatchObject({ snapshot: { version: versions.at(-1) } });
    }
  });

  it("tells them before the node's own router, which sends at once what waits for a replica", async () => {
    const told: string[] = [];
    const executor = new FakeExecutor("x0", ONE);
    const order = executor.order.bind(executor);
    executor.order = (request) => {
      if (request.type === "route") told.push(`executor ${request.snapshot.version}`);
      return order(request);
    };
    const runner = new NodeRunner({
      acquire: async () => executor,
      limits: { lanes: 1, codeExecutors: 1, laneMemoryMb: 1000 },
      importTimeoutMs: 1000,
      hostTimeoutMs: 1000,
      onEvent: () => {},
    });
    await runner.add({ module: "/app.ts" }, ({ version }) => told.push(`node ${version}`)).start();
    expect(told.slice(-2)).toEqual(["executor 1", "node 1"]);
  });

  it("fails with what a replica's constructor threw", async () => {
    const { runner } = run(TWO, (executor) => {
      executor.hostError = { code: "StartFailed", message: "Offers could not be built: no such table" };
    });
    await expect(runner.start()).rejects.toMatchObject({
      code: "StartFailed",
      message: "Offers could not be built: no such table",
    });
  });

  it("fails when its module builds another graph in another process", async () => {
    let count = 0;
    const { runner } = run(TWO, (executor) => {
      Object.assign(executor, { graph: count++ === 0 ? TWO : graphOf({ Offers: { replicas: 3 } }) });
    });
    await expect(runner.start()).rejects.toMatchObject({
      code: "ModuleLoadFailed",
      message: expect.stringContaining("/app.ts built another graph than before"),
    });
  });

  it("fails by name for a replica that fits nowhere", async () => {
    const { runner } = run(graphOf({ Offers: { resources: { memoryMb: 5000 } } }));
    await expect(runner.start()).rejects.toMatchObject({
      code: "StartFailed",
      message: "application offers: Offers#0 needs 5000 MB, which no executor has left",
    });
  });
});

describe("an executor that is lost", () => {
  it("leaves the routes at once, and its slot is filled anew without a wait (D10)", async () => {
    const { runner, executors, routed, events } = run(TWO);
    await runner.start();
    executors[0]!.kill();
    runner.lost(executors[0]!, "it was ended by SIGKILL");
    expect(routed()).toEqual(["Offers@x1"]);
    expect(runner.readiness().ready).toBe(false);
    await expect.poll(() => runner.readiness().ready, POLL).toBe(true);
    expect(routed()).toEqual(["Features@x2", "Offers@x1", "Offers@x2"]);
    expect(events.map(({ type }) => type)).toEqual(["filled", "filled", "lost", "filled"]);
  });

  it("gives its replicas new numbers, so that a late reply is nobody else's", async () => {
    const { runner, executors, snapshots } = run(TWO);
    await runner.start();
    const before = executors.flatMap(({ hosted }) => [...hosted.keys()]);
    executors[0]!.kill();
    runner.lost(executors[0]!, "gone");
    await expect.poll(() => runner.readiness().ready, POLL).toBe(true);
    for (const target of executors[2]!.hosted.keys()) expect(before).not.toContain(target);
    expect(
      snapshots
        .at(-1)!
        .executors.map(({ id }) => id)
        .sort(),
    ).toEqual(["x1", "x2"]);
  });

  it("is tried again after a wait when its successor cannot be filled, and that one is ended", async () => {
    const { runner, executors, events } = run(TWO, (executor, index) => {
      if (index === 2) executor.hostError = { code: "StartFailed", message: "no such table" };
    });
    await runner.start();
    executors[0]!.kill();
    runner.lost(executors[0]!, "gone");
    await expect.poll(() => events.at(-1)?.type, POLL).toBe("fill-failed");
    expect(events.at(-1)).toMatchObject({ reason: "no such table" });
    expect(executors[2]!.hasEnded).toBe(true);
    await expect.poll(() => runner.readiness().ready, POLL).toBe(true);
    expect(executors).toHaveLength(4);
  });

  it("that nobody knows changes nothing", async () => {
    const { runner, routed, events } = run(TWO);
    await runner.start();
    runner.lost(new FakeExecutor("x9", TWO), "gone");
    expect(routed()).toHaveLength(3);
    expect(events.map(({ type }) => type)).toEqual(["filled", "filled"]);
  });
});

describe("an executor that is silent", () => {
  it("keeps its replicas, and routers are told until it answers again", async () => {
    const { runner, executors, snapshots, routed } = run(TWO);
    await runner.start();
    const silentIds = () =>
      snapshots.at(-1)!.executors.flatMap(({ id, isSilent }) => (isSilent === true ? [id] : []));
    runner.silent(executors[1]!, true);
    expect(silentIds()).toEqual(["x1"]);
    expect(routed()).toHaveLength(3);
    runner.silent(executors[1]!, false);
    expect(silentIds()).toEqual([]);
  });

  it("and hosts nothing is no news", async () => {
    const { runner, snapshots } = run(TWO);
    await runner.start();
    const before = snapshots.length;
    runner.silent(new FakeExecutor("x9", TWO), true);
    expect(snapshots).toHaveLength(before);
  });
});

describe("an executor that is to be replaced while it serves", () => {
  const REASON = "it uses 400 MB, more than its limit of 300 MB";

  it("serves until another has taken over, then finishes what it has, then ends", async () => {
    const { runner, executors, snapshots, routed, events } = run(TWO);
    await runner.start();
    const [old] = executors;
    const before = snapshots.length;
    await runner.retire(old!, REASON);
    for (const { deployments } of snapshots.slice(before)) {
      expect(deployments.find(({ name }) => name === "Offers")?.replicas).toHaveLength(2);
      expect(deployments.find(({ name }) => name === "Features")?.replicas).toHaveLength(1);
    }
    expect(routed()).toEqual(["Features@x2", "Offers@x1", "Offers@x2"]);
    expect(typesOf(old!)).toEqual(["import", "host", "drain"]);
    expect(old!.hasEnded).toBe(true);
    expect(events.slice(2)).toMatchObject([
      { type: "retiring", executor: "x0", reason: REASON },
      { type: "filled", executor: "x2" },
    ]);
    runner.lost(old!, REASON);
    expect(events).toHaveLength(4);
  });

  it("and dies before another has taken over has its slot filled once", async () => {
    const { runner, executors, routed } = run(TWO, (_, index) => {
      // As it comes, the one it is to take over from dies.
      if (index !== 2) return;
      executors[0]!.kill();
      runner.lost(executors[0]!, "out of memory");
    });
    await runner.start();
    await runner.retire(executors[0]!, REASON);
    await expect.poll(() => runner.readiness().ready, POLL).toBe(true);
    expect(routed()).toHaveLength(3);
    expect(executors.filter(({ hasEnded }) => !hasEnded)).toHaveLength(2);
  });

  it("ends where nobody can take over, and is replaced like any other that is lost", async () => {
    const { runner, executors } = run(TWO, (executor, index) => {
      if (index === 2) executor.hostError = { code: "StartFailed", message: "no memory" };
    });
    await runner.start();
    await runner.retire(executors[0]!, REASON);
    expect(executors[0]!.hasEnded).toBe(true);
    expect(executors[2]!.hasEnded).toBe(true);
    runner.lost(executors[0]!, REASON);
    await expect.poll(() => runner.readiness().ready, POLL).toBe(true);
  });

  it("just ends when it hosts nothing", async () => {
    const { runner, events } = run(TWO);
    await runner.start();
    const spare = new FakeExecutor("x9", TWO);
    await runner.retire(spare, REASON);
    expect(spare.hasEnded).toBe(true);
    expect(events).toHaveLength(2);
  });
});

describe("a replica whose health checks failed", () => {
  it("is replaced in place, and no other", async () => {
    // Four replicas in two executors: each has two of one deployment.
    const { runner, executors, routed } = run(graphOf({ Offers: { replicas: 4 } }));
    await runner.start();
    const [executor] = executors;
    const [sick, well] = [...executor!.hosted.values()];
    executor!.status = { ...WELL, unhealthy: [{ target: sick!.target, reason: "the disk is full" }] };
    await runner.heal();
    expect(executor!.hosted.has(sick!.target)).toBe(false);
    expect(executor!.hosted.has(well!.target)).toBe(true);
    expect([...executor!.hosted.values()].map(({ index }) => index).sort()).toEqual(
      [sick!.index, well!.index].sort(),
    );
    expect(routed()).toEqual(["Offers@x0", "Offers@x0", "Offers@x1", "Offers@x1"]);
  });

  it("is left alone where all are well", async () => {
    const { runner, executors, events } = run(TWO);
    await runner.start();
    await runner.heal();
    expect(typesOf(executors[0]!)).toEqual(["import", "host"]);
    expect(events.map(({ type }) => type)).toEqual(["filled", "filled"]);
  });

  it("has its executor ended when it cannot be replaced", async () => {
    const { runner, executors } = run(TWO);
    await runner.start();
    const [executor] = executors;
    const [target] = [...executor!.hosted.keys()];
    executor!.status = { ...WELL, unhealthy: [{ target: target!, reason: "sick" }] };
    executor!.hostError = { code: "StartFailed", message: "still no disk" };
    await runner.heal();
    expect(executor!.hasEnded).toBe(true);
  });
});

describe("a drain", () => {
  it("lets code executors finish, and fills nothing afterwards", async () => {
    const { runner, executors } = run(TWO);
    await runner.start();
    await runner.drain(500);
    for (const executor of executors) {
      expect(executor.orders.at(-1)).toEqual({ type: "drain", deadlineMs: 500 });
      executor.kill();
      runner.lost(executor, "the node is shutting down");
    }
    expect(executors).toHaveLength(2);
    expect(runner.readiness()).toEqual({ ready: false, reason: "shutting down" });
  });
});
