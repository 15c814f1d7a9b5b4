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
import { FakeOperations } from "./fake-operations.ts";
import { FakeSource } from "./fake-source.ts";
import { FaultyStore } from "./faulty-store.ts";

const TOKEN = "a-token-of-some-length";
const source = new FakeSource();
const log = { error: () => {} };
const folder = new TempFolder();
const store = new FaultyStore();
const operations = new FakeOperations();
const desk = new ApplicationsDesk({ store, modulesDirectory: folder.path, settings: { node: { lanes: 2 } } });
let open: AdminServer;
let guarded: AdminServer;
let port: number;
let client: HttpClient;
let stranger: HttpClient;
let api: OpenApiDocument;

beforeAll(async () => {
  folder.write("app.ts", "");
  open = new AdminServer(resolveAdminOptions({ port: 0 }), source, log, desk, operations);
  guarded = new AdminServer(
    resolveAdminOptions({ port: 0, token: TOKEN }),
    source,
    log,
    undefined,
    operations,
  );
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
    await judgeOperations(elsewhere);
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
    const documented = Object.entries(api.document.paths).flatMap(([path, { get, put }]) => [
      ...(get === undefined ? [] : [{ path, method: "GET", operation: get }]),
      ...(put === undefined ? [] : [{ path, method: "PUT", operation: put }]),
    ]);
    expect(documented.length).toBeGreaterThan(7);
    for (const { path, method, operation } of documented) {
      const { json } = await client.send(`${path}?no-such-parameter=1`, { method });
      const known =
        /known: (.*)$/
          .exec(json?.error?.message ?? "")?.[1]
          ?.split(", ")
          .filter(Boolean) ?? [];
      const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in === "query");
      expect(parameters.map(({ name }) => name).toSorted(), path).toEqual(known.toSorted());
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

const OPERATIONS = [
  {
    path: "/api/applications/{application}/rollback",
    url: "/api/applications/offers/rollback",
    bodies: [{}, { version: "v1", reason: "too many errors" }],
    wrong: [{ version: 7 }, { reason: "" }, { to: "v1" }],
    ok: 200,
  },
  {
    path: "/api/deployments/{application}/{deployment}/scale",
    url: "/api/deployments/offers/m01/scale",
    bodies: [{ replicas: 2 }, { replicas: { min: 1, max: 3, initial: 2 } }],
    wrong: [
      {},
      { replicas: 0 },
      { replicas: "2" },
      { replicas: { min: 1.5, max: 2 } },
      { replicas: 2, more: 1 },
    ],
    ok: 200,
  },
  { path: "/api/shutdown", url: "/api/shutdown", bodies: [{}], wrong: [{ now: true }], ok: 202 },
] as const;

/** Every operation with every answer that it has. */
async function judgeOperations(elsewhere: Record<string, string>) {
  for (const { path, url, bodies, wrong, ok } of OPERATIONS) {
    const post = async (request: HttpRequest, from = client) => {
      const answer = await from.send(url, { method: "POST", ...request });
      api.judge(path, answer.status, answer.headers["content-type"], answer.json, "post");
      return answer.status;
    };
    for (const body of bodies) {
      api.judgeBody(path, "post", body);
      expect(await post({ body })).toBe(ok);
    }
    for (const body of wrong) expect(await post({ body }), JSON.stringify(body)).toBe(400);
    expect(await post({ body: "[]", headers: { "content-type": "application/json" } })).toBe(400);
    expect(await post({ body: bodies[0] }, stranger)).toBe(401);
    expect(await post({ body: bodies[0], headers: elsewhere })).toBe(403);
    // What a web page could send without asking.
    expect(await post({ body: "{}", headers: { "content-type": "text/plain" } })).toBe(415);
    expect(await post({})).toBe(415);
    const large = { reason: "x".repeat(2 ** 20) };
    expect(await post({ body: large })).toBe(413);
    if (ok !== 200) continue;
    for (const [code, status] of [
      ["NotFound", 404],
      ["StoreDamaged", 500],
      ["StoreFailed", 503],
    ] as const) {
      operations.failure = new TuttiError(code, "no");
      expect(await post({ body: bodies[0] })).toBe(status);
    }
    operations.failure = undefined;
  }
  expect(operations.asked).toEqual([
    ["rollBack", "offers", "previous", "somebody asked for it"],
    ["rollBack", "offers", { version: "v1" }, "too many errors"],
    ["scale", "offers", "m01", 2],
    ["scale", "offers", "m01", { min: 1, max: 3, initial: 2 }],
    ["shutDown"],
  ]);
}
