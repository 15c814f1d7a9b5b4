import { describe, expect, it } from "vitest";
import type { ControlRequest, SpecToHost } from "../executor/control-messages.ts";
import type { Executor } from "../executor/executor.ts";
import { ModelLanes } from "./model-lanes.ts";
import type { Wish } from "./plan.ts";
import { SlotNames } from "./slot-names.ts";

/** A lane that loads whatever it is told, but for models whose name says that they are broken. */
class FakeLane {
  readonly hosted = new Map<number, SpecToHost>();
  readonly id: string;
  readonly socketPath = "";
  readonly pid = undefined;
  readonly status = undefined;
  hasEnded = false;

  constructor(id: string) {
    this.id = id;
  }

  async order(request: ControlRequest): Promise<unknown> {
    if (request.type === "drop") for (const target of request.targets) this.hosted.delete(target);
    if (request.type !== "host") return undefined;
    return request.replicas.map((spec) => {
      const isBroken = spec.deployment.startsWith("broken");
      if (!isBroken) this.hosted.set(spec.target, spec);
      const error = isBroken ? { error: { code: "ModelInvalid", message: "it is empty" } } : {};
      return { target: spec.target, loadMs: 1, memoryMb: 1, ...error };
    });
  }

  bringToFront(): void {}

  putInBackground(): void {}

  kill(): void {
    this.hasEnded = true;
  }

  get models(): string[] {
    return [...this.hosted.values()].map(({ deployment }) => deployment).sort();
  }
}

const wish = (deployment: string, replicas = 1, memoryMb = 1): Wish => ({
  key: deployment,
  deployment,
  replicas,
  memoryMb,
  alone: false,
  spec: (index) => ({
    kind: "model",
    deployment,
    index,
    path: `/${deployment}.onnx`,
    sha256: deployment,
    maxBatchRows: 8,
    maxOngoing: 8,
    maxQueueMs: undefined,
    gracefulShutdownMs: 100,
    session: {},
  }),
});

function open(lanes = 1, isServing = true) {
  const started: FakeLane[] = [];
  let target = 1;
  const models = new ModelLanes({
    acquire: async () => {
      const lane = new FakeLane(`x${started.length}`);
      started.push(lane);
      return lane as unknown as Executor;
    },
    hostTimeoutMs: 1000,
    nextTarget: () => target++,
    onChange: () => {},
    onEvent: () => {},
    limits: { lanes, codeExecutors: 1, laneMemoryMb: 100 },
    names: new SlotNames(),
    isServing: () => isServing,
  });
  const live = () => started.filter(({ hasEnded }) => !hasEnded);
  return { models, started, live };
}

const V1 = { title: "application v1" };
const V2 = { title: "application v2" };

describe("models that versions want", () => {
  it("are loaded once, whoever wants them, and stay as long as anybody does (M1, M2)", async () => {
    const { models, live, started } = open();
    await models.want(V1, [wish("a"), wish("b")]);
    await models.want(V2, [wish("b"), wish("c")]);
    expect(started).toHaveLength(1);
    expect(live()[0]?.models).toEqual(["a", "b", "c"]);
    await models.release(V1);
    expect(live()[0]?.models).toEqual(["b", "c"]);
    expect(models.liveOf("b")).toHaveLength(1);
    await models.release(V2);
    expect(live()).toEqual([]);
  });

  it("are as many copies as who wants most of them", async () => {
    const { models } = open(2);
    await models.want(V1, [wish("a", 2)]);
    await models.want(V2, [wish("a", 1)]);
    expect(models.liveOf("a")).toHaveLength(2);
    await models.release(V1);
    expect(models.liveOf("a")).toHaveLength(1);
  });

  it("that are many come in a fresh process, which takes over when all are there", async () => {
    const { models, started, live } = open();
    await models.want(V1, [wish("a")]);
    await models.want(V2, [wish("a"), wish("b"), wish("c"), wish("d")]);
    expect(started).toHaveLength(2);
    expect(started[0]?.hasEnded).toBe(true);
    expect(live()[0]?.models).toEqual(["a", "b", "c", "d"]);
  });

  it("that are many come into the process that is there while nobody is served", async () => {
    const { models, started } = open(1, false);
    await models.want(V1, [wish("a")]);
    await models.want(V2, [wish("b"), wish("c"), wish("d")]);
    expect(started).toHaveLength(1);
  });
});

describe("a version whose models cannot be had", () => {
  it("changes nothing for the others", async () => {
    const { models, live } = open();
    await models.want(V1, [wish("a")]);
    await expect(models.want(V2, [wish("b"), wish("broken")])).rejects.toMatchObject({
      code: "ModelInvalid",
    });
    expect(live()[0]?.models).toEqual(["a"]);
    expect(models.views()[0]?.planned.map(({ deployment }) => deployment)).toEqual(["a"]);
  });

  it("is told by name what has no room", async () => {
    const { models } = open();
    await models.want(V1, [wish("a", 1, 60)]);
    await expect(models.want(V2, [wish("b", 1, 60)])).rejects.toMatchObject({
      code: "StartFailed",
      message: "application v2: b#0 needs 60 MB, which no executor has left",
    });
  });

  it("that is the first leaves no process", async () => {
    const { models, live } = open();
    await expect(models.want(V1, [wish("broken")])).rejects.toMatchObject({ code: "ModelInvalid" });
    expect(live()).toEqual([]);
    await models.want(V1, [wish("a")]);
    expect(live()[0]?.models).toEqual(["a"]);
  });
});
