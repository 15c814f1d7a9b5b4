/** The admin server answers what its own `openapi.json` says, and nothing else. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resolveAdminOptions } from "../../src/admin/admin-options.ts";
import { AdminServer } from "../../src/admin/admin-server.ts";
import { ApplicationsDesk } from "../../src/admin/applications-desk.ts";
import { TuttiError } from "../../src/errors/tutti-error.ts";
import { HttpClient, type HttpRequest } from "../support/http-client.ts";
import { OpenApiDocument } from "../support/openapi.ts";
import { StreamClient } from "../support/stream-client.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { FakeSource } from "./fake-source.ts";
import { FaultyStore } from "./faulty-store.ts";

const TOKEN = "a-token-of-some-length";
const source = new FakeSource();
const log = { error: () => {} };
const folder = new TempFolder();
const store = new FaultyStore();
const desk = new ApplicationsDesk({ store, modulesDirectory: folder.path, settings: { node: { lanes: 2 } } });
let open: AdminServer;
let guarded: AdminServer;
let port: number;
let client: HttpClient;
let stranger: HttpClient;
let api: OpenApiDocument;

beforeAll(async () => {
  folder.write("app.ts", "");
  open = new AdminServer(resolveAdminOptions({ port: 0 }), source, log, desk);
  guarded = new AdminServer(resolveAdminOptions({ port: 0, token: TOKEN }), source, log);
  port = (await open.start()).port;
  client = new HttpClient(port);
  stranger = new HttpClient((await guarded.start()).port);
  api = new OpenApiDocument((await client.get("/api/openapi.json")).json);
});

afterAll(async () => {
  client[Symbol.dispose]();
  stranger[Symbol.dispose]();
  await open.close();
  await guarded.close();
  folder[Symbol.dispose]();
});

async function judge(url: string, headers: Record<string, string> = {}, from = client) {
  const answer = await from.get(url, { headers });
  const body = answer.json ?? answer.text;
  api.judge(url.split("?")[0] ?? url, answer.status, answer.headers["content-type"], body);
  return answer;
}

const APPLICATIONS = "/api/applications";

/** Sends and judges a PUT; the body, too, if it is taken. */
async function put(request: HttpRequest, from = client, query = "") {
  const answer = await from.send(`${APPLICATIONS}${query}`, { method: "PUT", ...request });
  api.judge(APPLICATIONS, answer.status, answer.headers["content-type"], answer.json, "put");
  if (answer.status === 200) api.judgeBody(APPLICATIONS, "put", request.body);
  return answer.status;
}

