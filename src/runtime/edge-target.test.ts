import { describe, expect, it } from "vitest";
import type { ApplicationGraph, GraphRoute } from "../api/graph.ts";
import type { HttpReply } from "../api/http-call.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import { ManualClock } from "../clock/manual-clock.ts";
import {
  CODE_DEFAULTS,
  type DeploymentOptions,
  resolveDeploymentOptions,
} from "../config/deployment-options.ts";
import { resolveRoutingOptions } from "../config/routing-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { EdgeRequest } from "../ingress/ingress-target.ts";
import { FakeLink } from "../router/link.fake.ts";
import { Router } from "../router/router.ts";
import { EdgeTarget, toApplicationSpec } from "./edge-target.ts";

const route = (method: string, fields: Partial<GraphRoute> = {}): GraphRoute => ({
  httpMethod: "POST",
  path: `/${method}`,
  method,
  fallback: undefined,
  isStream: false,
  priority: "high",
  ...fields,
});

const graphOf = (routes: readonly GraphRoute[], options: DeploymentOptions = {}): ApplicationGraph => ({
  name: "offers",
  route: "/offers",
  version: "v7",
  deadlineMs: 1500,
  routing: resolveRoutingOptions(),
  ingress: "Supervisor",
  routes,
  deployments: [
    {
      kind: "class",
      name: "Features",
      options: resolveDeploymentOptions("Features", {}, CODE_DEFAULTS),
      uses: [],
    },
    {
      kind: "class",
      name: "Supervisor",
      options: resolveDeploymentOptions("Supervisor", options, CODE_DEFAULTS),
      uses: ["Features"],
    },
  ],
});

function edgeOf(graph: ApplicationGraph, clock: Clock = systemClock) {
  const link = new FakeLink();
  const router: Router = new Router({
    connect: ({ id }) => router.laneOpened(id, link),
    disconnect: () => {},
    clock,
  });
  router.apply({
    version: 1,
    executors: [{ id: "x1", socketPath: "" }],
    deployments: [
      {
        name: "Supervisor",
        idempotent: false,
        waits: true,
        maxOngoing: 100,
        replicas: [{ target: 1, executor: "x1" }],
      },
    ],
  });
  const target = new EdgeTarget(router, graph);
  return { link, router, target };
}

const request = (fields: Partial<EdgeRequest> = {}): EdgeRequest => ({
  requestId: "r-1",
  application: "offers",
  routeIndex: 0,
  method: "POST",
  url: "/offers/tower?explain=1",
  params: { game: "tower" },
  query: { explain: "1" },
  headers: { "x-a": "1" },
  body: { playerId: "p" },
  priority: "high",
  lean: false,
  deadlineAtMs: performance.now() + 1500,
  ...fields,
});

const reply: HttpReply = {
  status: 201,
  contentType: "application/json",
  headers: { "x-b": "2" },
  setCookies: ["a=1", "b=2"],
  body: "{}",
  degraded: true,
  stages: [["features", 3]],
};

