import { describe, expect, it } from "vitest";
import { z } from "zod";
import { context } from "../api/context.ts";
import type { HttpCall, HttpReply, HttpRequestInfo } from "../api/http-call.ts";
import type { Route } from "../api/http-routes.ts";
import { CODE_DEFAULTS, resolveDeploymentOptions } from "../config/deployment-options.ts";
import { CodeReplica } from "./code-replica.ts";
import { incoming, RecordingSink } from "./reply-sink.fake.ts";

const route = (method: string, body?: Route["body"]): Route => ({
  httpMethod: "POST",
  path: "/",
  method,
  body,
  fallback: undefined,
  priority: "high",
});

const call = (fields: Partial<HttpCall> = {}): HttpCall => ({
  route: 0,
  method: "POST",
  url: "/offers/tower?explain=1",
  params: {},
  query: {},
  headers: {},
  body: undefined,
  ...fields,
});

/** Asks an ingress class over HTTP, as the edge does. */
function ask(
  instance: object,
  routes: readonly Route[],
  http: HttpCall,
  deadlineAtMs = performance.now() + 60_000,
) {
  const replica = new CodeReplica({
    target: 1,
    deployment: "Ingress",
    options: resolveDeploymentOptions("Ingress", {}, CODE_DEFAULTS),
    instance,
    routes,
    servedBy: { replica: "Ingress#0", application: "app", applicationVersion: "1" },
  });
  const sink = new RecordingSink();
  const method = `http:${routes[http.route]?.method ?? "fetch"}`;
  replica.accept(incoming(1, { method, args: [http], deadlineAtMs, takesStream: true }), sink, 0);
  return {
    reply: () => sink.valueOf(1) as Promise<HttpReply>,
    error: () => sink.errorOf(1),
    cancel: () => replica.cancel(1, sink),
  };
}

class Ingress {
  async echo(body: unknown, { params, query, headers }: HttpRequestInfo) {
    return { body, params, query, headers };
  }
  nothing() {}
  notJson() {
    return () => {};
  }
  big() {
    return 10n;
  }
  partial() {
    context().degraded = true;
    context().recordStage("features", 3);
    return "partial";
  }
}

describe("a routed method", () => {
  it("gets the body and the request, and answers JSON", async () => {
    const params = { game: "tower" };
    const query = { explain: "1", tag: ["a", "b"] };
    const headers = { "x-player": "p" };
    const http = call({ body: { a: 1 }, params, query, headers });
    const reply = await ask(new Ingress(), [route("echo")], http).reply();
    expect(reply).toMatchObject({
      status: 200,
      contentType: "application/json; charset=utf-8",
      headers: {},
      degraded: false,
      stages: [],
    });
    expect(JSON.parse(reply.body as string)).toEqual({ body: { a: 1 }, params, query, headers });
  });

  it("is chosen by the index of its route", async () => {
    const routes = [route("echo"), route("partial")];
    expect((await ask(new Ingress(), routes, call({ route: 1 })).reply()).body).toBe('"partial"');
  });

  it("answers null when it returns nothing", async () => {
    expect((await ask(new Ingress(), [route("nothing")], call()).reply()).body).toBe("null");
  });

  it.each(["notJson", "big"])("fails when it returns what is not JSON: %s", async (method) => {
    expect((await ask(new Ingress(), [route(method)], call()).error()).code).toBe("ApplicationError");
  });

  it("labels its answer as degraded and tells its stages", async () => {
    const reply = await ask(new Ingress(), [route("partial")], call()).reply();
    expect(reply).toMatchObject({ degraded: true, stages: [["features", 3]] });
  });
});

