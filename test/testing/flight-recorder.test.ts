/** What the flight recorder says, against what happens when it is done: the same seeds, the same load. */
import { describe, expect, it } from "vitest";
import { application } from "../../src/api/application.ts";
import { mean } from "../../src/api/combiners.ts";
import { deployment } from "../../src/api/deployment.ts";
import { type Ensemble, ensemble } from "../../src/api/ensemble.ts";
import type { Handle } from "../../src/api/handle.ts";
import type { OnnxModel } from "../../src/api/onnx-model.ts";
import { onnxModel } from "../../src/onnx/onnx-model.ts";
import type { Plant } from "../../src/testing/plant.ts";
import { simulate } from "../../src/testing/simulate.ts";
import { Tensor } from "../../src/wire/tensor.ts";

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
const MEMBER = "m07";

interface Observed {
  readonly seed: number;
  readonly names?: readonly string[];
  /** Of the member that is looked at. */
  readonly replicas?: number;
  readonly plants?: readonly Plant[];
}

const scores = (names: readonly string[], replicas: number) =>
  application({
    name: "scores",
    version: "v1",
    deadlineMs: 1000,
    ingress: deployment(Scorer, { replicas: 2 }).bind(
      names.map((name) =>
        onnxModel({ name, path: `${name}.onnx`, replicas: name === MEMBER ? replicas : 2 }),
      ),
    ),
    http: { "POST /score": "score" },
  });

/** Twenty seconds of 100 requests/s. */
async function observe({ seed, names = ALL, replicas = 2, plants = [] }: Observed) {
  await using world = await simulate(scores(names, replicas), {
    seed,
    models: { "*": { costMs: (rows) => 0.3 + 0.05 * rows } },
  });
  for (const plant of plants) world.plant(plant);
  const load = await world.load({
    ratePerSecond: 100,
    durationMs: 20_000,
    make: (x) => ({ path: "/score", body: { x } }),
  });
  return { p95Ms: load.latencyMs(0.95), report: await world.requests() };
}

describe("30 ms planted in one member's queue", () => {
  it.each([1, 2, 3, 4, 5, 6])(
    "are named as the cause, and the p95 without the member, or with one more replica of it, is what it then is (seed %i)",
    { timeout: 60_000 },
    async (seed) => {
      const plants = [{ deployment: MEMBER, queueMs: 30 }];
      const { p95Ms, report } = await observe({ seed, plants });
      for (const { cause, line } of report.requests) {
        expect(cause).toMatchObject({ kind: "stage", name: MEMBER, stage: { kind: "queue" } });
        expect(line).toMatch(/m07 queued 30 ms on lane \d, which was free/);
      }
      expect(report.requests.length).toBeGreaterThanOrEqual(16);
      expect(p95Ms).toBeGreaterThan(30);
      const { whatIf } = report;
      expect(whatIf).toMatchObject({ deployment: MEMBER, replicas: 2 });
      const without = await observe({ seed, names: ALL.filter((name) => name !== MEMBER) });
      expectWithin20Percent(whatIf!.withoutP95Ms, without.p95Ms);
      const withReplica = await observe({ seed, plants, replicas: 3 });
      expectWithin20Percent(whatIf!.withReplicaP95Ms, withReplica.p95Ms);
    },
  );

  it("are named as the cause when they meet but a few requests", { timeout: 60_000 }, async () => {
    const { report } = await observe({ seed: 1, plants: [{ deployment: MEMBER, queueMs: 30, every: 40 }] });
    for (const { cause } of report.requests) {
      expect(cause).toMatchObject({ kind: "stage", name: MEMBER, stage: { kind: "queue" } });
    }
  });
});

function expectWithin20Percent(toldMs: number, isMs: number): void {
  expect(toldMs / isMs).toBeGreaterThan(0.8);
  expect(toldMs / isMs).toBeLessThan(1.2);
}
