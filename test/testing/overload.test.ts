/** Admission in the whole runtime on virtual time: more than can be answered, and deadlines that are short beside a run (D5). */
import { expect, test } from "vitest";
import { application } from "../../src/api/application.ts";
import { deployment } from "../../src/api/deployment.ts";
import type { Handle } from "../../src/api/handle.ts";
import type { OnnxModel } from "../../src/api/onnx-model.ts";
import { onnxModel } from "../../src/onnx/onnx-model.ts";
import { simulate } from "../../src/testing/index.ts";
import { Tensor } from "../../src/wire/tensor.ts";

class Scorer {
  readonly #model: Handle<OnnxModel>;

  constructor(model: Handle<OnnxModel>) {
    this.#model = model;
  }

  async score({ x }: { x: number }) {
    await this.#model.predict(new Tensor("float32", Float32Array.of(x), [1, 1]));
    return x;
  }
}

const ROWS = 16;
const costMs = (rows: number) => 12 + rows;
const capacityPerSecond = (2 * 1000 * ROWS) / costMs(ROWS);

test("three times as much as two lanes can do is answered as far as they can, though most would be late", async () => {
  const app = application({
    name: "scores",
    deadlineMs: 200,
    ingress: deployment(Scorer, { replicas: 2, idempotent: true }).bind(
      onnxModel({ name: "m", path: "m.onnx", replicas: 2 }),
    ),
    http: { "POST /score": "score" },
  });
  await using world = await simulate(app, {
    seed: 1,
    models: { "*": { costMs, predict: ([x = 0]) => x } },
    node: { heartbeatTimeoutMs: 600_000 },
  });
  const load = (durationMs: number) =>
    world.load({
      ratePerSecond: 3 * capacityPerSecond,
      durationMs,
      make: (x) => ({ path: "/score", body: { x } }),
    });
  await load(4_000);
  const SECONDS = 3;
  const { answers } = await load(1000 * SECONDS);
  // Without it, an eighth of that: nearly all are begun when it is too late for them.
  expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(
    0.5 * capacityPerSecond * SECONDS,
  );
  // Those that would be late are refused at once.
  expect(answers.filter(({ status }) => status === 504).length).toBeLessThan(0.15 * answers.length);
});
