/** What the flight recorder says, against what happens when it is done: the same seeds, the same load. */
import { describe, expect, it } from "vitest";
import { application } from "../api/application.ts";
import { mean } from "../api/combiners.ts";
import { deployment } from "../api/deployment.ts";
import { type Ensemble, ensemble } from "../api/ensemble.ts";
import type { Handle } from "../api/handle.ts";
import type { OnnxModel } from "../api/onnx-model.ts";
import { onnxModel } from "../onnx/onnx-model.ts";
import { Tensor } from "../wire/tensor.ts";
import type { Plant } from "./plant.ts";
import { simulate } from "./simulate.ts";

class Scorer {
  readonly #score: Ensemble<OnnxModel, number>;

  constructor(models: Handle<OnnxModel>[]) {
    this.#score = ensemble(models, { combine: mean });
  }

  async score({ x }: { x: number }) {
    const input = new Tensor("float32", Float32Array.of(x), [1, 1]);
    return (await this.#score.predict(input)).value;
  }
}

const ALL = Array.from({ length: 15 }, (_, index) => `m${String(index + 1).padStart(2, "0")}`);

const scores = (names: readonly string[]) =>
  application({
    name: "scores",
    version: "v1",
    deadlineMs: 1000,
    ingress: deployment(Scorer, { replicas: 2 }).bind(
      names.map((name) => onnxModel({ name, path: `${name}.onnx`, replicas: 2 })),
    ),
    http: { "POST /score": "score" },
  });

/** Ten seconds of 100 requests/s. */
async function observe(names: readonly string[], plants: readonly Plant[] = []) {
  await using world = await simulate(scores(names), {
    seed: 1,
    models: { "*": { costMs: (rows) => 0.3 + 0.05 * rows } },
  });
  for (const plant of plants) world.plant(plant);
  const load = await world.load({
    ratePerSecond: 100,
    durationMs: 10_000,
    seed: 7,
    make: (x) => ({ path: "/score", body: { x } }),
  });
  return { p95Ms: load.latencyMs(0.95), report: await world.requests() };
}

describe("30 ms planted in one member's queue", () => {
  it("are named as the cause, and the p95 without the member is what it then is", {
    timeout: 60_000,
  }, async () => {
    const { p95Ms, report } = await observe(ALL, [{ deployment: "m07", queueMs: 30 }]);
    for (const { cause, line } of report.requests) {
      expect(cause).toMatchObject({ kind: "stage", name: "m07", stage: { kind: "queue" } });
      expect(line).toContain("m07 queued 30 ms on lane");
    }
    expect(report.requests.length).toBeGreaterThanOrEqual(16);
    expect(p95Ms).toBeGreaterThan(30);
    expect(report.whatIf?.deployment).toBe("m07");
    const without = await observe(ALL.filter((name) => name !== "m07"));
    const ratio = report.whatIf!.withoutP95Ms / without.p95Ms;
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1.2);
  });

  it("are named as the cause when they meet but a few requests", { timeout: 60_000 }, async () => {
    const { report } = await observe(ALL, [{ deployment: "m07", queueMs: 30, every: 40 }]);
    for (const { cause } of report.requests) {
      expect(cause).toMatchObject({ kind: "stage", name: "m07", stage: { kind: "queue" } });
    }
  });
});
