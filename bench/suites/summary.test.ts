import { expect, test } from "vitest";
import { markdown } from "../report/markdown.ts";
import { plots } from "../report/plots.ts";
import { type BenchResult, type FloorVisit, type ProbeRecord, parseResult, type Visit } from "../schema.ts";
import { checkHop, checkOffers } from "./checks.ts";
import { hopRatios, offerRatios, summariseFloor, summariseHops, summariseSystems } from "./summary.ts";

function probe(level: number, throughputRps: number, p95Ms: number, cpuSecondsPer1k = 1): ProbeRecord {
  return {
    shape: "closed",
    level,
    requests: 100,
    right: 99,
    degraded: 1,
    fallback: 0,
    wrong: 0,
    failed: 0,
    throughputRps,
    latency: {
      p50Ms: p95Ms / 2,
      p95Ms,
      p99Ms: p95Ms * 2,
      p999Ms: p95Ms * 3,
      maxMs: 400,
      meanMs: 9,
      count: 100,
    },
    cpuSecondsPer1k,
    generatorCpuSecondsPer1k: 0.1,
    sendLagP99Ms: null,
    overloaded: false,
    failures: [],
  };
}

function visit(
  system: string,
  round: number,
  capacity: ProbeRecord | null,
  atStoryRate: ProbeRecord | null = null,
): Visit {
  return {
    case: "trees/0ms",
    system,
    round,
    coldStartMs: 1_000 * round,
    processes: 3,
    pssMb: 300 + round,
    capacity,
    capacityProbes: capacity === null ? [] : [capacity],
    storyRateRps: null,
    latencies: [{ ...probe(50, 50, 8), shape: "open" }],
    atStoryRate,
  };
}

const visits = [
  visit("flask-story", 1, probe(4, 100, 40), probe(70, 70, 40)),
  visit("tutti", 1, probe(64, 3_000, 30, 0.3), probe(70, 70, 4)),
  visit("flask-story", 2, probe(4, 50, 45), probe(70, 70, 60)),
  visit("tutti", 2, probe(64, 2_000, 35, 0.2), probe(70, 70, 10)),
];
const floorVisits: FloorVisit[] = [1, 2].map((round) => ({
  family: "trees",
  round,
  batches: [
    { batch: 1, ensemblesPerSecond: 2_500, cpuSecondsPer1k: 0.8 },
    { batch: 64, ensemblesPerSecond: 8_000, cpuSecondsPer1k: 0.2 },
  ],
}));

function result(over: Partial<BenchResult>): BenchResult {
  return {
    schemaVersion: 1,
    suite: "offers",
    quick: true,
    runId: "offers-quick-1",
    startedAt: "2026-01-01T00:00:00.000Z",
    finishedAt: "2026-01-01T00:10:00.000Z",
    machine: { cpu: "a processor", cores: 2, memoryMb: 8_000, kernel: "6.1" },
    versions: { node: "v24.0.0" },
    git: { revision: "0123456789abcdef", dirty: false },
    parameters: { limitMs: 50 },
    systems: [],
    floor: [],
    hops: [],
    ratios: [],
    checks: [],
    skipped: [],
    visits: [],
    floorVisits: [],
    overload: [],
    overloadVisits: [],
    hopSamples: [],
    stragglers: [],
    stragglersVisits: [],
    rollout: [],
    rolloutVisits: [],
    watch: [],
    watchVisits: [],
    ...over,
  };
}

const ratios = offerRatios("tutti", visits, floorVisits);
const offers = result({
  systems: summariseSystems(visits, (name) => `how ${name} is configured`),
  floor: summariseFloor(floorVisits),
  ratios,
  checks: checkOffers(ratios, visits),
  skipped: ["dense/0ms: 0 of 15 dense models are there"],
  visits,
  floorVisits,
});

test("a system's figures are medians of its rounds, its counts are sums", () => {
  expect(offers.systems.find(({ name }) => name === "tutti")).toMatchObject({
    case: "trees/0ms",
    rounds: 2,
    capacityRps: 2_500,
    p95Ms: 32.5,
    pssMb: 301.5,
    cpuSecondsPer1k: 0.25,
    // Three windows a round: capacity, the stated rate and the story's.
    counts: { requests: 600, right: 594, degraded: 6, wrong: 0, failed: 0 },
  });
});

