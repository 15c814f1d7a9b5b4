import { afterEach, describe, expect, test } from "vitest";
import { TuttiError } from "../../src/errors/tutti-error.ts";
import type { EdgeStream, EdgeStreamSink } from "../../src/ingress/ingress-target.ts";
import { StreamClient } from "../support/stream-client.ts";
import { waitFor } from "../support/wait-for.ts";
import { closeAll, OFFERS, OK, startIngress } from "./test-ingress.ts";

afterEach(closeAll);

/** A body that a test makes. */
class TestStream implements EdgeStream {
  readonly format: EdgeStream["format"];
  takenBytes = 0;
  takenParts = 0;
  sink: EdgeStreamSink | undefined;
  constructor(format: EdgeStream["format"]) {
    this.format = format;
  }
  start(sink: EdgeStreamSink): void {
    this.sink = sink;
  }
  taken(bytes: number): void {
    this.takenBytes += bytes;
    this.takenParts += 1;
  }
  write(text: string): void {
    this.sink?.onChunk(Buffer.from(text));
  }
  end(error?: TuttiError, degraded = false): void {
    this.sink?.onEnd({ error, degraded });
  }
}

async function openStream(format: EdgeStream["format"], options = {}, deadlineMs = 5000) {
  const edge = await startIngress(options, [{ ...OFFERS, deadlineMs }]);
  const stream = new TestStream(format);
  edge.target.respond = async () => ({ ...OK, contentType: "text/x-stream", degraded: true, body: stream });
  return { ...edge, stream };
}

const started = ({ sink }: TestStream) => sink !== undefined;

