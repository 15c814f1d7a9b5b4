import { afterEach, describe, expect, test } from "vitest";
import { HttpError, TuttiError } from "../../src/errors/tutti-error.ts";
import { until } from "./raw-client.ts";
import { closeAll, OFFERS, OK, startIngress } from "./test-ingress.ts";

afterEach(closeAll);

describe("an application's answer", () => {
  test("comes from the route's method, with parameters, query and parsed body", async () => {
    const { connect } = await startIngress();
    const client = await connect();
    client.request("POST", "/offers/tower?explain=1&x=a&x=b", '{"playerId":"p"}', {
      "content-type": "application/json",
    });
    const { status, body } = await client.answer();
    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual({
      application: "offers",
      routeIndex: 0,
      method: "POST",
      params: { game: "tower" },
      query: { explain: "1", x: ["a", "b"] },
      body: { playerId: "p" },
    });
  });

  test("I4: has request id, degraded mark and server-timing", async () => {
    const { connect, target } = await startIngress();
    target.respond = async () => ({ ...OK, degraded: true, stages: [{ name: "models", ms: 1.234 }] });
    const client = await connect();
    const { headers } = await client
      .request("GET", "/offers/tower", undefined, { "x-request-id": "mine-1" })
      .answer();
    expect(headers).toMatchObject({
      "x-request-id": "mine-1",
      "x-tutti-degraded": "1",
      "server-timing": expect.stringMatching(/^models;dur=1\.23,total;dur=[\d.]+$/),
      "content-type": "application/json",
    });
  });

  test("a JSON body needs no content type, but is not guessed from another", async () => {
    const { connect } = await startIngress();
    const client = await connect();
    expect((await client.request("POST", "/offers/x", "[1]").answer()).body).toContain('"body":[1]');
    const refused = await client
      .request("POST", "/offers/x", "a=1", { "content-type": "text/plain" })
      .answer();
    expect([refused.status, JSON.parse(refused.body).error.code]).toEqual([415, "UnsupportedMediaType"]);
    const zipped = await client.request("POST", "/offers/x", "zip", { "content-encoding": "gzip" }).answer();
    expect(zipped.status).toBe(415);
    expect((await client.request("POST", "/offers/x", "").answer()).status).toBe(200);
  });

  test("a fetch application gets every method and the body as bytes, and sets its own headers", async () => {
    const { connect, target } = await startIngress();
    const client = await connect();
    const put = await client
      .request("PUT", "/web/any/path", "héllo", { "content-type": "text/plain" })
      .answer();
    expect(JSON.parse(put.body)).toMatchObject({
      application: "web",
      routeIndex: -1,
      method: "PUT",
      body: "bytes 6",
    });
    target.respond = async () => ({
      ...OK,
      status: 201,
      contentType: "text/html",
      headers: { location: "/x", "transfer-encoding": "chunked", "X-Request-Id": "forged" },
      setCookies: ["a=1"],
      body: new TextEncoder().encode("<p>é"),
    });
    const { status, headers, body } = await client.request("GET", "/web").answer();
    expect([status, body]).toEqual([201, "<p>é"]);
    expect(headers).toMatchObject({ location: "/x", "set-cookie": "a=1", "content-type": "text/html" });
    expect(headers["transfer-encoding"]).toBeUndefined();
    expect(headers["x-request-id"]).not.toBe("forged");
  });

  test("an answer that HTTP cannot carry is a 500, not a broken connection", async () => {
    const { connect, target } = await startIngress();
    const client = await connect();
    target.respond = async () => ({ ...OK, headers: { "x-bad": "a\r\nb: c" } });
    expect((await client.request("GET", "/web").answer()).status).toBe(500);
    target.respond = async () => ({ ...OK, status: 42 });
    expect((await client.request("GET", "/web").answer()).status).toBe(500);
  });

  test("HEAD has GET's headers without its body, OPTIONS the methods, 405 too", async () => {
    const { connect } = await startIngress();
    const client = await connect();
    const head = await client.request("HEAD", "/offers/tower").answer({ hasBody: false });
    expect(head.status).toBe(200);
    expect(Number(head.headers["content-length"])).toBeGreaterThan(2);
    const options = await client.request("OPTIONS", "/offers/tower").answer();
    expect([options.status, options.headers.allow]).toEqual([204, "GET, HEAD, OPTIONS, POST"]);
    const wrong = await client.request("DELETE", "/offers/tower").answer();
    expect([wrong.status, wrong.headers.allow]).toEqual([405, "GET, HEAD, OPTIONS, POST"]);
    const exotic = await client.request("PROPFIND", "/offers/tower", "<x/>").answer();
    expect([exotic.status, JSON.parse(exotic.body).error.code]).toEqual([405, "MethodNotAllowed"]);
    expect((await client.request("OPTIONS", "*").answer()).status).toBe(204);
  });

  test("HTTP/1.0 is answered and closed", async () => {
    const { connect } = await startIngress();
    const client = await connect();
    client.send("GET /offers/tower HTTP/1.0\r\n\r\n");
    expect((await client.answer()).status).toBe(200);
    await client.closed();
  });

  test("a proxy's absolute URL is taken", async () => {
    const { connect } = await startIngress();
    const client = await connect();
    const { body } = await client.request("GET", "http://example.org/offers/tower?x=1").answer();
    expect(JSON.parse(body)).toMatchObject({ params: { game: "tower" }, query: { x: "1" } });
  });

  test("pipelined requests are answered in their order", async () => {
    const { connect, target } = await startIngress();
    const waiting: (() => void)[] = [];
    target.respond = (request) =>
      new Promise((resolve) => waiting.push(() => resolve({ ...OK, body: JSON.stringify(request.params) })));
    const client = await connect();
    client.request("GET", "/offers/a").request("GET", "/offers/b").request("GET", "/offers/c");
    await until(() => waiting.length === 3);
    for (const answer of waiting.reverse()) answer();
    const bodies = [await client.answer(), await client.answer(), await client.answer()].map(
      ({ body }) => body,
    );
    expect(bodies).toEqual(['{"game":"a"}', '{"game":"b"}', '{"game":"c"}']);
  });

  test("100-continue is given for a body that will be read, and not for one too large", async () => {
    const { connect } = await startIngress({ maxBodyBytes: 10 });
    const client = await connect();
    const head = (length: number) =>
      `POST /offers/x HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\nexpect: 100-continue\r\n\r\n`;
    client.send(head(2));
    expect((await client.answer()).status).toBe(100);
    client.send("{}");
    expect((await client.answer()).status).toBe(200);
    client.send(head(11));
    expect((await client.answer()).status).toBe(413);
  });
});

