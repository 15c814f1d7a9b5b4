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
import { LoadResult } from "../../src/testing/load-result.ts";
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
  /** From the moment in which something goes wrong on. */
  readonly durationMs: number;
}

/** Of what is measured, so much is left out of `later`. */
const SETTLE_MS = 2_000;

async function measure({ routing, goWrong, seed, durationMs }: Setting) {
  await using world = await simulate(appWith(routing), {
    seed,
    models: { "*": { costMs: (rows) => 0.15 + 0.05 * rows, predict: ([x = 0]) => x * 2 } },
    // The node replaces nothing: what is measured is the routers' doing.
    node: { heartbeatTimeoutMs: 600_000 },
  });
  const load = (forMs: number) =>
    world.load({ ratePerSecond: 100, durationMs: forMs, make: (x) => ({ path: "/score", body: { x } }) });
  const whileRunning = async (forMs: number): Promise<Loaded> => {
    const rowsBefore = runRows(world);
    const { answers } = await load(forMs);
    const right = answers.filter(({ status, body }, x) => status === 200 && body === x * 2).length;
    return { answers, right, rows: runRows(world) - rowsBefore };
  };
  await load(2_000);
  goWrong(world);
  const first = await whileRunning(SETTLE_MS);
  const rest = await whileRunning(durationMs - SETTLE_MS);
  const rowsBefore = runRows(world);
  // What was given up may run yet.
  await world.advance(1_000);
  const later = { ...rest, rows: rest.rows + runRows(world) - rowsBefore };
  return { fromItsBeginning: toMeasured(first, later), later: toMeasured(later) };
}

interface Loaded {
  readonly answers: LoadResult["answers"];
  readonly right: number;
  readonly rows: number;
}

function toMeasured(...parts: readonly Loaded[]): Measured {
  const all = new LoadResult(parts.flatMap(({ answers }) => answers));
  const requests = all.answers.length;
  return {
    p99Ms: all.latencyMs(0.99),
    latestMs: all.latencyMs(1),
    right: parts.reduce((sum, { right }) => sum + right, 0),
    requests,
    executions: parts.reduce((sum, { rows }) => sum + rows, 0) / (requests * MEMBERS),
  };
}

function runRows(world: World): number {
  let rows = 0;
  for (const decision of world.decisions) if (decision.kind === "run") rows += decision.rows;
  return rows;
}

/** The replica that ran last: calls go to one of the two as long as all is well. */
const inUse = (world: World, deployment: string): number => {
  for (const decision of world.decisions.toReversed()) {
    if (decision.kind === "run" && decision.deployment === deployment) return decision.replica;
  }
  throw new Error(`nothing ran in ${deployment}`);
};

describe("an ensemble of 15 members on two lanes", () => {
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
        const without = await measure({ routing: OFF, goWrong, seed, durationMs: 12_000 });
        const having = await measure({ routing: {}, goWrong, seed, durationMs: 12_000 });
        for (const window of ["fromItsBeginning", "later"] as const) {
          const [off, on] = [without[window], having[window]];
          expect([off.right, on.right]).toEqual([off.requests, on.requests]);
          expect(off.p99Ms / on.p99Ms, `seed ${seed}, ${window}`).toBeGreaterThanOrEqual(5);
          expect(off.executions).toBeCloseTo(1, 2);
          expect(on.executions).toBeLessThanOrEqual(1.03);
        }
      }
    },
  );

  it.each([
    ["stopped", (world: World) => world.pause("lane1")],
    ["blocked", (world: World) => world.block("lane1", 1_500)],
  ] as const)(
    "answers every request, right and long before its deadline, when one lane is %s",
    async (_, goWrong) => {
      const setting = { goWrong, seed: 1, durationMs: 3_000 };
      const { right, requests, latestMs } = (await measure({ ...setting, routing: {} })).fromItsBeginning;
      expect(right).toBe(requests);
      expect(latestMs).toBeLessThan(250);
      const off = await measure({ ...setting, routing: OFF });
      expect(off.fromItsBeginning.latestMs).toBeGreaterThan(900);
    },
  );
});
