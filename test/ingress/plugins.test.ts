import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock/clock.ts";
import { Admission } from "../../src/ingress/admission.ts";
import { Connections } from "../../src/ingress/connections.ts";
import { DeadlineWheel } from "../../src/ingress/deadline-wheel.ts";
import type { EdgeServices } from "../../src/ingress/edge-services.ts";
import { createHttpHost, type HttpHost } from "../../src/ingress/http-host.ts";
import { createCounters } from "../../src/ingress/ingress-counters.ts";
import { resolveIngressOptions } from "../../src/ingress/ingress-options.ts";
import { RequestIds } from "../../src/ingress/request-id.ts";
import { RouteCounters } from "../../src/ingress/route-counters.ts";
import { RouteTable } from "../../src/ingress/route-table.ts";
import { CallCounters } from "../../src/observe/call-counters.ts";
import { RequestRecorder } from "../../src/observe/request-recorder.ts";
import { RawClient, until } from "./raw-client.ts";
import { never, OFFERS, TargetWithKnobs, WEB } from "./test-ingress.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function makeHost() {
  const target = new TargetWithKnobs();
  const options = resolveIngressOptions({ port: 0, admission: { maxInFlight: 2, minInFlight: 2 } });
  const counters = createCounters();
  const ids = new RequestIds("test");
  const admission = new Admission(options.admission, counters, systemClock.now());
  admission.setCapacity(100);
  const services: EdgeServices = {
    table: RouteTable.compile([OFFERS, { ...WEB, route: "/" }], target),
    draining: false,
    target,
    options,
    counters,
    routeCounters: new RouteCounters(),
    calls: new CallCounters(),
    admission,
    wheel: new DeadlineWheel(undefined, systemClock, () => {}),
    clock: systemClock,
    ids,
    log: silent,
    recorder: new RequestRecorder(),
  };
  const host = createHttpHost(services, new Connections(100, counters, ids));
  return { host, wheel: services.wheel, target };
}

let close = async () => {};
afterEach(() => close());

async function listen({ host, wheel }: { host: HttpHost; wheel: DeadlineWheel }): Promise<string> {
  close = async () => {
    host.server.closeAllConnections();
    await host.fastify.close();
    wheel.close();
  };
  await host.fastify.listen({ host: "127.0.0.1", port: 0 });
  return `http://127.0.0.1:${(host.server.address() as AddressInfo).port}`;
}

test("a plugin's route is chosen before an application that takes all paths, and everything else is as without", async () => {
  const made = makeHost();
  made.host.fastify.get("/v2/health", async () => ({ from: "plugin" }));
  const url = await listen(made);
  expect(await (await fetch(`${url}/v2/health`)).json()).toEqual({ from: "plugin" });
  expect(await (await fetch(`${url}/offers/tower`)).json()).toMatchObject({ application: "offers" });
  expect(await (await fetch(`${url}/v2/other`)).json()).toMatchObject({ application: "web" });
  expect((await fetch(`${url}/offers/%zz`)).status).toBe(400);
  expect((await fetch(`${url}/offers/tower`, { method: "PURGE" })).status).toBe(405);
});

test("a plugin's route is answered too on a connection on which an application's requests are refused", async () => {
  const made = makeHost();
  made.host.fastify.get("/v2/health", async () => ({ from: "plugin" }));
  const { port } = new URL(await listen(made));
  made.target.respond = never;
  const busy = await RawClient.connect(Number(port));
  busy.request("GET", "/offers/tower").request("GET", "/offers/tower");
  await until(() => made.target.requests.length === 2);
  const client = await RawClient.connect(Number(port));
  for (let i = 0; i < 3; i++) {
    expect((await client.request("GET", "/offers/tower").answer()).status).toBe(503);
  }
  expect((await client.request("GET", "/v2/health").answer()).body).toBe('{"from":"plugin"}');
});

test("without a plugin no request comes to Fastify", async () => {
  const made = makeHost();
  let seen = 0;
  made.host.fastify.addHook("onRequest", async () => {
    seen += 1;
  });
  const url = await listen(made);
  expect(await (await fetch(`${url}/offers/tower`)).json()).toMatchObject({ application: "offers" });
  expect(seen).toBe(0);
});
