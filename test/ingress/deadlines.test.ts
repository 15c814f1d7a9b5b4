import { afterEach, describe, expect, test } from "vitest";
import type { ErrorCode } from "../../src/errors/codes.ts";
import { TuttiError } from "../../src/errors/tutti-error.ts";
import type { ApplicationSpec } from "../../src/ingress/ingress-target.ts";
import { until } from "./raw-client.ts";
import { closeAll, Gate, never, OFFERS, startIngress } from "./test-ingress.ts";

afterEach(closeAll);

const WITH_FALLBACK: ApplicationSpec = {
  ...OFFERS,
  deadlineMs: 100,
  routes: [
    {
      ...OFFERS.routes[0]!,
      fallback: {
        byParam: "game",
        bodies: {
          tower: { id: "$requestId", reason: "$reason", player: "$body.playerId", ms: "$latencyMs" },
        },
      },
    },
  ],
};

describe("the deadline", () => {
  test("I3: ends a call that does not answer with 504, and cancels it once", async () => {
    const { connect, target, ingress } = await startIngress({}, [{ ...OFFERS, deadlineMs: 100 }]);
    target.respond = never;
    const client = await connect();
    const startedAtMs = performance.now();
    const { status, body } = await client.request("GET", "/offers/x").answer();
    expect([status, JSON.parse(body).error.code]).toEqual([504, "DeadlineExceeded"]);
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(100);
    expect(target.cancelled).toEqual([target.requests[0]?.requestId]);
    expect(ingress.counts()).toMatchObject({ deadlineExceeded: 1, inFlight: 0, status5xx: 1 });
  });

  test("is the smaller of the application's and the client's", async () => {
    const { connect, target } = await startIngress({}, [{ ...OFFERS, deadlineMs: 10_000 }]);
    target.respond = never;
    const client = await connect();
    const before = performance.now();
    await client.request("GET", "/offers/x", undefined, { "x-request-timeout-ms": "50.5" }).answer();
    const deadlineAtMs = target.requests[0]?.deadlineAtMs ?? 0;
    expect(deadlineAtMs).toBeGreaterThanOrEqual(before + 50.5);
    expect(deadlineAtMs).toBeLessThan(before + 10_000);
  });

  test.each(["0", "-1", "soon", "1e3", "", "NaN", "Infinity"])(
    "a client's time-out of %j is refused by name",
    async (value) => {
      const { connect, target } = await startIngress();
      const client = await connect();
      const { status, body } = await client
        .request("GET", "/offers/x", undefined, { "x-request-timeout-ms": value })
        .answer();
      expect([status, JSON.parse(body).error.path]).toEqual([400, "headers.x-request-timeout-ms"]);
      expect(target.requests).toEqual([]);
    },
  );

  test("I1: an answer after it is dropped", async () => {
    const { connect, target } = await startIngress({}, [{ ...OFFERS, deadlineMs: 60 }]);
    const gate = new Gate();
    target.respond = gate.respond;
    const client = await connect();
    expect((await client.request("GET", "/offers/x").answer()).status).toBe(504);
    gate.open();
    target.respond = async () => ({
      status: 200,
      contentType: "",
      body: "next",
      degraded: false,
      stages: [],
    });
    expect((await client.request("GET", "/offers/x").answer()).body).toBe("next");
  });
});

describe("a route's fallback", () => {
  test("answers for a call past its deadline, marked degraded", async () => {
    const { connect, target, ingress, lines } = await startIngress({}, [WITH_FALLBACK]);
    target.respond = never;
    const client = await connect();
    const { status, headers, body } = await client
      .request("POST", "/offers/tower", '{"playerId":"p-7"}', { "x-request-id": "r-7" })
      .answer();
    expect([status, headers["x-tutti-degraded"]]).toEqual([200, "1"]);
    expect(JSON.parse(body)).toMatchObject({ id: "r-7", reason: "deadline", player: "p-7" });
    expect(JSON.parse(body).ms).toBeGreaterThanOrEqual(100);
    expect(ingress.counts()).toMatchObject({ fallbacks: 1, degraded: 1, status2xx: 1 });
    expect(lines).toMatchObject([{ level: "warn", fields: { requestId: "r-7", code: "DeadlineExceeded" } }]);
  });

  test.each<[ErrorCode, string]>([
    ["BelowQuorum", "below-quorum"],
    ["FeaturesUnavailable", "features-unavailable"],
    ["Unavailable", "model-unavailable"],
    ["ApplicationError", "model-unavailable"],
  ])("%s is answered with reason %s", async (code, reason) => {
    const { connect, target } = await startIngress({}, [WITH_FALLBACK]);
    target.respond = async () => {
      throw new TuttiError(code, "planted");
    };
    const client = await connect();
    expect(JSON.parse((await client.request("POST", "/offers/tower", "{}").answer()).body).reason).toBe(
      reason,
    );
  });

  test.each<[ErrorCode, number]>([
    ["Overloaded", 503],
    ["Draining", 503],
    ["InvalidArgument", 400],
  ])("%s is shown as it is", async (code, expected) => {
    const { connect, target } = await startIngress({}, [WITH_FALLBACK]);
    target.respond = async () => {
      throw new TuttiError(code, "planted");
    };
    const client = await connect();
    expect((await client.request("POST", "/offers/tower", "{}").answer()).status).toBe(expected);
  });

  test("a value of the parameter without a body gets the plain error", async () => {
    const { connect, target } = await startIngress({}, [WITH_FALLBACK]);
    target.respond = never;
    const client = await connect();
    expect((await client.request("POST", "/offers/racer", "{}").answer()).status).toBe(504);
  });
});

describe("a client that goes away", () => {
  test("I2, K1: in the middle of a call, has it cancelled, counted and logged as 499", async () => {
    const { connect, target, ingress, calls, lines } = await startIngress();
    target.respond = never;
    const client = await connect();
    client.request("GET", "/offers/x").request("GET", "/offers/y");
    await until(() => target.requests.length === 2);
    client.destroy();
    await until(() => target.cancelled.length === 2);
    expect(ingress.counts()).toMatchObject({ cancelled: 2, inFlight: 0 });
    // Where the calls were is for their executors to count.
    expect(calls.snapshot()).toEqual({});
    expect(lines.map(({ fields }) => fields.status)).toEqual([499, 499]);
  });

  test("in the middle of its body, costs no call", async () => {
    const { connect, target, ingress, calls } = await startIngress();
    const client = await connect();
    client.send("POST /offers/x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{");
    await until(() => ingress.counts().inFlight === 1);
    client.destroy();
    await until(() => ingress.counts().inFlight === 0);
    expect(target.requests).toEqual([]);
    expect(calls.snapshot()).toEqual({ edge: { cancelled: 1 } });
  });
});