describe("an answer that is a stream", () => {
  test("has its head at once, its parts as they come, and its end", async () => {
    const { port, stream, ingress } = await openStream("lines");
    using client = StreamClient.get(port, "/offers/tower");
    expect(await client.status).toBe(200);
    expect(await client.headers).toMatchObject({
      "content-type": "text/x-stream",
      "x-tutti-degraded": "1",
      "x-request-id": expect.any(String),
      "server-timing": expect.stringMatching(/^total;dur=/),
      "transfer-encoding": "chunked",
    });
    stream.write("one ");
    await client.untilText("one ");
    await waitFor(() => stream.takenBytes === 4, { what: "the first part to be taken" });
    stream.write("two");
    stream.end();
    expect(await client.ended).toBe("whole");
    expect([client.text, stream.takenBytes]).toEqual(["one two", 7]);
    expect(ingress.counts()).toMatchObject({ inFlight: 0, status2xx: 1, degraded: 1 });
  });

  test("says at its end what it is by then, where the client reads trailers", async () => {
    const { port, stream, target, ingress } = await openStream("lines");
    target.respond = async () => ({ ...OK, body: stream });
    using client = StreamClient.get(port, "/offers/tower", { te: "trailers" });
    expect(await client.headers).toMatchObject({ "x-tutti-degraded": "0", trailer: "x-tutti-degraded" });
    stream.write("one\n");
    stream.end(undefined, true);
    expect(await client.ended).toBe("whole");
    expect(await client.trailers).toEqual({ "x-tutti-degraded": "1" });
    expect(ingress.counts().degraded).toBe(1);
    using other = StreamClient.get(port, "/offers/tower");
    expect(await other.headers).not.toHaveProperty("trailer");
    stream.end(undefined, true);
    await other.ended;
    expect(await other.trailers).toEqual({});
  });

  test("announces no trailers to a client of HTTP/1.0, which has no place for them", async () => {
    const { connect, stream } = await openStream("lines");
    const client = await connect();
    client.send("GET /offers/tower HTTP/1.0\r\nhost: a\r\nte: trailers\r\n\r\n");
    await waitFor(() => stream.sink !== undefined, { what: "the stream to begin" });
    stream.write("all of it");
    stream.end();
    const received = await client.closed();
    expect(received).toMatch(/ 200 OK\r\n/);
    expect(received).not.toMatch(/trailer/i);
    expect(received).toMatch(/all of it$/);
  });

  test("is in flight until its end", async () => {
    const { port, stream, ingress } = await openStream("lines");
    using client = StreamClient.get(port, "/offers/tower");
    await client.status;
    expect(ingress.counts().inFlight).toBe(1);
    stream.end();
    expect(ingress.counts().inFlight).toBe(0);
  });

  test("is counted as taken no faster than its client reads", async () => {
    const { port, stream } = await openStream("bytes");
    using client = StreamClient.unread(port, "/offers/tower");
    await client.status;
    const part = "x".repeat(1 << 20);
    for (let i = 0; i < 64; i++) {
      stream.write(part);
      // Parts of one turn are one write to the kernel, and taken together.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor(() => stream.takenParts > 0, { what: "the kernel to take some" });
    const takenUnread = stream.takenParts;
    expect(takenUnread).toBeLessThan(32);
    await client.read();
    await waitFor(() => stream.takenParts === 64, { what: "all of it to be taken" });
  });

  test.each([
    [
      "events",
      /^one\n\nevent: error\ndata: \{"error":\{"code":"Unavailable","message":"away","requestId":".*"\}\}\n\n$/,
    ],
    ["lines", /^one\n\{"error":\{"code":"Unavailable","message":"away","requestId":".*"\}\}\n$/],
  ] as const)("ends with its error in its own form: %s", async (format, expected) => {
    const { port, stream, ingress, lines } = await openStream(format);
    using client = StreamClient.get(port, "/offers/tower");
    await client.status;
    stream.write(format === "events" ? "one\n\n" : "one\n");
    stream.end(new TuttiError("Unavailable", "away"));
    expect(await client.ended).toBe("whole");
    expect(client.text).toMatch(expected);
    expect(ingress.counts()).toMatchObject({ status2xx: 0, status5xx: 1, inFlight: 0 });
    expect(lines.map(({ fields }) => fields["code"])).toEqual(["Unavailable"]);
  });

  test("of events is kept alive through its silence", async () => {
    const { port, stream } = await openStream("events", { streamHeartbeatMs: 10 });
    using client = StreamClient.get(port, "/offers/tower");
    await client.untilText(": heartbeat\n\n: heartbeat\n\n");
    stream.write("id: 1\ndata: 1\n\n");
    stream.end();
    expect(await client.ended).toBe("whole");
    expect(client.text.replaceAll(": heartbeat\n\n", "")).toBe("id: 1\ndata: 1\n\n");
  });

  test.each([
    ["events", /^id: 1\ndata: \{"half\nevent: error\ndata: \{"error":\{"code":"Unavailable",.*\}\}\n\n$/],
    ["lines", /^\{"half\n\{"error":\{"code":"Unavailable",.*\}\}\n$/],
  ] as const)("that ends in the midst of an item says so apart from it: %s", async (format, expected) => {
    const { port, stream } = await openStream(format);
    using client = StreamClient.get(port, "/offers/tower");
    await client.status;
    stream.write(format === "events" ? 'id: 1\ndata: {"half' : '{"half');
    stream.end(new TuttiError("Unavailable", "away"));
    expect(await client.ended).toBe("whole");
    expect(client.text).toMatch(expected);
  });

  test("tells nothing of a bug but its code", async () => {
    const { port, stream } = await openStream("lines");
    using client = StreamClient.get(port, "/offers/tower");
    await client.status;
    stream.end(new TuttiError("ApplicationError", "password is 1234"));
    await client.ended;
    expect(client.text).toContain("ApplicationError");
    expect(client.text).not.toContain("1234");
  });

  test("of bytes ends with its error by a cut connection, so that nobody takes it for whole", async () => {
    const { port, stream } = await openStream("bytes");
    using client = StreamClient.get(port, "/offers/tower");
    await client.status;
    stream.write("half");
    await client.untilText("half");
    stream.end(new TuttiError("ApplicationError", "a bug"));
    expect(await client.ended).toBe("cut");
  });

  test("I2, I3: ends at its deadline, and its call is cancelled, once", async () => {
    const { port, stream, target, ingress } = await openStream("lines", {}, 60);
    using client = StreamClient.get(port, "/offers/tower");
    await client.status;
    stream.write("one\n");
    expect(await client.ended).toBe("whole");
    expect(JSON.parse(client.text.split("\n")[1]!).error).toMatchObject({
      code: "DeadlineExceeded",
      message: "the stream did not end within 60 ms",
    });
    expect([target.cancelled.length, ingress.counts().deadlineExceeded]).toEqual([1, 1]);
    // What the cancelled call says then is not written.
    stream.end(new TuttiError("Cancelled", "as asked"));
    stream.write("more");
    expect(ingress.counts().inFlight).toBe(0);
  });

  test("I1, I2: whose client goes away has its call cancelled, once", async () => {
    const { port, stream, target, ingress } = await openStream("lines");
    {
      using client = StreamClient.get(port, "/offers/tower");
      await client.status;
    }
    await waitFor(() => target.cancelled.length === 1, { what: "the cancellation" });
    stream.end(new TuttiError("Cancelled", "as asked"));
    expect(ingress.counts()).toMatchObject({ cancelled: 1, inFlight: 0, status2xx: 0 });
  });

  test("whose client reads nothing for writeTimeoutMs is given up", async () => {
    const { port, stream, target, ingress } = await openStream("bytes", { writeTimeoutMs: 50 });
    using client = StreamClient.unread(port, "/offers/tower");
    await client.status;
    for (let i = 0; i < 64; i++) stream.write("x".repeat(1 << 20));
    await waitFor(() => target.cancelled.length === 1, { what: "the cancellation" });
    expect(ingress.counts().writeTimeouts).toBe(1);
  });

  test("that cannot be begun, for a header that is none, is an error, and its call is cancelled", async () => {
    const { port, stream, target } = await openStream("lines");
    target.respond = async () => ({ ...OK, headers: { "x-bad": "a\nb" }, body: stream });
    using client = StreamClient.get(port, "/offers/tower");
    expect(await client.status).toBe(500);
    expect([target.cancelled.length, started(stream)]).toEqual([1, false]);
  });

  test("L2: is sent whole while the edge drains", async () => {
    const { port, stream, ingress } = await openStream("lines", { drainGraceMs: 10 });
    using client = StreamClient.get(port, "/offers/tower");
    await client.status;
    const drained = ingress.drain({ deadlineMs: 5000 });
    stream.write("one ");
    await client.untilText("one ");
    stream.write("two");
    stream.end();
    expect(await client.ended).toBe("whole");
    expect(client.text).toBe("one two");
    expect(await drained).toEqual({ requestsLeft: 0, connectionsLeft: 0 });
  });

  test("gives its place among the requests under way back when its head is out, or readers would close the door", async () => {
    const { port, stream, ingress } = await openStream("lines", {
      admission: { maxInFlight: 2, minInFlight: 2 },
    });
    const readers: StreamClient[] = [];
    for (let i = 0; i < 5; i++) {
      const reader = StreamClient.get(port, "/offers/tower");
      readers.push(reader);
      expect(await reader.status).toBe(200);
    }
    expect(ingress.counts()).toMatchObject({ admittedInFlight: 0, inFlight: 5, refusedHigh: 0 });
    stream.end();
    for (const reader of readers) reader[Symbol.dispose]();
    await waitFor(() => ingress.counts().inFlight === 0, { what: "every stream to end" });
    expect(ingress.counts().admittedInFlight).toBe(0);
  });
});
