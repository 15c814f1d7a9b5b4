import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type AdminOptions, resolveAdminOptions } from "../../src/admin/admin-options.ts";
import { AdminServer } from "../../src/admin/admin-server.ts";
import { HttpClient } from "../support/http-client.ts";
import { StreamClient } from "../support/stream-client.ts";
import { waitFor } from "../support/wait-for.ts";
import { FakeSource, STATUS } from "./fake-source.ts";

const TOKEN = "a-token-of-some-length";
const SILENT = { error: () => {} };
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(options: AdminOptions = {}) {
  const source = new FakeSource();
  const logged: object[] = [];
  const log = { error: (fields: object) => void logged.push(fields) };
  const server = new AdminServer(resolveAdminOptions({ port: 0, ...options }), source, log);
  closing.push(() => server.close());
  const { port } = await server.start();
  const client = new HttpClient(port);
  closing.push(async () => client[Symbol.dispose]());
  return { source, port, client, server, logged };
}

describe("the admin API", () => {
  it("tells the recorded requests as lines for terminals, and as JSON for those who take it", async () => {
    const { client, source } = await start();
    const text = await client.get("/api/requests?degraded&limit=3", { headers: { accept: "*/*" } });
    expect(text.status).toBe(200);
    expect(text.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(text.text).toContain("\noffers v1 r-1 12 ms ok\n");
    expect(source.asked).toMatchObject([{ kept: "degraded", limit: 3 }]);
    const json = await client.get("/api/requests", { headers: { accept: "application/json" } });
    expect(json.json).toMatchObject({
      kept: "slow",
      sample: { sampled: 5, of: 50 },
      requests: [{ requestId: "r-1", line: "offers v1 r-1 12 ms ok", startedAt: "1970-01-01T00:00:00.000Z" }],
    });
  });

  it("tells one request as a tree, and 404 of one that it does not know", async () => {
    const { client } = await start();
    const known = await client.get("/api/requests?id=r-1");
    expect(known.text).toContain("* Supervisor.predict 12 ms: run 12 ms");
    const unknown = await client.get("/api/requests?id=r-2");
    expect([unknown.status, unknown.text]).toEqual([404, "# no request r-2 is recorded\n"]);
  });

  it("tells the status, in both forms", async () => {
    const { client } = await start();
    expect((await client.get("/api/status")).text).toContain("expired at the queue 3");
    expect((await client.get("/api/status?format=json")).json).toEqual(JSON.parse(JSON.stringify(STATUS)));
  });

  it("tells what was counted in Prometheus's text format", async () => {
    const { client } = await start();
    const { status, headers, text } = await client.get("/metrics", { headers: { accept: "*/*" } });
    expect([status, headers["content-type"]]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    expect(text).toContain("\ntutti_uptime_seconds 1.5\n");
    expect((await client.get("/metrics?name=x")).json.error.path).toBe("query.name");
  });

  it("answers probes", async () => {
    const { client, source } = await start();
    expect((await client.get("/healthz")).json).toEqual({ status: "alive" });
    expect((await client.get("/readyz")).status).toBe(200);
    source.ready = false;
    const { status, json, headers } = await client.get("/readyz");
    expect([status, json, headers["retry-after"]]).toEqual([
      503,
      { ready: false, reason: "m1 has 0 of 1 replicas" },
      "1",
    ]);
  });

  it("answers HEAD without a body", async () => {
    const { client } = await start();
    const { status, text } = await client.send("/api/status", { method: "HEAD" });
    expect([status, text]).toEqual([200, ""]);
  });

  it("refuses a bad query with 400 and the parameter as path", async () => {
    const { client } = await start();
    const { status, json } = await client.get("/api/requests?limit=many");
    expect([status, json.error.code, json.error.path]).toEqual([400, "InvalidArgument", "query.limit"]);
    expect((await client.get("/api/status?verbose=1")).json.error.path).toBe("query.verbose");
  });

  it.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("does not take %s", async (method) => {
    const { client } = await start();
    const { status, json, headers } = await client.send("/api/requests", { method });
    expect([status, json.error.code, headers["allow"]]).toEqual([405, "MethodNotAllowed", "GET, HEAD"]);
    expect(headers["access-control-allow-origin"]).toBeUndefined();
  });

  it.each(["/", "/api", "/api/nothing", "/%ff", "/api/requests/"])("has nothing at %s", async (path) => {
    const { client } = await start();
    const { status, json } = await client.get(path);
    expect([status, json.error.code]).toEqual([404, "NotFound"]);
  });

  it("does not read a body, and closes the connection on which one comes", async () => {
    const { client } = await start();
    const { status, headers } = await client.send("/api/status", { method: "GET", body: "x".repeat(100) });
    expect([status, headers.connection]).toEqual([413, "close"]);
  });

  it("refuses headers beyond its limit", async () => {
    const { client } = await start();
    const { status } = await client.get("/api/status", { headers: { "x-large": "x".repeat(9000) } });
    expect(status).toBe(431);
  });

  it("shows no more of a defect than that it was one", async () => {
    const { client, source, logged } = await start();
    source.failure = new Error("a path of somebody's machine");
    const { status, text } = await client.get("/api/requests");
    expect(status).toBe(500);
    expect(text).not.toContain("somebody");
    expect(logged).toMatchObject([
      { requestId: "admin-1", err: { message: "a path of somebody's machine" } },
    ]);
  });
});

describe("an admin API without a token", () => {
  it.each(["localhost", "127.0.0.1:8002", "[::1]:80"])("answers who asks for host %s", async (host) => {
    const { client } = await start();
    expect((await client.get("/api/status", { headers: { host } })).status).toBe(200);
  });

  it.each(["evil.example", "evil.example:8002"])(
    "refuses a page that has its own name resolved to this machine: host %j",
    async (host) => {
      const { client } = await start();
      const { status, json } = await client.get("/api/status", { headers: { host } });
      expect([status, json.error.code]).toEqual([403, "Forbidden"]);
    },
  );
});

describe("an admin API with a token", () => {
  it.each([
    [undefined],
    [TOKEN],
    ["Bearer"],
    ["Bearer another-token-of-some"],
    [`Bearer ${TOKEN}x`],
    [`Bearer ${TOKEN.slice(0, -1)}`],
    [`Bearer ${TOKEN} ${TOKEN}`],
    [`Bearer ${"x".repeat(7000)}`],
    [`Bearer ${" ".repeat(7000)}`],
    [`Basic ${TOKEN}`],
  ])("refuses authorization %s", async (authorization) => {
    const { client } = await start({ token: TOKEN });
    const { status, headers, json } = await client.get("/api/status", {
      headers: authorization === undefined ? {} : { authorization },
    });
    expect([status, headers["www-authenticate"], json.error.code]).toEqual([
      401,
      "Bearer",
      "Unauthenticated",
    ]);
  });

  it("answers whoever has it, under whatever name", async () => {
    const { client } = await start({ token: TOKEN });
    const headers = { authorization: `Bearer ${TOKEN}`, host: "node7.example" };
    expect((await client.get("/api/requests", { headers })).status).toBe(200);
  });

  it("guards the metrics like all else, and takes the longest token that it allows", async () => {
    const longest = "x".repeat(4096);
    const { client } = await start({ token: longest });
    expect((await client.get("/metrics")).status).toBe(401);
    const wrong = { authorization: `Bearer ${longest.slice(1)}y` };
    expect((await client.get("/metrics", { headers: wrong })).status).toBe(401);
    expect((await client.get("/metrics", { headers: { authorization: `Bearer ${longest}` } })).status).toBe(
      200,
    );
  });

  it("refuses a token that does not fit into a request's headers before it looks at it", async () => {
    const { client } = await start({ token: TOKEN });
    const headers = { authorization: `Bearer ${"x".repeat(10_000)}` };
    expect((await client.get("/api/status", { headers })).status).toBe(431);
  });

  it("says nothing to pages of other origins, with a token or without", async () => {
    for (const options of [{}, { token: TOKEN }]) {
      const { client } = await start(options);
      const headers = { origin: "https://evil.example", authorization: `Bearer ${TOKEN}` };
      for (const method of ["GET", "OPTIONS"]) {
        const answer = await client.send("/api/status", { method, headers });
        const names = Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"));
        expect(names).toEqual([]);
      }
    }
  });

  it("says before anything else that the token is wrong: not what there is", async () => {
    const { client } = await start({ token: TOKEN });
    for (const path of ["/api/nothing", "/api/requests?limit=x", "/"]) {
      expect((await client.get(path)).status, path).toBe(401);
    }
  });

  it("answers probes without it", async () => {
    const { client } = await start({ token: TOKEN });
    expect((await client.get("/readyz?x=1")).status).toBe(200);
    expect((await client.get("/healthz")).status).toBe(200);
  });
});

describe("the events of an admin server", () => {
  it("come as they happen, each with its number, name and facts, and never again after their reader has gone", async () => {
    const { port, source } = await start();
    const happened = { type: "executor-lost", executor: "lane 0", id: "x1", reason: "it\nended" } as const;
    using reader = StreamClient.get(port, "/api/events");
    await reader.untilText(":");
    expect(await reader.headers).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "no-store",
    });
    source.events.add(happened);
    await reader.untilText("\n\nid: 1");
    expect(reader.text).toContain(
      'id: 1\nevent: executor-lost\ndata: {"at":"1970-01-01T00:00:00.000Z","executor":"lane 0","id":"x1","reason":"it\\nended"}\n\n',
    );
    const before = source.readers;
    reader[Symbol.dispose]();
    await waitFor(() => source.readers === before - 1, { what: "its reader to be forgotten" });
  });

  it("are for 16 readers at a time", async () => {
    const { port, client, source } = await start();
    const readers = Array.from({ length: 16 }, () => StreamClient.get(port, "/api/events"));
    closing.push(async () => readers.forEach((reader) => void reader[Symbol.dispose]()));
    expect(await Promise.all(readers.map(({ status }) => status))).toEqual(readers.map(() => 200));
    const { status, headers, json } = await client.get("/api/events");
    expect([status, headers["retry-after"], json.error.code]).toEqual([503, "10", "Overloaded"]);
    readers[0]![Symbol.dispose]();
    await waitFor(() => source.readers === 15, { what: "a place to be free" });
    using another = StreamClient.get(port, "/api/events");
    expect(await another.status).toBe(200);
  });

  it("do not pile up for a reader that does not read: it is let go", async () => {
    const { port, source } = await start();
    const stuck = connect(port, "127.0.0.1").on("error", () => {});
    closing.push(async () => void stuck.destroy());
    stuck.pause();
    stuck.write("GET /api/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await waitFor(() => source.readers === 1, { what: "the reader" });
    const reason = "x".repeat(10_000);
    let told = 0;
    while (source.readers > 0 && told < 10_000) {
      source.events.add({ type: "node", ready: false, reason });
      told += 1;
      if (told % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(source.readers).toBe(0);
  });

  it("answer HEAD, and refuse a query", async () => {
    const { client } = await start();
    expect((await client.send("/api/events", { method: "HEAD" })).status).toBe(200);
    expect((await client.get("/api/events?since=1")).json.error.path).toBe("query.since");
  });
});

describe("the connections of an admin server", () => {
  it("are 64 at most: one more is closed at once, and has its place when another ends", async () => {
    const { port } = await start();
    const open = () =>
      new Promise<Socket>((resolve) => {
        const socket = connect(port, "127.0.0.1").on("error", () => {});
        closing.push(async () => void socket.destroy());
        socket.once("connect", () => resolve(socket));
      });
    const held = await Promise.all(Array.from({ length: 64 }, open));
    const surplus = await open();
    await new Promise((resolve) => surplus.once("close", resolve));
    expect(held.filter(({ destroyed }) => destroyed)).toEqual([]);
    held[0]!.destroy();
    const isServed = async () => {
      using client = new HttpClient(port);
      return (await client.get("/healthz")).status === 200;
    };
    await waitFor(isServed, { what: "a place to be free" });
  });
});

describe("the life of an admin server", () => {
  it("fails to start on a port that is taken, naming the port and what to do", async () => {
    const { port } = await start();
    const second = new AdminServer(resolveAdminOptions({ port }), new FakeSource(), SILENT);
    closing.push(() => second.close());
    await expect(second.start()).rejects.toMatchObject({
      code: "PortInUse",
      message: `the admin port ${port} on 127.0.0.1 is in use, perhaps by another node: choose another with --admin-port (0 for any), or --no-admin to have none`,
    });
  });

  it("closes with connections open, and may be closed before its start and twice", async () => {
    const { port, server } = await start();
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write("GET /api/status HTTP/1.1\r\n");
    await server.close();
    await closed;
    await server.close();
    const never = new AdminServer(resolveAdminOptions({ port: 0 }), new FakeSource(), SILENT);
    await never.close();
  });
});
