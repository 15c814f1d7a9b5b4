import { afterEach, describe, expect, test } from "vitest";
import type { IngressOptions } from "../../src/ingress/ingress-options.ts";
import { type RawAnswer, until } from "./raw-client.ts";
import { closeAll, Gate, OK, startIngress } from "./test-ingress.ts";

afterEach(closeAll);

const codeOf = ({ status, body }: RawAnswer) => [status, JSON.parse(body).error.code];
const HEAD = "POST /offers/x HTTP/1.1\r\nhost: x\r\n";

/** Sends bytes on a fresh connection; then that the server still serves others. */
async function answerTo(bytes: string, options: IngressOptions = {}) {
  const started = await startIngress(options);
  const client = await started.connect();
  const answer = await client.send(bytes).answer();
  const other = await (await started.connect()).request("GET", "/offers/x").answer();
  expect(other.status).toBe(200);
  return { answer, client, ...started };
}

describe("bytes that are not a good request", () => {
  test("malformed JSON is 400 with the position, and the connection goes on", async () => {
    const { answer, client } = await answerTo(`${HEAD}content-length: 9\r\n\r\n{"a":oops`);
    expect(codeOf(answer)).toEqual([400, "MalformedJson"]);
    expect(answer.body).toContain("position 5");
    expect((await client.request("GET", "/offers/x").answer()).status).toBe(200);
  });

  test("JSON nested too deep is 400", async () => {
    const body = "[".repeat(100_000);
    const { answer } = await answerTo(`${HEAD}content-length: ${body.length}\r\n\r\n${body}`);
    expect(codeOf(answer)).toEqual([400, "MalformedJson"]);
  });

  test("a poisoned body is 400", async () => {
    const body = '{"__proto__":{"admin":true}}';
    const { answer, target } = await answerTo(`${HEAD}content-length: ${body.length}\r\n\r\n${body}`);
    expect(codeOf(answer)).toEqual([400, "InvalidArgument"]);
    expect(target.requests).toHaveLength(1);
  });

  test.each([
    ["not HTTP at all", "\x16\x03\x01 hello\r\n\r\n"],
    [
      "two framings (request smuggling)",
      `${HEAD}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ["two lengths", `${HEAD}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd`],
    ["a length that is no number", `${HEAD}content-length: ten\r\n\r\n`],
    ["no host", "GET /offers/x HTTP/1.1\r\n\r\n"],
  ])("%s is 400 in JSON", async (_what, bytes) => {
    const { answer } = await answerTo(bytes);
    expect(codeOf(answer)).toEqual([400, "InvalidArgument"]);
    expect(answer.headers).toMatchObject({ "content-type": "application/json", "x-tutti-degraded": "0" });
  });

  test("a chunk that is none ends the request with 400 and the connection", async () => {
    const { answer, client, ingress } = await answerTo(`${HEAD}transfer-encoding: chunked\r\n\r\nxyz\r\n`);
    expect(codeOf(answer)).toEqual([400, "InvalidArgument"]);
    expect(await client.closed()).toBe("");
    expect(ingress.counts()).toMatchObject({ protocolErrors: 1, inFlight: 0 });
  });

  test("K2: garbage behind a good request does not take its answer away", async () => {
    const { connect, target } = await startIngress();
    const gate = new Gate();
    target.respond = gate.respond;
    const client = await connect();
    client.request("GET", "/offers/x").send("garbage\r\n\r\n");
    await until(() => target.requests.length === 1);
    gate.open();
    expect((await client.answer()).status).toBe(200);
    expect(codeOf(await client.answer())).toEqual([400, "InvalidArgument"]);
    await client.closed();
  });
});

describe("too much", () => {
  test("a declared length over the limit is 413 before any of it is read", async () => {
    const { answer, client } = await answerTo(`${HEAD}content-length: 2000\r\n\r\n`, { maxBodyBytes: 1000 });
    expect(codeOf(answer)).toEqual([413, "PayloadTooLarge"]);
    expect(answer.headers.connection).toBe("close");
    await client.closed();
  });

  test("a chunked body is 413 once it is over the limit, and is held no further", async () => {
    const started = await startIngress({ maxBodyBytes: 100_000 });
    const client = await started.connect();
    client.send(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
    const chunk = `${(10_000).toString(16)}\r\n${"x".repeat(10_000)}\r\n`;
    for (let i = 0; i < 11; i++) client.send(chunk);
    expect(codeOf(await client.answer())).toEqual([413, "PayloadTooLarge"]);
    // It may go on sending: the answer is there, and the rest is dropped until the connection ends.
    await client.closed();
    expect(started.target.requests).toEqual([]);
    expect(started.ingress.counts().inFlight).toBe(0);
  });

  test("an unwanted large body on an unknown path does not hold the connection open", async () => {
    const { answer, client } = await answerTo(
      "POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    expect(codeOf(answer)).toEqual([404, "NotFound"]);
    await client.closed();
  });

  test("headers over the limit are 431", async () => {
    const { answer, client } = await answerTo(
      `GET /offers/x HTTP/1.1\r\nx-long: ${"x".repeat(20_000)}\r\n\r\n`,
    );
    expect(codeOf(answer)).toEqual([431, "HeaderTooLarge"]);
    await client.closed();
  });

  test("a URL over its limit is 414", async () => {
    const { answer } = await answerTo(`GET /${"x".repeat(200)} HTTP/1.1\r\nhost: x\r\n\r\n`, {
      maxUrlBytes: 100,
    });
    expect(codeOf(answer)).toEqual([414, "HeaderTooLarge"]);
  });

  test("connections over the limit are told so and closed; a place freed can be taken", async () => {
    const { connect, ingress } = await startIngress({ maxConnections: 2 });
    const [first] = [await connect(), await connect()];
    await until(() => ingress.counts().connections === 2);
    const third = await connect();
    const refusal = await third.answer();
    expect([...codeOf(refusal), refusal.headers["retry-after"]]).toEqual([503, "Overloaded", "1"]);
    await third.closed();
    first.destroy();
    await until(() => ingress.counts().connections === 1);
    expect((await (await connect()).request("GET", "/offers/x").answer()).status).toBe(200);
    expect(ingress.counts().connectionsRefused).toBe(1);
  });
});

describe("too slow", () => {
  test("headers sent drop by drop end in 408 and a closed connection", async () => {
    const { connect, ingress } = await startIngress({ headersTimeoutMs: 150 });
    const client = await connect();
    client.send("GET /offers/x HTTP/1.1\r\n");
    const drip = setInterval(() => client.send("x-a: b\r\n"), 20);
    try {
      expect(codeOf(await client.answer())).toEqual([408, "RequestTimeout"]);
      await client.closed();
    } finally {
      clearInterval(drip);
    }
    expect(ingress.counts().requestTimeouts).toBe(1);
  });

  test("a connection that never sends a request is closed", async () => {
    const { connect } = await startIngress({ headersTimeoutMs: 150 });
    await (await connect()).closed();
  });

  test("a body sent drop by drop ends in 408 and a closed connection", async () => {
    const { connect, ingress, target, calls } = await startIngress({ bodyTimeoutMs: 150 });
    const client = await connect();
    client.send(`${HEAD}content-length: 1000\r\n\r\n`);
    const drip = setInterval(() => client.send("x"), 20);
    try {
      expect(codeOf(await client.answer())).toEqual([408, "RequestTimeout"]);
      await client.closed();
    } finally {
      clearInterval(drip);
    }
    expect(ingress.counts()).toMatchObject({ requestTimeouts: 1, inFlight: 0 });
    expect(target.requests).toEqual([]);
    expect(calls.snapshot()).toEqual({ edge: { expired: 1 } });
  });

  test("an answer that is not read ends the connection", async () => {
    const { connect, ingress, target } = await startIngress({ writeTimeoutMs: 200 });
    target.respond = async () => ({ ...OK, body: "x".repeat(30_000_000) });
    const client = await connect();
    client.socket.pause();
    client.request("GET", "/offers/x");
    await until(() => ingress.counts().writeTimeouts === 1);
    await until(() => ingress.counts().connections === 0);
  });

  test("waiting for the application is not being slow", async () => {
    const { connect, target } = await startIngress({
      writeTimeoutMs: 50,
      bodyTimeoutMs: 50,
      headersTimeoutMs: 50,
    });
    target.respond = () => new Promise((resolve) => setTimeout(() => resolve(OK), 300));
    const client = await connect();
    expect((await client.request("POST", "/offers/x", "{}").answer()).status).toBe(200);
  });

  test("an idle connection is closed after the keep-alive time-out", async () => {
    const { connect } = await startIngress({ keepAliveTimeoutMs: 100 });
    const client = await connect();
    expect((await client.request("GET", "/offers/x").answer()).status).toBe(200);
    expect(await client.closed()).toBe("");
  });
});
