import { expect, test } from "vitest";
import type { RolloutVisit, RolloutWindow } from "../schema.ts";
import { checkRollout } from "./checks.ts";
import { summariseRollout } from "./rollout-summary.ts";

const windowOf = (p95Ms: number, fields: Partial<RolloutWindow> = {}): RolloutWindow => ({
  requests: 1000,
  right: 1000,
  degraded: 0,
  fallback: 0,
  wrong: 0,
  failed: 0,
  latency: { p50Ms: 2, p95Ms, p99Ms: 2 * p95Ms, p999Ms: 99, maxMs: 99, meanMs: 3, count: 1000 },
  cpuSeconds: 5,
  generatorCpuSeconds: 1,
  otherCpuSeconds: 0,
  windowSeconds: 10,
  sendLagP99Ms: 1,
  failures: [],
  ...fields,
});

const visit = (round: number, updating: RolloutWindow): RolloutVisit => ({
  round,
  rateRps: 150,
  updates: 2,
  updateMs: [500, 700],
  steady: windowOf(10),
  updating,
});

test("figures are medians of the rounds, the ratio is taken round by round, and what failed is added up", () => {
  const [result] = summariseRollout([
    visit(1, windowOf(12)),
    visit(2, windowOf(20, { failed: 1 })),
    visit(3, windowOf(14)),
  ]);
  expect(result).toMatchObject({
    rounds: 3,
    updates: 6,
    updateMs: 600,
    steady: { p95Ms: 10 },
    updating: { p95Ms: 14 },
    p95Times: { median: 1.4, min: 1.2, max: 2 },
    requests: 3000,
    failed: 1,
  });
});

test("what must be reached is judged, and is not reached where nothing was measured", () => {
  expect(checkRollout(summariseRollout([visit(1, windowOf(15))])).map(({ reached }) => reached)).toEqual([
    true,
    true,
  ]);
  const bad = summariseRollout([visit(1, windowOf(16, { failed: 1 }))]);
  expect(checkRollout(bad).map(({ reached }) => reached)).toEqual([false, false]);
  expect(checkRollout(summariseRollout([])).map(({ reached }) => reached)).toEqual([null, null]);
});