describe("a request from the edge", () => {
  it("is one call of the ingress's method, with all that the request said", () => {
    const { link, target } = edgeOf(graphOf([route("health"), route("offer")]));
    const { deadlineAtMs, ...fields } = request({ routeIndex: 1 });
    target.call({ ...fields, deadlineAtMs });
    const { method, args, requestId, deadlineAtMs: carried } = link.sent[0]!.request;
    expect({ method, requestId, carried }).toEqual({
      method: "http:offer",
      requestId: "r-1",
      carried: deadlineAtMs,
    });
    const { method: httpMethod, url, params, query, headers, body } = fields;
    expect(args).toEqual([{ route: 1, method: httpMethod, url, params, query, headers, body }]);
  });

  it("is a call of fetch where the application has no routes", () => {
    const { link, target } = edgeOf(graphOf([]));
    target.call(request({ routeIndex: -1, body: Buffer.from("raw") }));
    expect(link.sent[0]?.request.method).toBe("http:fetch");
    expect(link.sent[0]?.request.args[0]).toMatchObject({ route: -1 });
  });

  it("is answered with the reply as it came, the application's time and its stages", async () => {
    const { link, target } = edgeOf(graphOf([route("offer")]));
    const { answer } = target.call(request());
    link.sent[0]!.end({ ok: true, value: reply });
    expect(await answer).toEqual({
      status: 201,
      contentType: "application/json",
      headers: { "x-b": "2" },
      setCookies: ["a=1", "b=2"],
      body: "{}",
      degraded: true,
      stages: [
        { name: "app", ms: 0 },
        { name: "features", ms: 3 },
      ],
    });
  });

  it("has the priority and the leanness that the edge decided", () => {
    const { link, target } = edgeOf(graphOf([route("offer")]));
    target.call(request());
    target.call(request({ priority: "low", lean: true }));
    expect(link.sent.map(({ request: { priority, lean } }) => ({ priority, lean }))).toEqual([
      { priority: 1, lean: false },
      { priority: 2, lean: true },
    ]);
  });

  it("says when it has ended how long it waited, however it ended, and nothing when nobody knows", async () => {
    const { link, target } = edgeOf(graphOf([route("offer")]));
    const stats = { queueUs: 0, runUs: 20_000, batchItems: 1, waitedUs: 12_000 };
    const answered = target.call(request());
    expect(answered.waitedMs).toBeUndefined();
    link.sent[0]!.end({ ok: true, value: reply }, stats);
    await answered.answer;
    expect(answered.waitedMs).toBe(12);
    const failed = target.call(request());
    link.sent[1]!.end({ ok: false, error: new TuttiError("BelowQuorum", "too few") }, stats);
    await failed.answer.catch(() => {});
    expect(failed.waitedMs).toBe(12);
    const given = target.call(request());
    given.cancel();
    await given.answer.catch(() => {});
    expect(given.waitedMs).toBeUndefined();
  });

  it("counts as waited all of an answered call's time but its own work, from the last attempt on", async () => {
    const clock = new ManualClock();
    const { link, target } = edgeOf(graphOf([route("offer")]), clock);
    const stats = { queueUs: 0, runUs: 20_000, batchItems: 1, waitedUs: 12_000 };
    const answered = target.call(request());
    await clock.advance(30);
    link.sent[0]!.end({ ok: true, value: reply }, stats);
    await answered.answer;
    // 20 - 12 ms were its own.
    expect(answered.waitedMs).toBe(22);
    const failed = target.call(request());
    await clock.advance(30);
    link.sent[1]!.end({ ok: false, error: new TuttiError("BelowQuorum", "too few") }, stats);
    await failed.answer.catch(() => {});
    expect(failed.waitedMs).toBe(12);
  });

  it("rejects with the error that the call ended with", async () => {
    const { link, target } = edgeOf(graphOf([route("offer")]));
    const { answer } = target.call(request());
    const error = new TuttiError("ApplicationError", "a bug");
    link.sent[0]!.end({ ok: false, error });
    await expect(answer).rejects.toBe(error);
  });

  it("is cancelled down to the executor when the client goes", async () => {
    const { link, router, target } = edgeOf(graphOf([route("offer")]));
    const { answer, cancel } = target.call(request());
    cancel();
    await expect(answer).rejects.toMatchObject({ code: "Cancelled" });
    expect(link.open).toHaveLength(0);
    expect(router.outstandingCalls).toBe(0);
  });
});

describe("what the edge knows of an application", () => {
  it("is its routes as data, with their fallbacks", () => {
    const fallback = { status: 200, body: { reason: "$reason" } };
    const graph = graphOf([
      route("offer", { path: "/:game", fallback }),
      route("health", { httpMethod: "GET", priority: "low" }),
    ]);
    expect(toApplicationSpec(graph)).toEqual({
      name: "offers",
      version: "v7",
      route: "/offers",
      deadlineMs: 1500,
      maxInFlight: 409,
      kind: "routes",
      routes: [
        {
          method: "POST",
          path: "/:game",
          handler: "offer",
          takesBody: true,
          idempotent: false,
          priority: "high",
          fallback,
        },
        {
          method: "GET",
          path: "/health",
          handler: "health",
          takesBody: false,
          idempotent: false,
          priority: "low",
        },
      ],
    });
  });

  it("D5: has room for no more requests than the replicas of the ingress take, less a fifth", () => {
    const takes = (options: DeploymentOptions) => toApplicationSpec(graphOf([], options)).maxInFlight;
    expect(takes({ maxOngoingRequests: 100 })).toBe(80);
    expect(takes({ maxOngoingRequests: 100, replicas: 3 })).toBe(240);
    expect(takes({ maxOngoingRequests: 10_000 })).toBe(8000);
    expect(takes({ maxOngoingRequests: 1 })).toBe(1);
  });

  it("is one handler for all paths where it has no routes", () => {
    expect(toApplicationSpec(graphOf([]))).toMatchObject({ kind: "fetch", routes: [] });
  });

  it.each([
    [true, [true, true]],
    [false, [false, false]],
    [["offer"], [true, false]],
  ])("says with idempotent %j which routes may be repeated: %j", (idempotent, expected) => {
    const graph = graphOf([route("offer"), route("charge")], { idempotent });
    expect(toApplicationSpec(graph).routes.map((one) => one.idempotent)).toEqual(expected);
  });
});
