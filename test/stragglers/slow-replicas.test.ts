/** What is done about stragglers, in the whole runtime on virtual time: the answers of an ensemble of 15, on and off. */
import { describe, expect, it } from "vitest";
import { application } from "../../src/api/application.ts";
import { mean } from "../../src/api/combiners.ts";
import { deployment } from "../../src/api/deployment.ts";
import { type Ensemble, ensemble } from "../../src/api/ensemble.ts";
import type { Handle } from "../../src/api/handle.ts";
import type { OnnxModel } from "../../src/api/onnx-model.ts";
import type { RoutingOptions } from "../../src/config/routing-options.ts";
import { onnxModel } from "../../src/onnx/onnx-model.ts";
import { simulate, type World } from "../../src/testing/index.ts";
import { Tensor } from "../../src/wire/tensor.ts";

class Scorer {
  readonly #score: Ensemble<OnnxModel, number>;

  constructor(models: Handle<OnnxModel>[]) {
    // Fewer would do, but what is there is waited for: then the last member makes the answer late as well as any other.
    this.#score = ensemble(models, { combine: mean, quorum: 12, hedge: true });
  }

  async score({ x }: { x: number }) {
    const { value } = await this.#score.predict(new Tensor("float32", Float32Array.of(x), [1, 1]));
    return value;
  }
}

const MEMBERS = 15;
const models = Array.from({ length: MEMBERS }, (_, index) =>
  onnxModel({ name: `m${index}`, path: `m${index}.onnx`, replicas: 2 }),
);

const appWith = (routing: RoutingOptions) =>
  application({
    name: "scores",
    deadlineMs: 1000,
    ingress: deployment(Scorer, { replicas: 2, idempotent: true }).bind(models),
    http: { "POST /score": "score" },
    routing,
  });

/** Two choices by the number of calls, and nothing else. */
const OFF: RoutingOptions = { choice: "outstanding", eject: false, hedgeFraction: 0 };

interface Measured {
  readonly p99Ms: number;
  readonly latestMs: number;
  readonly right: number;
  readonly requests: number;
  /** Rows that were run, of all that were needed. */
  readonly executions: number;
}

interface Setting {
  readonly routing: RoutingOptions;
  readonly goWrong: (world: World) => void;
  readonly seed: number;
  /** Between the moment in which something goes wrong and the measurement. */
  readonly settleMs: number;
  readonly durationMs: number;
}

async function measure({ routing, goWrong, seed, settleMs, durationMs }: Setting): Promise<Measured> {
  await using world = await simulate(appWith(routing), {
    seed,
    models: { "*": { costMs: (rows) => 0.15 + 0.05 * rows, predict: ([x = 0]) => x * 2 } },
    // The node replaces nothing: what is measured is the routers' doing.
    node: { heartbeatTimeoutMs: 600_000 },
  });
  const load = (forMs: number) =>
    world.load({ ratePerSecond: 100, durationMs: forMs, make: (x) => ({ path: "/score", body: { x } }) });
  await load(2_000);
  goWrong(world);
  if (settleMs > 0) await load(settleMs);
  const rowsBefore = runRows(world);
  const result = await load(durationMs);
  await world.advance(1_000);
  const { answers } = result;
  return {
    p99Ms: result.latencyMs(0.99),
    latestMs: result.latencyMs(1),
    right: answers.filter(({ status, body }, x) => status === 200 && body === x * 2).length,
    requests: answers.length,
    executions: (runRows(world) - rowsBefore) / (answers.length * MEMBERS),
  };
}

const runRows = (world: World): number => {
  let rows = 0;
  for (const decision of world.decisions) if (decision.kind === "run") rows += decision.rows;
  return rows;
};

/** The replica that ran last: calls go to one of the two as long as all is well. */
const inUse = (world: World, deployment: string): number => {
  for (const decision of world.decisions.toReversed()) {
    if (decision.kind === "run" && decision.deployment === deployment) return decision.replica;
  }
  throw new Error(`nothing ran in ${deployment}`);
};

describe("an ensemble of 15 members on two lanes", () => {
  const FROM_ITS_BEGINNING = { settleMs: 0, durationMs: 12_000 };
  const STEADY = { settleMs: 2_000, durationMs: 10_000 };

  describe.each([
    ["from its beginning on", FROM_ITS_BEGINNING],
    ["from two seconds after it", STEADY],
  ])("%s", (_, during) => {
    it.each([
      ["one lane is ten times slower", (world: World) => world.plant({ executor: "lane1", slowerBy: 10 })],
      [
        "one replica answers ten times later, and its lane is free",
        (world: World) => world.plant({ deployment: "m3", replica: inUse(world, "m3"), answerMs: 30 }),
      ],
    ] as const)(
      "has a p99 at least five times lower when %s, for at most 3 in 100 executions more",
      async (_, goWrong) => {
        for (const seed of [1, 2, 3]) {
          const off = await measure({ ...during, routing: OFF, goWrong, seed });
          const on = await measure({ ...during, routing: {}, goWrong, seed });
          expect([off.right, on.right]).toEqual([off.requests, on.requests]);
          expect(off.p99Ms / on.p99Ms, `seed ${seed}`).toBeGreaterThanOrEqual(5);
          expect(off.executions).toBeCloseTo(1, 2);
          expect(on.executions).toBeLessThanOrEqual(1.03);
        }
      },
    );
  });

  it.each([
    ["stopped", (world: World) => world.pause("lane1")],
    ["blocked", (world: World) => world.block("lane1", 1_500)],
  ] as const)(
    "answers every request, right and long before its deadline, when one lane is %s",
    async (_, goWrong) => {
      const setting = { goWrong, seed: 1, settleMs: 0, durationMs: 3_000 };
      const { right, requests, latestMs } = await measure({ ...setting, routing: {} });
      expect(right).toBe(requests);
      expect(latestMs).toBeLessThan(250);
      expect((await measure({ ...setting, routing: OFF })).latestMs).toBeGreaterThan(900);
    },
  );
});
