import { expect, test } from "vitest";
import type { OverloadStep, OverloadVisit } from "../schema.ts";
import { checkOverload } from "./checks.ts";
import { summariseOverload } from "./overload-summary.ts";

const latency = (p95Ms: number) => ({
  p50Ms: p95Ms / 2,
  p95Ms,
  p99Ms: p95Ms,
  p999Ms: p95Ms,
  maxMs: p95Ms,
  meanMs: p95Ms / 2,
  count: 1000,
});

const step = (multiple: number, fields: Partial<OverloadStep> = {}): OverloadStep => ({
  multiple,
  carriedRps: null,
  rateRps: 1000 * multiple,
  requests: 2000,
  right: 1000,
  degraded: 0,
  fallback: 0,
  wrong: 0,
  failed: 1000,
  refused: 1000,
  shed: 0,
  admitted: latency(80),
  refusals: latency(2),
  answeredRps: 950,
  goodputRps: 900,
  cpuSeconds: 1,
  generatorCpuSeconds: 0.2,
  windowSeconds: 1,
  sendLagP99Ms: 1,
  failures: [],
  ...fields,
});

const visit = (round: number, steps: OverloadStep[], fields: Partial<OverloadVisit> = {}): OverloadVisit => ({
  case: "dense/0ms",
  system: "tutti",
  round,
  capacityRps: 1000,
  capacityConnections: 48,
  steps,
  ...fields,
});

test("shares of capacity are taken round by round, and the refused are no failures", () => {
  const [twice] = summariseOverload([
    visit(1, [step(2)]),
    visit(2, [step(2, { goodputRps: 1000 })], { capacityRps: 2000 }),
    visit(3, [step(2, { goodputRps: 800, failed: 1003 })]),
  ]);
  expect(twice).toMatchObject({
    multiple: 2,
    rounds: 3,
    capacityRps: 1000,
    shareOfCapacity: { median: 0.8, min: 0.5, max: 0.9 },
    refusedShare: 0.5,
    failed: 3,
  });
});

test("what was carried just beside a step is its measure, not what the machine could do at the visit's beginning", () => {
  const [twice] = summariseOverload([visit(1, [step(2, { carriedRps: 900 })], { capacityRps: 2000 })]);
  expect(twice).toMatchObject({ capacityRps: 900, shareOfCapacity: { median: 1 } });
});

test("what must be reached is judged at twice the capacity, and the p95 at every rate", () => {
  const checks = checkOverload(
    summariseOverload([visit(1, [step(1), step(2), step(4, { admitted: latency(130), shed: 2 })])]),
  );
  const judged = (part: string) =>
    checks.filter(({ requirement }) => requirement.includes(part)).map(({ reached }) => reached);
  expect(judged("goodput at 2x capacity, as a share of capacity, dense")).toEqual([true]);
  expect(judged("trees/0ms").every((reached) => reached === null)).toBe(true);
  expect(judged("ms, dense")).toEqual([true, true, false]);
  expect(judged("incomplete because a bound inside refused a member, worst rate, dense")).toEqual([false]);
});
