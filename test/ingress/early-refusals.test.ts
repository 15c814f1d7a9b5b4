import { subscribe, unsubscribe } from "node:diagnostics_channel";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RawClient, until } from "./raw-client.ts";
import { closeAll, Gate, OFFERS, startIngress } from "./test-ingress.ts";

/** Published by Node for each request that its server has read. */
const CHANNEL = "http.server.request.start";
let readByNode = 0;
const count = () => {
  readByNode += 1;
};
beforeEach(() => {
  readByNode = 0;
  subscribe(CHANNEL, count);
});
afterEach(async () => {
  unsubscribe(CHANNEL, count);
  await closeAll();
});

/** For the edge to have ended what it has answered, and read what it was sent. */
const aMoment = () => new Promise((resolve) => setTimeout(resolve, 20));

/** What is sent goes out as it is, and not together with what follows. */
async function directly(connect: () => Promise<RawClient>): Promise<RawClient> {
  const client = await connect();
  client.socket.setNoDelay(true);
  return client;
}

/** An edge that is full, and a connection on which requests have been refused. */
async function fullEdge() {
  const started = await startIngress({ admission: { maxInFlight: 2, minInFlight: 2 } }, [OFFERS]);
  const gate = new Gate();
  started.target.respond = gate.respond;
  const busy = await started.connect();
  busy.request("GET", "/offers/tower").request("GET", "/offers/tower");
  await until(() => started.target.requests.length === 2);
  return { ...started, gate, busy, client: await directly(started.connect) };
}

const body = JSON.stringify({ playerId: 1 });
const ask = (client: RawClient, id: string) =>
  client.request("POST", "/offers/tower", body, { "content-type": "application/json", "x-request-id": id });
/** The second goes through the parser once more, so that it is known where the third begins. */
async function learnStart(client: RawClient): Promise<void> {
  for (const id of ["one", "two"]) expect(await ask(client, id).answer()).toMatchObject({ status: 503 });
}
const withoutTimes = ({ status, headers, body: text }: Awaited<ReturnType<RawClient["answer"]>>) => ({
  status,
  headers: { ...headers, date: "", "retry-after": "" },
  body: text,
});