describe("an error's answer", () => {
  test("is JSON with code, message and request id, for unknown and undecodable paths alike", async () => {
    const { connect } = await startIngress();
    const client = await connect();
    const missing = await client
      .request("POST", "/nowhere", "a body not read", { "x-request-id": "r-9" })
      .answer();
    expect([missing.status, JSON.parse(missing.body)]).toEqual([
      404,
      { error: { code: "NotFound", message: "nothing is served at POST /nowhere", requestId: "r-9" } },
    ]);
    // The same connection goes on: the body of the refused request was dropped.
    expect((await client.request("GET", "/offers/%zz").answer()).status).toBe(400);
  });

  test("of the application is shown as it was meant, a bug's message is not", async () => {
    const { connect, target, lines } = await startIngress();
    const client = await connect();
    target.respond = async () => {
      throw new HttpError(409, "sold-out", "no more offers", "body.sku");
    };
    const shown = await client.request("GET", "/offers/x").answer();
    expect([shown.status, JSON.parse(shown.body).error]).toMatchObject([
      409,
      { code: "sold-out", path: "body.sku" },
    ]);
    target.respond = async () => {
      throw new TuttiError("ApplicationError", "password is hunter2");
    };
    const hidden = await client.request("GET", "/offers/x", undefined, { "x-request-id": "bug-1" }).answer();
    expect(hidden.status).toBe(500);
    expect(hidden.body).not.toContain("hunter2");
    const line = lines.find(({ level }) => level === "error");
    expect(line?.fields).toMatchObject({ requestId: "bug-1", err: { message: "password is hunter2" } });
  });

  test("a target that throws at once, and one that says when to come back", async () => {
    const { connect, target } = await startIngress();
    const client = await connect();
    target.respond = () => {
      throw new TuttiError("Overloaded", "the queue is full", { retryAfterSeconds: 3 });
    };
    const { status, headers } = await client.request("GET", "/offers/x").answer();
    expect([status, headers["retry-after"]]).toEqual([503, "3"]);
  });
});

describe("the edge's own routes", () => {
  test("healthz is the process, readyz the target", async () => {
    const { connect, target } = await startIngress({}, []);
    const client = await connect();
    expect((await client.request("GET", "/healthz").answer()).status).toBe(200);
    expect((await client.request("GET", "/readyz").answer()).status).toBe(200);
    target.ready = { ready: false, reason: "offers: 0 of 2 replicas" };
    const { status, body } = await client.request("GET", "/readyz").answer();
    expect([status, JSON.parse(body)]).toEqual([503, { ready: false, reason: "offers: 0 of 2 replicas" }]);
    expect((await client.request("POST", "/healthz", "{}").answer()).status).toBe(405);
  });
});

describe("a change of applications", () => {
  test("L1: takes effect for the next request; one that does not compile changes nothing", async () => {
    const { connect, ingress } = await startIngress();
    const client = await connect();
    ingress.setApplications([{ ...OFFERS, route: "/new" }]);
    expect((await client.request("GET", "/offers/x").answer()).status).toBe(404);
    expect(() => ingress.setApplications([OFFERS, OFFERS])).toThrow(/offers/);
    expect((await client.request("GET", "/new/x").answer()).status).toBe(200);
  });
});

describe("what the edge keeps", () => {
  test("counts by class, and an access log only if asked for", async () => {
    const quiet = await startIngress();
    const client = await quiet.connect();
    await client.request("GET", "/offers/x").answer();
    await client.request("GET", "/nowhere").answer();
    expect(quiet.ingress.counts()).toMatchObject({
      requests: 2,
      inFlight: 0,
      status2xx: 1,
      status4xx: 1,
      connections: 1,
    });
    expect(quiet.lines).toEqual([]);
    const chatty = await startIngress({ accessLog: "info" });
    await (await chatty.connect()).request("GET", "/offers/x").answer();
    expect(chatty.lines).toMatchObject([
      { level: "info", fields: { method: "GET", url: "/offers/x", status: 200 } },
    ]);
  });
});
