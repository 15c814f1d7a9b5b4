/** The admin API of real nodes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { OpenApiDocument } from "../support/openapi.ts";
import { StreamClient } from "../support/stream-client.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";

const APP = "test/node/apps/nested.ts";
const SMALL = ["--port", "0", "--spares", "0", "--code-executors", "1"];
const JSON_PLEASE = { accept: "application/json" };

describe("a node's flight recorder", () => {
  let node: TuttiProcess;
  let client: HttpClient;
  let admin: HttpClient;
  const degraded: Record<string, unknown> = {};

  beforeAll(async () => {
    node = await TuttiProcess.ready(APP, { args: SMALL });
    client = new HttpClient(node.port);
    admin = new HttpClient(node.adminPort);
    for (const [path, id] of [
      ["/nested/ask/1", "quick-one"],
      ["/nested/ask/60", "slow-one"],
      ["/nested/ask/1000", "late-one"],
      ["/nested/fail", "failed-one"],
    ] as const) {
      const { headers } = await client.get(path, { headers: { "x-request-id": id } });
      degraded[id] = headers["x-tutti-degraded"];
    }
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    admin[Symbol.dispose]();
    await node[Symbol.asyncDispose]();
  });

  it("has a line for each request that names its cause, slowest first", async () => {
    const { text } = await admin.get("/api/requests?limit=2");
    const lines = text
      .trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith("#"));
    expect(lines[0]).toMatch(
      /^nested v3 late-one \d+ ms degraded: slow late \(\d+ ms on code 0(?:, ran \d+ ms)?\); without slow \d+ ms$/,
    );
    expect(lines[1]).toMatch(
      /^nested v3 slow-one \d+ ms ok: slow ran \d+ ms on code 0.*; without slow \d+ ms$/,
    );
  });

  it("has calls of a class by a class in another executor as one tree, whose critical path adds up", async () => {
    const { json } = await admin.get("/api/requests?id=slow-one", { headers: JSON_PLEASE });
    const [request] = json.requests;
    const { root, path, latencyMs } = request;
    expect(root).toMatchObject({ name: "edge", method: "GET /nested/ask/:ms" });
    const gateway = root.groups[0].calls[0];
    const scorer = gateway.groups[0].calls[0];
    expect([gateway.name, scorer.name, scorer.executor === gateway.executor]).toEqual([
      "Gateway",
      "Scorer",
      false,
    ]);
    expect(scorer.stages).toMatchObject([{ name: "warm-up" }]);
    const [first, both] = scorer.groups;
    expect(first.calls.map(({ name }: { name: string }) => name)).toEqual(["quick"]);
    expect(both.calls.map(({ name }: { name: string }) => name)).toEqual(["quick", "slow"]);
    const sumMs = path.reduce((sum: number, { ms }: { ms: number }) => sum + ms, 0);
    expect(sumMs).toBeCloseTo(latencyMs, 6);
    expect(path.map(({ name }: { name: string }) => name)).toContain("slow");
  });

  it("and its answers say that a class in another executor had to do without a member", async () => {
    expect(degraded).toEqual({ "quick-one": "0", "slow-one": "0", "late-one": "1", "failed-one": "0" });
    const { text } = await admin.get("/api/requests?id=late-one");
    expect(text).toMatch(/Scorer\.score .*\(code-Scorer-0, degraded\)/);
  });

  it("tells the degraded and the failed apart", async () => {
    const idsOf = async (kept: string) =>
      (await admin.get(`/api/requests?${kept}&format=json`)).json.requests.map(
        ({ requestId }: { requestId: string }) => requestId,
      );
    expect(await idsOf("degraded")).toEqual(["late-one"]);
    expect(await idsOf("failed")).toEqual(["failed-one"]);
    const { text } = await admin.get("/api/requests?failed");
    expect(text).toMatch(/failed-one .* failed 500 ApplicationError: /);
  });

  it("tells the status of the node, with what was counted in all its processes", async () => {
    const { json } = await admin.get("/api/status", { headers: JSON_PLEASE });
    expect(json).toMatchObject({
      pid: node.pid,
      ready: true,
      applications: [{ name: "nested", version: "v3", status: "RUNNING", reason: "" }],
    });
    const deployments = json.applications[0].deployments.map(
      ({ name, ready, wanted }: { name: string; ready: number; wanted: number }) => [name, ready, wanted],
    );
    expect(deployments).toContainEqual(["Scorer", 1, 1]);
    expect(json.executors.map(({ name }: { name: string }) => name).sort()).toEqual([
      "code 0",
      "code-Scorer-0",
    ]);
    expect(json.ingress).toMatchObject({ requests: 4, degraded: 1, status5xx: 1 });
  });

  it("answers all that its openapi.json names as it says there", async () => {
    const api = new OpenApiDocument((await admin.get("/api/openapi.json")).json);
    // The events do not end; they have tests of their own.
    const urls = api.paths
      .filter((path) => path !== "/api/events" && api.document.paths[path]?.get !== undefined)
      .concat(
        ["degraded", "failed", "refused", "id=slow-one", "id=unknown"].map(
          (query) => `/api/requests?${query}`,
        ),
      );
    for (const url of urls) {
      const { status, headers, json, text } = await admin.get(url, { headers: JSON_PLEASE });
      api.judge(url.split("?")[0] ?? url, status, headers["content-type"], json ?? text);
    }
  });
});

describe("the events of a node", () => {
  it("tell of an executor that is lost and replaced, and of its deployment meanwhile, also to who comes back", async () => {
    await using node = await TuttiProcess.ready(APP, { args: SMALL });
    using admin = new HttpClient(node.adminPort);
    using events = StreamClient.get(node.adminPort, "/api/events");
    expect(await events.status).toBe(200);
    await events.untilText(":");
    const { json } = await admin.get("/api/status", { headers: JSON_PLEASE });
    const scorer = json.executors.find(({ name }: { name: string }) => name === "code-Scorer-0");
    process.kill(scorer.pid, "SIGKILL");
    const typesOf = (text: string) => [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type);
    const all = ["executor-lost", "deployment", "node", "executor-started", "deployment", "node"];
    await waitFor(() => typesOf(events.text).length >= all.length, { what: "the events" });
    expect(typesOf(events.text)).toEqual(all);
    const [lost, down] = [...events.text.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => JSON.parse(data));
    expect(lost).toMatchObject({
      executor: "code-Scorer-0",
      id: scorer.id,
      reason: expect.stringContaining("SIGKILL"),
    });
    expect(Date.now() - Date.parse(lost.at)).toBeLessThan(60_000);
    expect(down).toMatchObject({ deployment: "Scorer", state: "down", ready: 0, wanted: 1 });
    // Who lost the connection after the first of them is told the rest.
    const [, first = ""] = /^id: (\d+)$/m.exec(events.text) ?? [];
    using again = StreamClient.get(node.adminPort, "/api/events", { "last-event-id": first });
    await waitFor(() => typesOf(again.text).length >= all.length - 1, { what: "what came since" });
    expect(typesOf(again.text)).toEqual(all.slice(1));
    // Readers do not hold up the node's end.
    await node.stopped();
    await again.ended;
  });
});

describe("an admin port", () => {
  it("that is taken ends the start with the port and the flag to use", async () => {
    await using first = await TuttiProcess.ready(APP, { args: SMALL });
    const port = String(first.adminPort);
    await using second = new TuttiProcess(APP, { args: [...SMALL, "--admin-port", port] });
    expect(await second.endedByItself()).toBe(5);
    expect(second.stderr).toContain(`the admin port ${port} on 127.0.0.1 is in use`);
    expect(second.stderr).toContain("--admin-port");
    await first.stopped();
  });

  it("that others can reach is refused without a token", async () => {
    await using node = new TuttiProcess(APP, { args: [...SMALL, "--admin-host", "0.0.0.0"] });
    expect(await node.endedByItself()).toBe(2);
    expect(node.stderr).toContain("TUTTI_ADMIN_TOKEN");
  });

  it("that others can reach demands the token of the environment, and executors do not get it", async () => {
    const token = "a-token-of-some-length";
    await using node = await TuttiProcess.ready(APP, {
      args: [...SMALL, "--admin-host", "0.0.0.0"],
      env: { TUTTI_ADMIN_TOKEN: token },
    });
    using admin = new HttpClient(node.adminPort);
    expect((await admin.get("/api/status")).status).toBe(401);
    const headers = { authorization: `Bearer ${token}` };
    expect((await admin.get("/api/status", { headers })).status).toBe(200);
    await node.stopped();
  });

  it("that others can reach takes its token from a file", async () => {
    using folder = new TempFolder();
    const token = "a-token-that-lies-in-a-file";
    const file = folder.write("token", `${token}\n`);
    await using node = await TuttiProcess.ready(APP, {
      args: [...SMALL, "--admin-host", "0.0.0.0", "--admin-token-file", file],
      env: { TUTTI_ADMIN_TOKEN: "another-that-is-not-asked-for" },
    });
    using admin = new HttpClient(node.adminPort);
    const headers = { authorization: `Bearer ${token}` };
    expect((await admin.get("/api/status", { headers })).status).toBe(200);
    headers.authorization = "Bearer another-that-is-not-asked-for";
    expect((await admin.get("/api/status", { headers })).status).toBe(401);
    await node.stopped();
  });

  it("is none with --no-admin", async () => {
    await using node = await TuttiProcess.ready(APP, { args: [...SMALL, "--no-admin"] });
    expect(node.stderr).not.toContain("admin API");
    await node.stopped();
  });
});
