import { describe, expect, it } from "vitest";
import { context } from "../api/context.ts";
import type { HttpCall, HttpReply, HttpStreamHead } from "../api/http-call.ts";
import type { Route } from "../api/http-routes.ts";
import { CODE_DEFAULTS, resolveDeploymentOptions } from "../config/deployment-options.ts";
import { HttpError } from "../errors/tutti-error.ts";
import { CodeReplica } from "./code-replica.ts";
import { itemsFormat } from "./http-stream.ts";
import { incoming, RecordingSink } from "./reply-sink.fake.ts";

const POLL = { interval: 1, timeout: 10_000 };
const route = (method: string): Route => ({
  httpMethod: "POST",
  path: "/",
  method,
  body: undefined,
  fallback: undefined,
  priority: "high" as const,
});

/** Asks an ingress class as the edge does: reads its stream by as many chunks as a test grants, the first two aside. */
function ask(instance: object, routes: readonly Route[], http: Partial<HttpCall> = {}) {
  const replica = new CodeReplica({
    target: 1,
    deployment: "Ingress",
    options: resolveDeploymentOptions("Ingress", {}, CODE_DEFAULTS),
    instance,
    routes,
    servedBy: { replica: "Ingress#0", application: "app", applicationVersion: "1" },
  });
  const sink = new RecordingSink();
  const method = `http:${routes[0]?.method ?? "fetch"}`;
  const call: HttpCall = {
    route: routes.length === 0 ? -1 : 0,
    method: "POST",
    url: "/",
    params: {},
    query: {},
    headers: {},
    body: undefined,
    ...http,
  };
  replica.accept(incoming(1, { method, args: [call], takesStream: true }), sink, 0);
  const stream = async () => {
    await expect.poll(() => sink.streams.get(1), POLL).toBeDefined();
    return sink.streams.get(1)!;
  };
  const text = async () =>
    (await stream()).chunks
      .slice(1)
      .map((chunk) => Buffer.from(chunk as Uint8Array).toString())
      .join("");
  return {
    sink,
    stream,
    text,
    cancel: () => replica.cancel(1, sink),
    /** The head and the body of a stream that is read to its end. */
    all: async () => {
      (await stream()).grant(1_000);
      const { outcome } = await sink.replyTo(1);
      return { outcome, head: (await stream()).chunks[0] as HttpStreamHead, text: await text() };
    },
    reply: () => sink.valueOf(1) as Promise<HttpReply>,
  };
}

class Items {
  pulled = 0;
  closed = 0;
  async *three() {
    context().recordStage("first", 1);
    context().degraded = true;
    yield { a: 1 };
    yield "two\nlines";
    yield undefined;
    return { total: 3 };
  }
  async *degradesLater() {
    yield 1;
    context().degraded = true;
    yield 2;
  }
  async *endless() {
    try {
      for (;;) yield ++this.pulled;
    } finally {
      this.closed += 1;
    }
  }
  async *failsFirst() {
    if (this.pulled === 0) throw new HttpError(404, "no-such-thing", "there is none");
    yield 1;
  }
  async *failsLater() {
    yield 1;
    throw new Error("a bug");
  }
  async *notJson() {
    try {
      yield 1;
      yield 10n;
    } finally {
      this.closed += 1;
    }
  }
  async *big() {
    yield "x".repeat(200_000);
  }
}