test("the story's rate is another in each round, and one row in the table", () => {
  const [story] = summariseSystems(
    [
      visit("flask-story", 1, probe(4, 100, 40), probe(70, 70, 40)),
      visit("flask-story", 2, probe(4, 100, 40), probe(90, 90, 48)),
    ],
    () => "",
  );
  expect(story?.latencies).toMatchObject([
    { rateRps: 50, rounds: 2 },
    { rateRps: 80, p95Ms: 44, rounds: 2 },
  ]);
});

test("ratios are those of pairs of one round", () => {
  const of = (name: string) => ratios.find((ratio) => ratio.name === name);
  expect(of("capacity")).toMatchObject({ against: "flask-story", median: 35, min: 30, max: 40, rounds: 2 });
  expect(of("p95AtStoryRate")).toMatchObject({ median: 8, min: 6, max: 10 });
  expect(of("cpu")).toMatchObject({ against: "floor, batch 64", median: 1.25 });
  expect(of("shareOfFloor")).toMatchObject({ median: 0.3125 });
});

test("a round without a capacity takes no part in the figures", () => {
  const [flask] = summariseSystems(
    [visit("flask-story", 1, null), visit("flask-story", 2, probe(4, 80, 30))],
    () => "",
  );
  expect(flask).toMatchObject({ rounds: 2, capacityRps: 80 });
  const [none] = summariseSystems([visit("flask-story", 1, null)], () => "");
  expect(none).toMatchObject({ capacityRps: null, p95Ms: null, coldStartMs: 1_000 });
});

test("requirements are reached, missed or not measured", () => {
  const reached = Object.fromEntries(offers.checks.map((check) => [check.requirement, check.reached]));
  expect(reached["capacity against flask-story x2, trees/0ms"]).toBe(true);
  expect(reached["cold start: process start to first offer answered, ms"]).toBe(true);
  expect(reached["capacity against onnx-best-ts x2, dense/0ms"]).toBeNull();
  const slower = ratios.map((ratio) => ({ ...ratio, median: 0.5 }));
  expect(checkOffers(slower, visits)[0]?.reached).toBe(false);
});

test("a result keeps its form through its file, and a damaged one is refused by field", () => {
  expect(parseResult(JSON.parse(JSON.stringify(offers)))).toEqual(offers);
  expect(() => parseResult({ ...offers, machine: { cpu: "x" } })).toThrow("cores");
});

test("the report has every system, the checks and what was not measured", () => {
  const text = markdown(offers, [{ title: "Capacity", file: "capacity.svg" }]);
  for (const expected of [
    "`flask-story`",
    "`tutti`",
    "25",
    "not measured",
    "dense/0ms: 0 of 15",
    "![Capacity]",
  ]) {
    expect(text).toContain(expected);
  }
  for (const plot of plots(offers)) expect(plot.svg).not.toContain("NaN");
});

test("calls are compared with the bare round trip, a fan-out with one call", () => {
  const samples = [
    ["bare-socket", 0.03],
    ["processes", 0.06],
    ["fan-out-15", 0.24],
    ["handle", 0.07],
    ["ensemble-15", 0.35],
  ].map(([subject, p50Ms]) => ({
    subject: String(subject),
    payloadBytes: 0,
    round: 1,
    latency: { ...probe(1, 1, 1).latency, p50Ms: Number(p50Ms) },
    callsPerSecond: null,
  }));
  const found = hopRatios(samples);
  expect(found.map(({ of, against, median }) => [of, against, median])).toEqual([
    ["processes", "bare-socket", 2],
    ["fan-out-15", "processes", 4],
    ["handle", "bare-socket", expect.closeTo(2.33, 1)],
    ["ensemble-15", "handle", expect.closeTo(5, 5)],
  ]);
  const checks = checkHop(found);
  expect(checks.map(({ reached }) => reached)).toEqual([true, true]);
  const hops = result({
    suite: "hop",
    hops: summariseHops(samples),
    ratios: found,
    checks,
    hopSamples: samples,
  });
  expect(markdown(hops, [])).toContain("`fan-out-15`");
});
