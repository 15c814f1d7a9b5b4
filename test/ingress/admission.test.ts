import { afterEach, describe, expect, test } from "vitest";
import { until } from "./raw-client.ts";
import { closeAll, Gate, never, OFFERS, OK, startIngress } from "./test-ingress.ts";

afterEach(closeAll);

/** An edge that lets two requests in at a time. */
async function smallIngress(options: object = {}, applications = [OFFERS]) {
  const started = await startIngress(
    { admission: { maxInFlight: 2, minInFlight: 2, ...options } },
    applications,
  );
  const gate = new Gate();
  started.target.respond = gate.respond;
  return { ...started, gate };
}

describe("the edge's admission", () => {
  test("D5: refuses what is too much with 503, a time to come back and no word to the application", async () => {
    const { connect, target, ingress, calls, gate } = await smallIngress();
    const clients = await Promise.all([connect(), connect(), connect()]);
    for (const client of clients.slice(0, 2)) client.request("GET", "/offers/tower");
    await until(() => target.requests.length === 2);
    const refused = await clients[2]!
      .request("GET", "/offers/tower", undefined, { "x-request-id": "mine" })
      .answer();
    expect(refused.status).toBe(503);
    expect(refused.headers).toMatchObject({
      "x-request-id": "mine",
      "x-tutti-degraded": "0",
      "server-timing": "total;dur=0",
      "content-type": "application/json",
      "retry-after": expect.stringMatching(/^([1-9]|10)$/),
    });
    expect(JSON.parse(refused.body).error).toMatchObject({ code: "Overloaded", requestId: "mine" });
    expect(target.requests).toHaveLength(2);
    expect(ingress.counts()).toMatchObject({
      admitted: 2,
      refusedHigh: 1,
      admittedInFlight: 2,
      inFlightLimit: 2,
    });
    expect(calls.snapshot()).toEqual({ edge: { refused: 1 } });
    gate.open();
    expect((await clients[0]!.answer()).status).toBe(200);
    await until(() => ingress.counts().admittedInFlight === 0);
    clients[2]!.request("GET", "/offers/tower");
    await until(() => target.requests.length === 3);
    gate.open();
    expect((await clients[2]!.answer()).status).toBe(200);
  });

  test("refuses before the body is read, and keeps the connection", async () => {
    const { connect, target, gate } = await smallIngress();
    const busy = await connect();
    busy.request("GET", "/offers/tower");
    busy.request("GET", "/offers/tower");
    await until(() => target.requests.length === 2);
    const client = await connect();
    client.send("POST /offers/tower HTTP/1.1\r\nhost: x\r\ncontent-length: 14\r\n\r\n");
    expect((await client.answer()).status).toBe(503);
    gate.open();
    await busy.answer();
    client.send('{"playerId":1}');
    client.request("POST", "/offers/tower", "{}");
    await until(() => target.requests.length === 3);
    gate.open();
    expect((await client.answer()).status).toBe(200);
  });

  test("counts a request as under way only when its body is there: slow senders take no place", async () => {
    const { connect, target, ingress } = await smallIngress();
    for (let i = 0; i < 5; i++) {
      const slow = await connect();
      slow.send('POST /offers/tower HTTP/1.1\r\nhost: x\r\ncontent-length: 14\r\n\r\n{"play');
    }
    await until(() => ingress.counts().requests === 5);
    expect(ingress.counts().admittedInFlight).toBe(0);
    (await connect()).request("GET", "/offers/tower");
    await until(() => target.requests.length === 1);
  });

  test("gives a place back however a request ends", async () => {
    const { connect, target, ingress } = await smallIngress();
    const ended = () => until(() => ingress.counts().admittedInFlight === 0);
    const client = await connect();
    expect((await client.request("POST", "/offers/tower", "{").answer()).status).toBe(400);
    await ended();
    target.respond = async () => {
      throw new Error("no answer");
    };
    expect((await client.request("GET", "/offers/tower").answer()).status).toBe(500);
    await ended();
    target.respond = never;
    const late = client.request("GET", "/offers/tower", undefined, { "x-request-timeout-ms": "20" });
    expect((await late.answer()).status).toBe(504);
    await ended();
    const gone = await connect();
    gone.request("GET", "/offers/tower");
    await until(() => ingress.counts().admittedInFlight === 1);
    gone.destroy();
    await ended();
    target.call = () => {
      throw new Error("cannot even be called");
    };
    expect((await client.request("GET", "/offers/tower").answer()).status).toBe(500);
    await ended();
    expect(ingress.counts()).toMatchObject({ admitted: 5, refusedHigh: 0 });
  });

  test("refuses low priority first, by header or by route, and says so to the application", async () => {
    const [offer, read] = OFFERS.routes;
    const { connect, target, ingress } = await smallIngress({}, [
      { ...OFFERS, routes: [offer!, { ...read!, priority: "low" }] },
    ]);
    const low = { "x-tutti-priority": "low" };
    (await connect()).request("GET", "/offers/tower");
    await until(() => target.requests.length === 1);
    const client = await connect();
    expect((await client.request("POST", "/offers/tower", "{}", low).answer()).status).toBe(503);
    // A client cannot make its request matter more than its route says.
    const high = { "x-tutti-priority": "high" };
    expect((await client.request("GET", "/offers/tower", undefined, high).answer()).status).toBe(503);
    client.request("POST", "/offers/tower", "{}", high);
    await until(() => target.requests.length === 2);
    expect(target.requests.map(({ priority }) => priority)).toEqual(["low", "high"]);
    expect(ingress.counts()).toMatchObject({ refusedLow: 2, refusedHigh: 0 });
  });

  test("a priority that is neither is the client's mistake", async () => {
    const { connect } = await startIngress();
    const headers = { "x-tutti-priority": "urgent" };
    const { status, body } = await (await connect()).request("GET", "/offers/x", undefined, headers).answer();
    expect(status).toBe(400);
    expect(JSON.parse(body).error).toMatchObject({
      code: "InvalidArgument",
      path: "headers.x-tutti-priority",
      message: 'x-tutti-priority: expected high or low, got "urgent"',
    });
  });

  test("requests near the limit are lean", async () => {
    const { connect, target, ingress } = await smallIngress({ maxInFlight: 4, leanShare: 0.5 });
    for (let i = 0; i < 4; i++) (await connect()).request("GET", "/offers/tower");
    await until(() => target.requests.length === 4);
    expect(target.requests.map(({ lean }) => lean)).toEqual([false, false, true, true]);
    expect(ingress.counts().lean).toBe(2);
  });

  test("lets in no more than the application's replicas take, whatever was asked", async () => {
    const { ingress } = await startIngress({ admission: { maxInFlight: 500 } }, [
      { ...OFFERS, maxInFlight: 100 },
      { ...OFFERS, name: "other", route: "/other", maxInFlight: 200 },
    ]);
    expect(ingress.counts().inFlightLimit).toBe(300);
    ingress.setApplications([{ ...OFFERS, maxInFlight: 50 }]);
    expect(ingress.counts().inFlightLimit).toBe(50);
  });

  test("lets fewer in when those under way wait for too long, and more again when they do not", async () => {
    const { connect, target, ingress } = await startIngress({ admission: { maxQueueMs: 5 } }, [
      { ...OFFERS, maxInFlight: 64 },
    ]);
    // The call says that it waited all of its time.
    target.respond = () => new Promise((resolve) => setTimeout(() => resolve(OK), 20));
    target.waitedMs = 20;
    const clients = await Promise.all(Array.from({ length: 32 }, connect));
    const ask = () => Promise.all(clients.map((client) => client.request("GET", "/offers/tower").answer()));
    while (ingress.counts().inFlightLimit >= 64) await ask();
    expect(ingress.counts().queueMs).toBeGreaterThan(5);
    target.waitedMs = 0;
    while (ingress.counts().inFlightLimit < 64) await ask();
    expect(ingress.counts().queueMs).toBeLessThan(5);
  });

  test("switched off, lets everything in and only counts", async () => {
    const { connect, target, ingress } = await smallIngress({ enabled: false });
    for (let i = 0; i < 5; i++) (await connect()).request("GET", "/offers/tower");
    await until(() => target.requests.length === 5);
    expect(ingress.counts()).toMatchObject({
      admitted: 5,
      admittedInFlight: 5,
      refusedHigh: 0,
      inFlightLimit: Number.POSITIVE_INFINITY,
    });
  });

  test("health and readiness are answered under overload", async () => {
    const { connect, target } = await smallIngress();
    for (let i = 0; i < 2; i++) (await connect()).request("GET", "/offers/tower");
    await until(() => target.requests.length === 2);
    const client = await connect();
    expect((await client.request("GET", "/healthz").answer()).status).toBe(200);
    expect((await client.request("GET", "/readyz").answer()).status).toBe(200);
  });
});
