import { expect, test } from "vitest";
import type { StragglersVisit, StragglersWindow } from "../schema.ts";
import { checkStragglers } from "./checks.ts";
import { summariseStragglers } from "./stragglers-summary.ts";

const CORES = 2;

const latency = (p99Ms: number) => ({
  p50Ms: p99Ms / 4,
  p95Ms: p99Ms / 2,
  p99Ms,
  p999Ms: p99Ms,
  maxMs: p99Ms,
  meanMs: p99Ms / 4,
  count: 1000,
});

const windowOf = (p99Ms: number, fields: Partial<StragglersWindow> = {}): StragglersWindow => ({
  requests: 1000,
  right: 1000,
  degraded: 0,
  fallback: 0,
  wrong: 0,
  failed: 0,
  refused: 0,
  latency: latency(p99Ms),
  settled: null,
  wastedRuns: 0,
  cpuSeconds: 5,
  generatorCpuSeconds: 1,
  otherCpuSeconds: 0.2,
  windowSeconds: 10,
  sendLagP99Ms: 1,
  failures: [],
  ...fields,
});

const visit = (round: number, arm: "on" | "off", faulty: StragglersWindow): StragglersVisit => ({
  fault: "slow-lane",
  arm,
  round,
  lane: "lane 0",
  rateRps: 150,
  healthy: windowOf(5),
  faulty,
});

const rounds = [
  visit(1, "off", windowOf(60, { settled: latency(50), failed: 12, refused: 10 })),
  visit(1, "on", windowOf(10, { settled: latency(5), wastedRuns: 150 })),
  visit(2, "on", windowOf(20, { settled: latency(8), wastedRuns: 300, otherCpuSeconds: 2 })),
  visit(2, "off", windowOf(80, { settled: latency(80) })),
];

test("the two arms are compared round by round, in each window", () => {
  const [healthy, fromOnset, settled] = summariseStragglers(rounds, CORES);
  expect(healthy).toMatchObject({ window: "healthy", timesLower: { median: 1 } });
  expect(fromOnset).toMatchObject({
    window: "from-onset",
    rounds: 2,
    off: { p99Ms: 70 },
    on: { p99Ms: 15 },
    timesLower: { median: 5, min: 4, max: 6 },
    extraExecutions: { min: 0.01, max: 0.02 },
    busyFraction: 0.3,
    disturbedFraction: 0.1,
    refusedOff: 0.005,
    refusedOn: 0,
    failed: 2,
  });
  expect(settled).toMatchObject({ window: "settled", timesLower: { median: 10, min: 10, max: 10 } });
});

test("a round that lacks an arm is not compared, and an arm alone is no result", () => {
  const [, fromOnset] = summariseStragglers(rounds.slice(0, 3), CORES);
  expect(fromOnset).toMatchObject({ rounds: 1, timesLower: { median: 6 } });
  expect(summariseStragglers(rounds.slice(0, 1), CORES)).toEqual([]);
});

test("what must be reached is judged from the fault on and from two seconds after it", () => {
  const checks = checkStragglers(summariseStragglers(rounds.slice(0, 3), CORES));
  const judged = (part: string) =>
    checks.filter(({ requirement }) => requirement.includes(part)).map(({ reached }) => reached);
  expect(judged("ten times slower, from")).toEqual([true, true]);
  expect(judged("executions more, as a share of those needed, one of two lanes")).toEqual([true]);
  expect(judged("60 ms late")).toEqual([null, null, null]);
});
