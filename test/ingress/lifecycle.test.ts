import { afterEach, describe, expect, test } from "vitest";
import { Ingress } from "../../src/ingress/ingress.ts";
import { resolveIngressOptions } from "../../src/ingress/ingress-options.ts";
import { RawClient, until } from "./raw-client.ts";
import { closeAll, Gate, never, OFFERS, OK, startIngress, TargetWithKnobs } from "./test-ingress.ts";

afterEach(closeAll);

const silent = { debug() {}, info() {}, warn() {}, error() {} };

describe("start", () => {
  test("a port in use is named, with what to do", async () => {
    const { port } = await startIngress();
    const second = new Ingress({
      options: resolveIngressOptions({ port }),
      target: new TargetWithKnobs(),
      log: silent,
    });
    const failure = expect.objectContaining({
      code: "PortInUse",
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    await expect(second.start()).rejects.toEqual(failure);
    await second.close();
  });

  test("an address that is not ours is an error with the address", async () => {
    const options = resolveIngressOptions({ host: "192.0.2.1", port: 0 });
    const ingress = new Ingress({ options, target: new TargetWithKnobs(), log: silent });
    await expect(ingress.start()).rejects.toMatchObject({
      code: "StartFailed",
      message: expect.stringContaining("192.0.2.1"),
    });
    await ingress.close();
  });

  test("until something is served, it is told that nothing is yet, and when to come back; then what is not there is not there", async () => {
    const { connect, ingress, target } = await startIngress({}, []);
    const client = await connect();
    const ask = () => client.request("GET", "/offers/tower").answer();
    target.ready = { ready: false, reason: "starting" };
    const early = await ask();
    expect([early.status, early.headers["retry-after"]]).toEqual([503, "1"]);
    expect(JSON.parse(early.body).error).toMatchObject({
      code: "Unavailable",
      message: "nothing is served yet: starting",
    });
    // A node to which nothing has been deployed is ready, and serves nothing.
    target.ready = { ready: true, reason: "nothing is wanted" };
    expect((await ask()).status).toBe(404);
    target.ready = { ready: false, reason: "1 of 2 replicas" };
    ingress.setApplications([OFFERS]);
    expect((await ask()).status).toBe(200);
    expect((await client.request("GET", "/nowhere").answer()).status).toBe(404);
  });

  test("twice is once; after close it is refused", async () => {
    const { ingress } = await startIngress();
    expect(await ingress.start()).toEqual(await ingress.start());
    await ingress.close();
    await expect(ingress.start()).rejects.toMatchObject({ code: "StartFailed" });
  });
});

describe("drain", () => {
  test("L2: answers what is in flight, the last answer on each connection closing it", async () => {
    const { connect, target, ingress } = await startIngress();
    const gate = new Gate();
    target.respond = gate.respond;
    const client = await connect();
    client.request("GET", "/offers/a").request("GET", "/offers/b");
    await until(() => target.requests.length === 2);
    const drained = ingress.drain({ deadlineMs: 10_000 });
    expect(ingress.drain({ deadlineMs: 1 })).toBe(drained);
    gate.open();
    const [first, last] = [await client.answer(), await client.answer()];
    expect([first.status, first.headers.connection]).toEqual([200, "keep-alive"]);
    expect([last.status, last.headers.connection]).toEqual([200, "close"]);
    expect(await drained).toEqual({ requestsLeft: 0, connectionsLeft: 0 });
  });

  test("L2: a request on an idle connection during the grace is answered; readyz says draining; then it is closed", async () => {
    const { connect, ingress, port } = await startIngress({ drainGraceMs: 300 });
    const [busy, idle, probe] = [await connect(), await connect(), await connect()];
    for (const client of [busy, idle, probe]) await client.request("GET", "/offers/x").answer();
    const drained = ingress.drain({ deadlineMs: 10_000 });
    const ready = await probe.request("GET", "/readyz").answer();
    expect([ready.status, JSON.parse(ready.body).reason]).toEqual([503, "draining"]);
    const answer = await busy.request("GET", "/offers/x").answer();
    expect([answer.status, answer.headers.connection]).toEqual([200, "close"]);
    expect(await idle.closed()).toBe("");
    expect(await drained).toEqual({ requestsLeft: 0, connectionsLeft: 0 });
    await expect(RawClient.connect(port)).rejects.toThrow(/ECONNREFUSED/);
  });

  test("L2: a body half received when it begins is waited for", async () => {
    const { connect, ingress } = await startIngress({ drainGraceMs: 0 });
    const client = await connect();
    client.send("POST /offers/x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{");
    await until(() => ingress.counts().inFlight === 1);
    const drained = ingress.drain({ deadlineMs: 10_000 });
    client.send("}");
    expect((await client.answer()).status).toBe(200);
    expect((await drained).requestsLeft).toBe(0);
  });

  test("L2: under load loses no request", async () => {
    const { connect, target, ingress } = await startIngress();
    target.respond = () => new Promise((resolve) => setTimeout(() => resolve(OK), 3));
    let sent = 0;
    let answered = 0;
    const clients = await Promise.all(Array.from({ length: 24 }, connect));
    const runs = clients.map(async (client) => {
      for (;;) {
        client.request("POST", "/offers/x", `{"n":${sent++}}`);
        const answer = await client.answer();
        expect(answer.status).toBe(200);
        answered++;
        if (answer.headers.connection === "close") return client.closed();
      }
    });
    await until(() => answered > 1000);
    const report = await ingress.drain({ deadlineMs: 10_000 });
    await Promise.all(runs);
    expect(report).toEqual({ requestsLeft: 0, connectionsLeft: 0 });
    expect(answered).toBe(sent);
    expect(target.requests).toHaveLength(sent);
    expect(target.cancelled).toEqual([]);
  });

  test("gives up at its deadline and says what is left; close then cancels it", async () => {
    const { connect, target, ingress } = await startIngress();
    target.respond = never;
    const client = await connect();
    client.request("GET", "/offers/x");
    await until(() => target.requests.length === 1);
    expect(await ingress.drain({ deadlineMs: 100 })).toEqual({ requestsLeft: 1, connectionsLeft: 1 });
    await ingress.close();
    await client.closed();
    await until(() => target.cancelled.length === 1);
    expect(ingress.counts()).toMatchObject({ inFlight: 0, connections: 0 });
  });
});

describe("close", () => {
  test("is idempotent from any state", async () => {
    const fresh = new Ingress({
      options: resolveIngressOptions({ port: 0 }),
      target: new TargetWithKnobs(),
      log: silent,
    });
    expect(await fresh.drain({ deadlineMs: 1 })).toEqual({ requestsLeft: 0, connectionsLeft: 0 });
    expect(fresh.close()).toBe(fresh.close());
    const { ingress } = await startIngress();
    await ingress.drain({ deadlineMs: 1000 });
    await Promise.all([ingress.close(), ingress.close()]);
  });

  test("L3: leaves no socket and no timer", async () => {
    const before = resources();
    const { connect, ingress, target } = await startIngress();
    target.respond = never;
    const client = await connect();
    client.request("GET", "/offers/x");
    await until(() => target.requests.length === 1);
    await ingress.close();
    await client.closed();
    await until(() => resources() <= before);
  });
});

function resources(): number {
  return process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout/.test(kind)).length;
}