describe("a routed method that is an async generator", () => {
  it("answers with a line of JSON for each item, the head when the first is there", async () => {
    const { head, text, outcome } = await ask(new Items(), [route("three")]).all();
    expect(head).toEqual({
      status: 200,
      contentType: "application/x-ndjson; charset=utf-8",
      headers: { "cache-control": "no-store" },
      setCookies: [],
      degraded: true,
      stages: [["first", 1]],
      format: "lines",
    });
    expect(text).toBe('{"a":1}\n"two\\nlines"\nnull\n');
    expect(outcome).toEqual({ ok: true, value: undefined });
  });

  it("answers with server-sent events where the client takes them, and what it returns as the last", async () => {
    const headers = { accept: "text/event-stream" };
    const { head, text } = await ask(new Items(), [route("three")], { headers }).all();
    expect(head).toMatchObject({ contentType: "text/event-stream; charset=utf-8", format: "events" });
    expect(text).toBe(
      'id: 1\ndata: {"a":1}\n\nid: 2\ndata: "two\\nlines"\n\nid: 3\ndata: null\n\n' +
        'event: end\ndata: {"value":{"total":3},"degraded":true}\n\n',
    );
  });

  it("says by its last event what has become degraded since its head", async () => {
    const headers = { accept: "text/event-stream" };
    const { head, text } = await ask(new Items(), [route("degradesLater")], { headers }).all();
    expect(head.degraded).toBe(false);
    expect(text).toMatch(/\nevent: end\ndata: \{"value":null,"degraded":true\}\n\n$/);
  });

  it.each([
    ["41", 42],
    ["0", 1],
    ["-1", 1],
    ["another server's", 1],
    ["99999999999999999999", 1],
  ])("numbers its events on from what the client had last: %s", async (last, first) => {
    const headers = { accept: "text/event-stream", "last-event-id": last };
    const { text } = await ask(new Items(), [route("three")], { headers }).all();
    expect(text.match(/^id: .*$/gm)).toEqual([0, 1, 2].map((more) => `id: ${first + more}`));
  });

  it("makes an item only when it may be sent (S2)", async () => {
    const items = new Items();
    const asked = ask(items, [route("endless")]);
    const stream = await asked.stream();
    await expect.poll(() => stream.chunks.length, POLL).toBe(2);
    // The first for the head, and none that no chunk was asked of.
    expect(items.pulled).toBe(1);
    stream.grant(3);
    await expect.poll(() => stream.chunks.length, POLL).toBe(5);
    expect([items.pulled, await asked.text()]).toEqual([4, "1\n2\n3\n4\n"]);
    asked.cancel();
    expect((await asked.sink.errorOf(1)).code).toBe("Cancelled");
    expect(items.closed).toBe(1);
  });

  it("answers with an error of its own status when it fails before its first item", async () => {
    const asked = ask(new Items(), [route("failsFirst")]);
    expect(await asked.sink.errorOf(1)).toMatchObject({ status: 404, publicCode: "no-such-thing" });
    expect((await asked.stream()).chunks).toEqual([]);
  });

  it.each(["failsLater", "notJson"])("ends with the error when it fails later: %s", async (method) => {
    const items = new Items();
    const { outcome, text } = await ask(items, [route(method)]).all();
    expect(outcome).toMatchObject({ ok: false, error: { code: "ApplicationError", started: "yes" } });
    expect(text).toBe("1\n");
    expect(items.closed).toBe(method === "notJson" ? 1 : 0);
  });

  it("cuts a large item into chunks that credit can count", async () => {
    const asked = ask(new Items(), [route("big")]);
    const { text } = await asked.all();
    expect(text).toBe(`${JSON.stringify("x".repeat(200_000))}\n`);
    const sizes = (await asked.stream()).chunks.slice(1).map((chunk) => (chunk as Uint8Array).length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(64 * 1024);
  });

  it("answers HEAD by a head alone, without making an item", async () => {
    const items = new Items();
    const reply = await ask(items, [route("endless")], { method: "HEAD" }).reply();
    expect(reply).toMatchObject({ contentType: "application/x-ndjson; charset=utf-8", body: "" });
    expect(items.pulled).toBe(0);
  });
});

describe("what a client takes", () => {
  it.each([
    [undefined, "lines"],
    ["*/*", "lines"],
    ["application/json", "lines"],
    ["text/event-stream", "events"],
    ["application/json, Text/Event-Stream;q=0.9", "events"],
    ["text/event-stream; q=0.5, */*", "events"],
    ["text/event-stream;q=0", "lines"],
    ["text/event-stream; q=0.0, */*", "lines"],
  ])("%j is answered by %s", (accept, format) => {
    expect(itemsFormat(accept)).toBe(format);
  });
});

class Web {
  readonly make: () => Response;
  constructor(make: () => Response) {
    this.make = make;
  }
  fetch() {
    return this.make();
  }
}

/** A body that has what a test puts in, and hears of its end. */
function controlled() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let pulled = 0;
  let cancelled = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      start: (given) => {
        controller = given;
      },
      pull: () => void pulled++,
      cancel: () => void cancelled++,
    },
    { highWaterMark: 0 },
  );
  return { body, controller, pulled: () => pulled, cancelled: () => cancelled };
}

describe("a Response", () => {
  it("whose body is there at once is one answer", async () => {
    const reply = await ask(new Web(() => Response.json({ a: 1 })), []).reply();
    expect(JSON.parse(Buffer.from(reply.body as Uint8Array).toString())).toEqual({ a: 1 });
  });

  it("whose body takes time is a stream: its head at once, its parts as they come", async () => {
    const { body, controller } = controlled();
    const asked = ask(new Web(() => new Response(body, { status: 201, headers: { "x-a": "1" } })), []);
    const stream = await asked.stream();
    await expect.poll(() => stream.chunks.length, POLL).toBe(1);
    expect(stream.chunks[0]).toMatchObject({ status: 201, headers: { "x-a": "1" }, format: "bytes" });
    controller.enqueue(Buffer.from("one "));
    await expect.poll(() => stream.chunks.length, POLL).toBe(2);
    controller.enqueue(Buffer.from("two"));
    controller.close();
    expect((await asked.all()).text).toBe("one two");
  });

  it("whose body is larger than is held whole is a stream too, of all its bytes", async () => {
    const bytes = Buffer.alloc(3 << 20, "abc");
    const asked = ask(new Web(() => new Response(bytes)), []);
    const { text, head } = await asked.all();
    expect(head.format).toBe("bytes");
    expect(text.length).toBe(bytes.length);
    expect(text === bytes.toString()).toBe(true);
  });

  it("is not read on while nobody reads it, and is cancelled when nobody will", async () => {
    const { body, controller, pulled, cancelled } = controlled();
    const asked = ask(new Web(() => new Response(body)), []);
    const stream = await asked.stream();
    controller.enqueue(Buffer.from("1"));
    await expect.poll(() => stream.chunks.length, POLL).toBe(2);
    const pulledBefore = pulled();
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect([pulled(), stream.chunks.length]).toEqual([pulledBefore, 2]);
    asked.cancel();
    expect((await asked.sink.errorOf(1)).code).toBe("Cancelled");
    expect(cancelled()).toBe(1);
  });

  it("ends with the error when its body fails", async () => {
    const { body, controller } = controlled();
    const asked = ask(new Web(() => new Response(body)), []);
    await asked.stream();
    controller.enqueue(Buffer.from("1"));
    controller.error(new Error("upstream is gone"));
    expect((await asked.all()).outcome).toMatchObject({ ok: false, error: { message: "upstream is gone" } });
  });

  it("has its body cancelled, and none sent, for HEAD", async () => {
    const { body, cancelled } = controlled();
    const reply = await ask(new Web(() => new Response(body, { status: 202 })), [], {
      method: "HEAD",
    }).reply();
    expect([reply.status, reply.body, cancelled()]).toEqual([202, "", 1]);
  });
});
