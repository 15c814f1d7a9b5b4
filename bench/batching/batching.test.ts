/** The self-tuning batcher against the best that two numbers set by hand can do. Deterministic: virtual clock, seeds. */
import { describe, expect, it } from "vitest";
import { DecisionLog } from "../../src/executor/batch-decisions.ts";
import { type CostCurve, capacityPerMs, curveNamed, goalMs } from "./cost-curves.ts";
import { bestOfGrid, simulateFixedRule, simulateSealedRule } from "./fixed-rules.ts";
import { simulateLane } from "./lane-simulation.ts";
import { poissonWorkload } from "./workload.ts";

const SEED = 7;
const CALLS = 16_000;
const GOAL_TIMES = 3;

function workload(curve: CostCurve, load: number, { calls = CALLS, seed = SEED } = {}) {
  const goal = goalMs(curve, GOAL_TIMES);
  return poissonWorkload({ curve, ratePerMs: load * capacityPerMs(curve), goalMs: goal, calls, seed });
}

describe("goodput at the latency goal", () => {
  const cases = (["flat", "linear", "memory-bound", "bimodal"] as const).flatMap((name) =>
    [0.3, 0.6, 0.9].map((load) => [name, load] as const),
  );

  it.each(cases)(
    "%s costs at %d of capacity: within 10 %% of the best fixed size and wait",
    async (name, load) => {
      const curve = curveNamed(name);
      const given = workload(curve, load);
      const fixed = bestOfGrid(simulateFixedRule, given, goalMs(curve, GOAL_TIMES), SEED);
      const [batcher] = await simulateLane([{ workload: given }], SEED);
      expect(batcher!.goodFraction).toBeGreaterThanOrEqual(0.9 * fixed.best.goodFraction);
    },
  );

  it("does not collapse at 120 % of capacity, where fixed rules do", async () => {
    for (const name of ["flat", "linear", "memory-bound", "bimodal", "padded"] as const) {
      const curve = curveNamed(name);
      const given = workload(curve, 1.2);
      const fixed = bestOfGrid(simulateFixedRule, given, goalMs(curve, GOAL_TIMES), SEED);
      const [batcher] = await simulateLane([{ workload: given }], SEED);
      expect(batcher!.goodFraction).toBeGreaterThan(Math.max(0.5, fixed.best.goodFraction));
    }
  });

  it("is no less than that of batches sealed on a timer, with that rule's best numbers", async () => {
    for (const name of ["linear", "bimodal"] as const) {
      const curve = curveNamed(name);
      const given = workload(curve, 0.9);
      const sealed = bestOfGrid(simulateSealedRule, given, goalMs(curve, GOAL_TIMES), SEED);
      const [batcher] = await simulateLane([{ workload: given }], SEED);
      expect(batcher!.goodFraction).toBeGreaterThan(sealed.best.goodFraction);
    }
  });
});

describe("two models on one lane", () => {
  it("both keep their goals, the quick one beside the slow one", async () => {
    const slow = curveNamed("memory-bound");
    const quick = curveNamed("linear");
    const outcomes = await simulateLane(
      [
        { workload: workload(slow, 0.3) },
        { workload: workload(quick, 0.3, { calls: 4 * CALLS, seed: SEED + 1 }) },
      ],
      SEED,
    );
    for (const { goodFraction } of outcomes) expect(goodFraction).toBeGreaterThan(0.97);
  });
});

describe("two priorities", () => {
  it("the first is answered in time although there is more to do than can be done", async () => {
    const curve = curveNamed("linear");
    const [batcher] = await simulateLane(
      [{ workload: workload(curve, 1.3), priorityOf: (id) => (id % 4 === 0 ? 0 : 1) }],
      SEED,
    );
    const first = batcher!.goodByPriority.get(0)!;
    expect(first).toBeGreaterThan(0.97);
    expect(first).toBeGreaterThan(batcher!.goodByPriority.get(1)!);
  });
});

describe("a simulation of the lane", () => {
  it("decides the same with the same seed, and can be read decision by decision", async () => {
    const log = async () => {
      const decisions = new DecisionLog();
      const given = [{ workload: workload(curveNamed("bimodal"), 0.9, { calls: 1000 }) }];
      const [outcome] = await simulateLane(given, SEED, decisions);
      return { entries: decisions.entries, status: outcome!.replica.batching() };
    };
    const first = await log();
    expect(first.entries.length).toBeGreaterThan(50);
    expect(await log()).toEqual(first);
  });
});