describe("refusals before the parser", () => {
  test("are the answer that Node's server would have written, and counted like it", async () => {
    const { client, ingress, calls } = await fullEdge();
    const first = await ask(client, "same").answer();
    await ask(client, "two").answer();
    expect(readByNode).toBe(4);
    const early = await ask(client, "same").answer();
    expect(readByNode).toBe(4);
    expect(withoutTimes(early)).toEqual(withoutTimes(first));
    expect(early.headers).toMatchObject({
      date: expect.stringMatching(/ GMT$/),
      "retry-after": expect.stringMatching(/^([1-9]|10)$/),
    });
    const { requests, inFlight, refusedHigh } = ingress.counts();
    expect({ requests, inFlight, refusedHigh }).toEqual({ requests: 5, inFlight: 2, refusedHigh: 3 });
    expect(calls.snapshot()).toEqual({ edge: { refused: 3 } });
    expect(ingress.routeCounts()).toMatchObject([{ statuses: [{ status: 503, requests: 3 }] }]);
  });

  test("end when there is room again", async () => {
    const { client, gate, target, busy } = await fullEdge();
    await learnStart(client);
    gate.open();
    await busy.answer();
    ask(client, "three");
    await until(() => target.requests.length === 3);
    expect(target.requests[2]).toMatchObject({ requestId: "three", body: { playerId: 1 } });
    gate.open();
    expect(await client.answer()).toMatchObject({ status: 200 });
  });

  test("N1: are none of what the parser awaits, though it looks like a request", async () => {
    const { client } = await fullEdge();
    await learnStart(client);
    const inside = `POST /offers/tower HTTP/1.1\r\nhost: a\r\nx-request-id: inside\r\ncontent-length: 2\r\n\r\n{}`;
    client.send(
      `POST /offers/tower HTTP/1.1\r\nhost: a\r\nx-request-id: outside\r\ncontent-length: ${inside.length}\r\n\r\n`,
    );
    expect(await client.answer()).toMatchObject({ headers: { "x-request-id": "outside" } });
    await aMoment();
    client.send(inside);
    await aMoment();
    expect(await ask(client, "after").answer()).toMatchObject({ headers: { "x-request-id": "after" } });
  });

  test("N1: nor are they when the parser has begun a request within what looks like one", async () => {
    const { client } = await fullEdge();
    await learnStart(client);
    const head = (id: string, length: number) =>
      `POST /offers/tower HTTP/1.1\r\nhost: a\r\nx-request-id: ${id}\r\ncontent-length: ${length}\r\n\r\n`;
    const looksWhole = `${head("inside", 2)}{}`;
    // One plain request by its looks. To the parser it is the body of a first request, and the head of a second.
    const second = head("second", looksWhole.length);
    const both = `${head("looks", 10 + second.length)}0123456789${second}`;
    client.send(head("first", both.length - second.length));
    expect(await client.answer()).toMatchObject({ headers: { "x-request-id": "first" } });
    client.send(both);
    expect(await client.answer()).toMatchObject({ headers: { "x-request-id": "second" } });
    await aMoment();
    client.send(looksWhole);
    await aMoment();
    expect(await ask(client, "after").answer()).toMatchObject({ headers: { "x-request-id": "after" } });
  });

  test("do not overtake the answer to a request before them", async () => {
    const { client, gate, busy, target } = await fullEdge();
    await learnStart(client);
    gate.open();
    await busy.answer();
    await busy.answer();
    ask(client, "first");
    busy.request("GET", "/offers/tower");
    await until(() => target.requests.length === 4);
    ask(client, "second");
    await aMoment();
    gate.open();
    expect(await client.answer()).toMatchObject({ status: 200, headers: { "x-request-id": "first" } });
    expect(await client.answer()).toMatchObject({ headers: { "x-request-id": "second" } });
  });

  test("leave the connection idle, so that a drain need not wait for it", async () => {
    const { client, ingress, gate } = await fullEdge();
    await learnStart(client);
    await ask(client, "early").answer();
    gate.open();
    expect(await ingress.drain({ deadlineMs: 5000 })).toMatchObject({ connectionsLeft: 0 });
  });

  test("leave to the rest of the edge what is no call of an application", async () => {
    const { client } = await fullEdge();
    await learnStart(client);
    expect(await client.request("GET", "/healthz").answer()).toMatchObject({ status: 200 });
    expect(await client.request("POST", "/nothing", body).answer()).toMatchObject({ status: 404 });
    const wrong = client.request("POST", "/offers/tower", body, { "content-type": "text/plain" });
    expect(await wrong.answer()).toMatchObject({ status: 415 });
    expect(await ask(client, "last").answer()).toMatchObject({ status: 503 });
  });

  test("close the connection while the edge drains", async () => {
    const { client, ingress, gate } = await fullEdge();
    await learnStart(client);
    const drained = ingress.drain({ deadlineMs: 5000 });
    expect(await ask(client, "last").answer()).toMatchObject({ headers: { connection: "close" } });
    gate.open();
    await drained;
  });

  test("give each of a stream of requests its answer in order, however the bytes are cut", async () => {
    const { connect } = await fullEdge();
    const head = (id: number, lines: string) =>
      `POST /offers/tower HTTP/1.1\r\nhost: a\r\nx-request-id: ${id}\r\n${lines}\r\n\r\n`;
    const requestOf = fc.constantFrom<(id: number) => string>(
      (id) => `${head(id, "content-length: 2")}{}`,
      (id) => `GET /healthz HTTP/1.1\r\nhost: a\r\nx-request-id: ${id}\r\n\r\n`,
      (id) => `GET /offers/tower HTTP/1.1\r\nhost: a\r\nx-request-id: ${id}\r\n\r\n`,
      (id) => {
        const inside = `${head(9999, "content-length: 2")}{}`;
        return `${head(id, `content-length: ${inside.length}`)}${inside}`;
      },
    );
    const cutAt = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(requestOf, { minLength: 1, maxLength: 12 }),
        cutAt,
        async (requests, cuts) => {
          const client = await directly(connect);
          await learnStart(client);
          const stream = requests.map((request, id) => request(id)).join("");
          const places = cuts.map((share) => Math.floor(share * stream.length)).sort((a, b) => a - b);
          for (const [i, from] of [0, ...places].entries()) {
            client.send(stream.slice(from, places[i] ?? stream.length));
            await new Promise((resolve) => setImmediate(resolve));
          }
          const ids: unknown[] = [];
          for (const _ of requests) ids.push((await client.answer()).headers["x-request-id"]);
          expect(ids).toEqual(requests.map((_, id) => String(id)));
          client.destroy();
        },
      ),
      { numRuns: 60 },
    );
  });
});
