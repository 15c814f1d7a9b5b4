import { describe, expect, it } from "vitest";
import { application } from "../api/application.ts";
import { mean } from "../api/combiners.ts";
import { deployment } from "../api/deployment.ts";
import { type Ensemble, ensemble } from "../api/ensemble.ts";
import type { Handle } from "../api/handle.ts";
import type { OnnxModel } from "../api/onnx-model.ts";
import { onnxModel } from "../onnx/onnx-model.ts";
import { Tensor } from "../wire/tensor.ts";
import { simulate } from "./simulate.ts";
import type { SimulationOptions } from "./simulation-options.ts";

class Scorer {
  readonly #score: Ensemble<OnnxModel, number>;

  constructor(models: Handle<OnnxModel>[]) {
    this.#score = ensemble(models, { combine: mean, quorum: 3 });
  }

  async score({ x }: { x: number }) {
    const input = new Tensor("float32", Float32Array.of(x), [1, 1]);
    const { value, degraded, members } = await this.#score.predict(input);
    return { value, degraded, statuses: members.map(({ status }) => status) };
  }
}

const models = ["a", "b", "c", "d", "e"].map((name) =>
  onnxModel({ name, path: `${name}.onnx`, replicas: 2 }),
);
const app = application({
  name: "scores",
  deadlineMs: 1000,
  ingress: deployment(Scorer, { replicas: 2 }).bind(models),
  http: { "POST /score": "score" },
});
const options: SimulationOptions = {
  models: { "*": { costMs: (rows) => 1 + 0.1 * rows, predict: ([x = 0]) => x * 2 } },
};

describe("simulate", () => {
  it("answers a request as production does, in virtual time", async () => {
    await using world = await simulate(app, options);
    const answer = await world.request({ path: "/score", body: { x: 21 } });
    expect(answer).toMatchObject({ status: 200, degraded: false, body: { value: 42 } });
    expect(answer.latencyMs).toBeGreaterThan(2);
    expect(answer.latencyMs).toBeLessThan(20);
  });

  const decisionsOf = async (seed: number) => {
    await using world = await simulate(app, { ...options, seed });
    world.plant({ deployment: "b", every: 3, queueMs: 7 });
    world.after(100, () => world.kill("lane1"));
    const { statuses } = await world.load({
      ratePerSecond: 200,
      durationMs: 300,
      seed: 5,
      make: (x) => ({ path: "/score", body: { x } }),
    });
    expect(Object.keys(statuses)).toEqual(["200"]);
    return world.decisions;
  };

  it("decides the same for the same seed, and otherwise for another", async () => {
    const first = await decisionsOf(1);
    expect(first.length).toBeGreaterThan(500);
    expect(await decisionsOf(1)).toEqual(first);
    expect(await decisionsOf(2)).not.toEqual(first);
  });
});
