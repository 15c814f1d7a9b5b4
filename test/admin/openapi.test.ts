/** The admin server answers what its own `openapi.json` says, and nothing else. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resolveAdminOptions } from "../../src/admin/admin-options.ts";
import { AdminServer } from "../../src/admin/admin-server.ts";
import { HttpClient } from "../support/http-client.ts";
import { OpenApiDocument } from "../support/openapi.ts";
import { StreamClient } from "../support/stream-client.ts";
import { FakeSource } from "./fake-source.ts";

const TOKEN = "a-token-of-some-length";
const source = new FakeSource();
const log = { error: () => {} };
let open: AdminServer;
let guarded: AdminServer;
let port: number;
let client: HttpClient;
let stranger: HttpClient;
let api: OpenApiDocument;

beforeAll(async () => {
  open = new AdminServer(resolveAdminOptions({ port: 0 }), source, log);
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
});

async function judge(url: string, headers: Record<string, string> = {}, from = client) {
  const answer = await from.get(url, { headers });
  const body = answer.json ?? answer.text;
  api.judge(url.split("?")[0] ?? url, answer.status, answer.headers["content-type"], body);
  return answer;
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
    for (const path of ["/metrics", "/api/status", "/api/requests", "/api/events", "/api/openapi.json"]) {
      expect((await judge(`${path}?nothing=1`)).status).toBe(400);
      expect((await judge(path, {}, stranger)).status).toBe(401);
      expect((await judge(path, elsewhere)).status).toBe(403);
    }
    expect(api.unseen).toEqual([]);
  });

  it("names every parameter that is taken, with its limits", async () => {
    for (const [path, { get }] of Object.entries(api.document.paths)) {
      const { json } = await client.get(`${path}?no-such-parameter=1`);
      const known =
        /known: (.*)$/
          .exec(json?.error?.message ?? "")?.[1]
          ?.split(", ")
          .filter(Boolean) ?? [];
      expect((get.parameters ?? []).map(({ name }) => name).toSorted(), path).toEqual(known.toSorted());
    }
    const limit = api.document.paths["/api/requests"]?.get.parameters?.find(({ name }) => name === "limit");
    const { maximum } = limit!.schema as { maximum: number };
    expect((await client.get(`/api/requests?limit=${maximum}`)).status).toBe(200);
    expect((await client.get(`/api/requests?limit=${maximum + 1}`)).status).toBe(400);
  });
});

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
