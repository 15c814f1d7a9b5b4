/** What `/metrics` of a real node says, and that `docs/reference/metrics.md` says the same. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { METRICS } from "../../src/admin/metric-list.ts";
import { HttpClient } from "../support/http-client.ts";
import { PrometheusText } from "../support/prometheus-text.ts";
import { REPOSITORY, TempFolder } from "../support/temp-folder.ts";
import type { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";
import { modelNames, players, startOffers, writePlayers } from "./offers-fixture.ts";

const REQUESTS = 20;
const ROUTE = "POST /offers/:game";
const population = players(REQUESTS);

const folder = new TempFolder();
let offers: TuttiProcess;
let client: HttpClient;
let admin: HttpClient;

beforeAll(async () => {
  offers = await startOffers(await writePlayers(folder.at("players.db"), population));
  client = new HttpClient(offers.port);
  admin = new HttpClient(offers.adminPort);
  for (const { key } of population) {
    expect((await client.post("/offers/tower", { playerId: key })).json.degraded).toBe(false);
  }
  expect((await client.get("/nowhere")).status).toBe(404);
  await client.get("/healthz");
});

afterAll(async () => {
  client[Symbol.dispose]();
  admin[Symbol.dispose]();
  await offers.stopped();
  await offers[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

async function scrape(): Promise<PrometheusText> {
  const { status, text } = await admin.get("/metrics", { headers: { accept: "*/*" } });
  expect(status).toBe(200);
  return new PrometheusText(text);
}

/** Rows of the document's tables of metrics. */
const documented = readFileSync(`${REPOSITORY}/docs/reference/metrics.md`, "utf8")
  .split("\n")
  .flatMap((line) => {
    const [, name = "", type = "", labels = "", help = ""] =
      /^\| `(tutti_\w+)` \| (counter|gauge|histogram) \|(.*?)\| (.*) \|$/.exec(line) ?? [];
    return name === ""
      ? []
      : [{ name, type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, one]) => one), help }];
  });

describe("the metrics of a node", () => {
  it("are those of the document, no more and no less, with their types", async () => {
    const { types } = await scrape();
    expect([...types]).toEqual(documented.map(({ name, type }) => [name, type]));
  });

  it("have the labels and meanings that the document says", async () => {
    expect(documented).toEqual(METRICS.map(({ name, type, labels, help }) => ({ name, type, labels, help })));
    const { samples } = await scrape();
    for (const { name, labels } of samples) {
      const metric = documented.find(
        (one) =>
          one.name === name ||
          (one.type === "histogram" && name.replace(/_(bucket|sum|count)$/, "") === one.name),
      );
      const given = Object.keys(labels).filter((label) => label !== "le");
      expect(given, name).toEqual(metric?.labels);
    }
    // All but what only happens when something goes wrong has a value by now.
    const seen = new Set(samples.map(({ name }) => name.replace(/_(bucket|sum|count)$/, "")));
    const silent = documented.map(({ name }) => name).filter((name) => !seen.has(name));
    expect(silent).toEqual(["tutti_calls_ended_total"]);
  });

  it("have no series twice", async () => {
    const { samples } = await scrape();
    const keys = samples.map(({ name, labels }) => `${name}${JSON.stringify(labels)}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("count requests by route and status, with their times", async () => {
    const metrics = await scrape();
    expect(metrics.sum("tutti_requests_total", { route: ROUTE, status: "200" })).toBe(REQUESTS);
    expect(metrics.sum("tutti_requests_total", { route: "none", status: "404" })).toBe(1);
    expect(metrics.sum("tutti_request_seconds_count", { route: ROUTE })).toBe(REQUESTS);
    expect(metrics.sum("tutti_request_seconds_sum", { route: ROUTE })).toBeGreaterThan(0);
    expect(metrics.sum("tutti_request_seconds_bucket", { route: ROUTE, le: "+Inf" })).toBe(REQUESTS);
    expect(metrics.sum("tutti_requests_admitted_total", { priority: "high" })).toBe(REQUESTS);
    expect(metrics.sum("tutti_requests_in_flight")).toBe(0);
  });

  it("count each call on its way to classes, models and features", async () => {
    const metrics = await scrape();
    const calls = REQUESTS * modelNames.length;
    for (const name of modelNames) {
      const deployment = metrics
        .all("tutti_router_calls_total")
        .find(({ labels }) => labels["deployment"]?.endsWith(name))?.labels["deployment"];
      expect(metrics.sum("tutti_router_calls_total", { deployment: deployment ?? "none" }), name).toBe(
        REQUESTS,
      );
      expect(metrics.sum("tutti_batch_calls_total", { deployment: deployment ?? "none" }), name).toBe(
        REQUESTS,
      );
    }
    expect(metrics.sum("tutti_batch_rows_sum")).toBe(calls);
    expect(metrics.sum("tutti_batch_rows_count")).toBe(metrics.sum("tutti_batches_total"));
    expect(metrics.sum("tutti_batch_run_seconds_total")).toBeGreaterThan(0);
    expect(metrics.sum("tutti_method_calls_total", { method: "http:offer", outcome: "ok" })).toBe(REQUESTS);
    expect(metrics.sum("tutti_method_seconds_count", { method: "http:offer" })).toBe(REQUESTS);
    expect(metrics.sum("tutti_feature_store_keys_total")).toBe(REQUESTS);
    expect(metrics.sum("tutti_router_outstanding_calls")).toBe(0);
  });

  it("tell replicas wanted and ready, and what each process uses", async () => {
    const metrics = await scrape();
    const wanted = metrics.all("tutti_deployment_replicas_wanted");
    expect(wanted.length).toBeGreaterThan(modelNames.length);
    for (const { labels, value } of wanted) {
      expect(metrics.sum("tutti_deployment_replicas_ready", labels), labels["deployment"]).toBe(value);
    }
    expect(metrics.sum("tutti_executor_state", { state: "ready" })).toBe(
      metrics.all("tutti_executor_replicas").length,
    );
    const processes = metrics.all("tutti_process_resident_bytes");
    expect(processes.length).toBe(1 + metrics.all("tutti_executor_replicas").length);
    for (const { value } of processes) expect(value).toBeGreaterThan(10 * 2 ** 20);
    expect(metrics.sum("tutti_executors_silent")).toBe(0);
  });

  it("are told although an executor does not answer, and count its loss and its place's next start", async () => {
    const { json } = await admin.get("/api/status?format=json");
    const lane = json.executors.find(({ kind }: { kind: string }) => kind === "model");
    process.kill(lane.pid, "SIGSTOP");
    // At first what was told a moment ago may be told again.
    const during = await waitFor(
      async () => {
        const metrics = await scrape();
        return metrics.sum("tutti_executors_silent") === 1 ? metrics : undefined;
      },
      { what: "a scrape without the lane" },
    );
    expect(during.all("tutti_process_resident_bytes", { process: lane.name })).toEqual([]);
    const place = { executor: lane.name };
    const after = await waitFor(
      async () => {
        const metrics = await scrape();
        // A scrape may come between the start that is counted and the place that is ready.
        const isReady = metrics.sum("tutti_executor_state", { ...place, state: "ready" }) === 1;
        return isReady && metrics.sum("tutti_executor_starts_total", place) === 2 ? metrics : undefined;
      },
      { what: "the lane to be filled again, and ready" },
    );
    expect(after.sum("tutti_executor_losses_total", place)).toBe(1);
  });
});