describe("the schema of a route", () => {
  const offer = z.object({
    playerId: z.string(),
    items: z.array(z.object({ count: z.number() })).default([]),
  });

  it("gives the method what it made of the body", async () => {
    const reply = await ask(new Ingress(), [route("echo", offer)], call({ body: { playerId: "p" } })).reply();
    expect(JSON.parse(reply.body as string).body).toEqual({ playerId: "p", items: [] });
  });

  it.each([
    [{ playerId: 5 }, "body.playerId"],
    [{ playerId: "p", items: [{ count: 1 }, { count: "x" }] }, "body.items.1.count"],
    [undefined, "body"],
    ["text", "body"],
  ])("refuses %j before the method runs, naming %s", async (body, path) => {
    class Never {
      calls = 0;
      async offer() {
        this.calls += 1;
      }
    }
    const instance = new Never();
    const error = await ask(instance, [route("offer", offer)], call({ body })).error();
    expect(error).toMatchObject({ code: "InvalidArgument", status: 400, path });
    expect(error.message.startsWith(`${path}: `)).toBe(true);
    expect(instance.calls).toBe(0);
  });

  it("may be asynchronous", async () => {
    const known = z.string().refine(async (id) => id === "known", "no such player");
    const routes = [route("echo", known)];
    expect(
      JSON.parse((await ask(new Ingress(), routes, call({ body: "known" })).reply()).body as string).body,
    ).toBe("known");
    expect(await ask(new Ingress(), routes, call({ body: "other" })).error()).toMatchObject({
      code: "InvalidArgument",
      message: "body: no such player",
    });
  });

  it("may name a place by keys that are objects, or give no issue at all", async () => {
    const failing = (issues: readonly { message: string; path?: readonly { key: string }[] }[]) =>
      route("echo", { "~standard": { version: 1, vendor: "test", validate: () => ({ issues }) } });
    const named = failing([{ message: "too long", path: [{ key: "a" }, { key: "b" }] }]);
    expect(await ask(new Ingress(), [named], call()).error()).toMatchObject({
      path: "body.a.b",
      message: "body.a.b: too long",
    });
    expect((await ask(new Ingress(), [failing([])], call()).error()).message).toBe("body: not valid");
  });
});

class Web {
  readonly handle: (request: Request) => unknown;
  constructor(handle: (request: Request) => unknown) {
    this.handle = handle;
  }
  async fetch(request: Request) {
    return this.handle(request);
  }
}

const fetchOf = (
  handle: (request: Request) => unknown,
  http: Partial<HttpCall> = {},
  deadlineAtMs?: number,
) => ask(new Web(handle), [], call({ route: -1, ...http }), deadlineAtMs);

const textOf = ({ body }: HttpReply) => Buffer.from(body as Uint8Array).toString();

describe("an ingress class with fetch", () => {
  it("gets a web-standard request and its Response is the answer", async () => {
    const reply = await fetchOf(
      async (request) =>
        new Response(
          `${request.method} ${request.url} ${request.headers.get("x-a")} ${await request.text()}`,
          {
            status: 201,
            headers: { "content-type": "text/plain", "x-b": "2" },
          },
        ),
      { headers: { host: "shop.example:81", "x-a": "1" }, body: Buffer.from("hello") },
    ).reply();
    expect(textOf(reply)).toBe("POST http://shop.example:81/offers/tower?explain=1 1 hello");
    expect(reply).toMatchObject({ status: 201, contentType: "text/plain", headers: { "x-b": "2" } });
  });

  it("gets no body with GET", async () => {
    const reply = await fetchOf(async (request) => new Response(String(request.body)), {
      method: "GET",
      body: Buffer.from("ignored"),
    }).reply();
    expect(textOf(reply)).toBe("null");
  });

  it("may send several cookies, and nothing but a status", async () => {
    const headers = new Headers();
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    const reply = await fetchOf(() => new Response(null, { status: 204, headers })).reply();
    expect(reply).toMatchObject({ status: 204, contentType: "", headers: {}, setCookies: ["a=1", "b=2"] });
    expect(reply.body).toHaveLength(0);
  });

  it.each([
    ["//evil.example/x?y=1", "http://localhost//evil.example/x?y=1"],
    ["/a/../b", "http://localhost/b"],
    ["/?q=//x", "http://localhost/?q=//x"],
  ])("gets the path %s as a path, whatever it looks like", async (url, seen) => {
    expect(textOf(await fetchOf((request) => new Response(request.url), { url }).reply())).toBe(seen);
  });

  it.each(["", "a b", "[", "a/b?c#d", "x:99999"])(
    "is asked even when the client's host is %j",
    async (host) => {
      const reply = await fetchOf((request) => new Response(new URL(request.url).pathname), {
        headers: { host },
      }).reply();
      expect(textOf(reply)).toBe("/offers/tower");
    },
  );

  it("fails when it returns no Response", async () => {
    expect(await fetchOf(() => "text").error()).toMatchObject({
      code: "ApplicationError",
      message: "fetch() did not return a Response",
    });
  });

  it("has the request's signal abort when the client goes", async () => {
    const asked = fetchOf(
      (request) =>
        new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(new Error("gone")))),
    );
    asked.cancel();
    expect((await asked.error()).code).toBe("Cancelled");
  });
});