describe("openapi.json", () => {
  it("has every path that the server answers at, and no other", () => {
    expect(api.paths.toSorted()).toEqual(open.paths.toSorted());
    expect(api.document.openapi).toMatch(/^3\.1\./);
    expect(api.document.components.schemas).toHaveProperty("NodeStatus");
  });

  it("demands a token where the server does", async () => {
    const { json } = await stranger.get("/api/openapi.json", {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect(json.security).toEqual([{ token: [] }]);
    expect(json.paths["/healthz"].get.security).toEqual([]);
    expect(api.document.security).toEqual([]);
  });

  it("is what every answer of the server is like, each path with each status and type that it has", async () => {
    const json = { accept: "application/json" };
    const text = { accept: "*/*" };
    await judge("/healthz");
    await judge("/readyz");
    source.ready = false;
    await judge("/readyz");
    await judge("/api/openapi.json");
    await judge("/metrics", text);
    for (const path of ["/api/status", "/api/requests"]) {
      await judge(path, json);
      await judge(path, text);
    }
    using events = StreamClient.get(port, "/api/events");
    await events.untilText(":");
    const type = (await events.headers)["content-type"];
    api.judge("/api/events", await events.status, type, events.text);
    const readers = Array.from({ length: 15 }, () => StreamClient.get(port, "/api/events"));
    await Promise.all(readers.map(({ status }) => status));
    expect((await judge("/api/events")).status).toBe(503);
    for (const reader of readers) reader[Symbol.dispose]();
    await judge("/api/requests?id=unknown", json);
    await judge("/api/requests?id=unknown", text);
    const elsewhere = { host: "evil.example" };
    await judgeApplications(elsewhere);
    for (const path of [
      "/metrics",
      "/api/status",
      "/api/requests",
      "/api/events",
      "/api/openapi.json",
      APPLICATIONS,
    ]) {
      expect((await judge(`${path}?nothing=1`)).status).toBe(400);
      expect((await judge(path, {}, stranger)).status).toBe(401);
      expect((await judge(path, elsewhere)).status).toBe(403);
    }
    expect(api.unseen).toEqual([]);
  });

  it("names every parameter that is taken, with its limits", async () => {
    const operations = Object.entries(api.document.paths).flatMap(([path, { get, put }]) => [
      ...(get === undefined ? [] : [{ path, method: "GET", operation: get }]),
      ...(put === undefined ? [] : [{ path, method: "PUT", operation: put }]),
    ]);
    expect(operations.length).toBeGreaterThan(7);
    for (const { path, method, operation } of operations) {
      const { json } = await client.send(`${path}?no-such-parameter=1`, { method });
      const known =
        /known: (.*)$/
          .exec(json?.error?.message ?? "")?.[1]
          ?.split(", ")
          .filter(Boolean) ?? [];
      const documented = (operation.parameters ?? []).filter((parameter) => parameter.in === "query");
      expect(documented.map(({ name }) => name).toSorted(), path).toEqual(known.toSorted());
    }
    const limit = api.document.paths["/api/requests"]?.get?.parameters?.find(({ name }) => name === "limit");
    const { maximum } = limit!.schema as { maximum: number };
    expect((await client.get(`/api/requests?limit=${maximum}`)).status).toBe(200);
    expect((await client.get(`/api/requests?limit=${maximum + 1}`)).status).toBe(400);
  });
});

/** Each change there is, and each way to be refused. */
async function judgeApplications(elsewhere: Record<string, string>): Promise<void> {
  await judge(APPLICATIONS);
  const any = { "if-match": "*" };
  const one = { name: "one", module: "app.ts", version: "v1", route: "/one" };
  const two = {
    name: "two",
    module: "app.ts",
    args: { a: 1 },
    deployments: { "m*": { replicas: 2, compute: true } },
  };
  const steps = [{ weight: 0.1, durationMs: 1000 }];
  const wanted = [[one], [{ ...one, version: "v2", route: "/1", traffic: { steps } }, two], [two], [one]];
  for (const applications of wanted) {
    expect(await put({ body: { applications }, headers: any })).toBe(200);
    await judge(APPLICATIONS);
  }
  const { revision, applications } = await store.read();
  const rollback = { to: { version: "v0" }, reason: "too many errors" } as const;
  await store.compareAndSet(
    revision,
    applications.map((application) => ({ ...application, rollback })),
  );
  await judge(APPLICATIONS);
  expect(await put({ body: { applications: [two] }, headers: any }, client, "?dryRun")).toBe(200);
  expect(await put({ body: { applications: [{ ...one, version: "v3" }] }, headers: any })).toBe(200);
  expect(await put({ body: { applications: [{}] }, headers: any })).toBe(400);
  expect(await put({ body: {}, headers: any }, stranger)).toBe(401);
  expect(await put({ body: {}, headers: { ...any, ...elsewhere } })).toBe(403);
  const large = {
    body: " ".repeat(1024 * 1024 + 1),
    headers: { ...any, "content-type": "application/json" },
  };
  expect(await put(large)).toBe(413);
  expect(await put({ body: "a", headers: { ...any, "content-type": "text/plain" } })).toBe(415);
  expect(await put({ body: { applications: [] } })).toBe(428);
  expect(await put({ body: { applications: [] }, headers: { "if-match": '"0"' } })).toBe(412);
  store.beforeWrite = () => store.read().then((read) => store.compareAndSet(read.revision, []));
  expect(await put({ body: { applications: [two] }, headers: any })).toBe(409);
  store.writeFailure = new TuttiError("StoreFull", "no room");
  expect(await put({ body: { applications: [one] }, headers: any })).toBe(507);
  store.writeFailure = undefined;
  for (const code of ["StoreFailed", "StoreDamaged"] as const) {
    store.readFailure = new TuttiError(code, "it cannot be read");
    await judge(APPLICATIONS);
    await put({ body: { applications: [] }, headers: any });
  }
  store.readFailure = undefined;
  const bearer = { authorization: `Bearer ${TOKEN}` };
  await judge(APPLICATIONS, bearer, stranger);
  expect(await put({ body: { applications: [] }, headers: { ...bearer, ...any } }, stranger)).toBe(404);
}

describe("a document that answers are judged by", () => {
  it("finds a field that is missing, one too many, a status and a type that it does not know", () => {
    const judged = (status: number, type: string, body: unknown) => () =>
      api.judge("/readyz", status, type, body);
    expect(judged(200, "application/json", { ready: true })).toThrow(/reason/);
    expect(judged(200, "application/json", { ready: true, reason: "", extra: 1 })).toThrow(/additional/);
    expect(judged(204, "application/json", {})).toThrow(/204, which is not documented/);
    expect(judged(200, "text/html", "")).toThrow(/text\/html, which is not documented/);
    expect(() => api.judge("/nowhere", 200, "application/json", {})).toThrow(/not documented/);
  });
});
