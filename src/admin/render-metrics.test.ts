import { describe, expect, it } from "vitest";
import { LATENCY_BOUNDS_MS } from "../observe/latency-counts.ts";
import { idleProcess, nothingCounted } from "../observe/node-metrics.fake.ts";
import type { NodeMetrics } from "../observe/node-metrics.ts";
import { METRICS } from "./metric-list.ts";
import { renderMetrics } from "./render-metrics.ts";

async function linesOf(name: string, counted: Partial<NodeMetrics>): Promise<string[]> {
  const text = await renderMetrics({ ...nothingCounted(), ...counted });
  return text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}

const ONES = LATENCY_BOUNDS_MS.map(() => 1);

describe("metrics as text", () => {
  it("have every name with its help and type, counted or not", async () => {
    const text = await renderMetrics(nothingCounted());
    for (const { name, help, type } of METRICS)
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
  });

  it("have each name once, in the form that Prometheus asks for", () => {
    const names = METRICS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, type } of METRICS) {
      expect(name).toMatch(/^tutti_[a-z_]+$/);
      expect(name.endsWith("_total")).toBe(type === "counter");
    }
  });

  it("have routes by status, and labels escaped", async () => {
    const routes = [
      {
        route: 'GET /a"\\b',
        statuses: [{ status: 503, requests: 2 }],
        latency: { counts: [...ONES, 1], sumMs: 1 },
      },
    ];
    expect(await linesOf("tutti_requests_total", { routes })).toEqual([
      'tutti_requests_total{route="GET /a\\"\\\\b",status="503"} 2',
    ]);
  });

  it("have classes of durations that add up to the count, in seconds", async () => {
    const routes = [{ route: "r", statuses: [], latency: { counts: [...ONES, 4], sumMs: 1500 } }];
    const buckets = await linesOf("tutti_request_seconds_bucket", { routes });
    expect(buckets[0]).toBe('tutti_request_seconds_bucket{route="r",le="0.00025"} 1');
    expect(buckets.at(-1)).toBe(`tutti_request_seconds_bucket{route="r",le="+Inf"} ${ONES.length + 4}`);
    expect(await linesOf("tutti_request_seconds_sum", { routes })).toEqual([
      'tutti_request_seconds_sum{route="r"} 1.5',
    ]);
    expect(await linesOf("tutti_request_seconds_count", { routes })).toEqual([
      `tutti_request_seconds_count{route="r"} ${ONES.length + 4}`,
    ]);
  });

  it("have sizes of batches with the classes between that did not occur", async () => {
    const batches = [
      {
        application: "a",
        deployment: "m",
        method: "predict",
        replica: 1,
        reasons: { full: 1, all: 2 },
        sizes: [
          { upToRows: 1, batches: 2 },
          { upToRows: 4, batches: 1 },
        ],
        rows: 6,
        calls: 5,
        waitedMs: 10,
        runMs: 20,
        waits: 0,
        hopeless: 1,
        givenUp: 0,
        queuedCalls: 3,
        capRows: 32,
      },
    ];
    const of = 'application="a",deployment="m",method="predict",replica="1"';
    expect(await linesOf("tutti_batch_rows_bucket", { batches })).toEqual([
      `tutti_batch_rows_bucket{${of},le="1"} 2`,
      `tutti_batch_rows_bucket{${of},le="2"} 2`,
      `tutti_batch_rows_bucket{${of},le="4"} 3`,
      `tutti_batch_rows_bucket{${of},le="+Inf"} 3`,
    ]);
    expect(await linesOf("tutti_batch_rows_sum", { batches })).toEqual([`tutti_batch_rows_sum{${of}} 6`]);
    expect(await linesOf("tutti_batch_wait_seconds_total", { batches })).toEqual([
      `tutti_batch_wait_seconds_total{${of}} 0.01`,
    ]);
  });

  it("tell the limit of admission as +Inf when it is off", async () => {
    expect(await linesOf("tutti_admission_limit", {})).toEqual(["tutti_admission_limit +Inf"]);
  });

  it("have each process's own, so that one that begins anew is no fall of a sum", async () => {
    const processes = [idleProcess("node"), idleProcess("lane 0")];
    expect(await linesOf("tutti_feature_cache_hits_total", { processes })).toEqual([
      'tutti_feature_cache_hits_total{process="node"} 0',
      'tutti_feature_cache_hits_total{process="lane 0"} 0',
    ]);
  });
});
