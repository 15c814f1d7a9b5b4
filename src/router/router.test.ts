/** Invariants R1 to R4. */
import { describe, expect, it } from "vitest";
import type { OutgoingCall, PendingCall } from "../api/call-port.ts";
import { ManualClock } from "../clock/manual-clock.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallPlace } from "../observe/call-group.ts";
import { MAX_ATTEMPTS } from "../policy/retry.ts";
import { Suspicion } from "../policy/suspicion.ts";
import type { CallOutcome } from "../wire/messages.ts";
import type { CallRequest } from "../wire/outstanding.ts";
import { FakeLink } from "./link.fake.ts";
import { Router, type RouterOptions } from "./router.ts";
import type { DeploymentRoute, RoutingSnapshot } from "./snapshot.ts";

const m: DeploymentRoute = {
  name: "m",
  idempotent: false,
  waits: false,
  maxOngoing: 100,
  replicas: [
    { target: 1, executor: "x1" },
    { target: 2, executor: "x2" },
  ],
};
const idempotentM: DeploymentRoute = { ...m, idempotent: true };
const onlyOnX1: DeploymentRoute = { ...m, replicas: [{ target: 1, executor: "x1" }] };
const withoutReplicas: DeploymentRoute = { ...m, replicas: [] };

function snapshot(
  version: number,
  deployments: readonly DeploymentRoute[],
  also: readonly string[] = [],
): RoutingSnapshot {
  const ids = deployments.flatMap(({ replicas }) => replicas.map(({ executor }) => executor));
  const executors = [...new Set([...ids, ...also])].map((id) => ({ id, socketPath: `/run/${id}.sock` }));
  return { version, executors, deployments };
}

/** A router whose connections open at once, to fake executors by their id. */
function network(deployments: readonly DeploymentRoute[], options: Partial<RouterOptions> = {}) {
  const links = new Map<string, FakeLink>();
  const disconnected: string[] = [];
  const router: Router = new Router({
    connect: ({ id }) => {
      links.set(id, new FakeLink());
      router.laneOpened(id, links.get(id)!);
    },
    disconnect: (id) => disconnected.push(id),
    // The first candidate is drawn, then the one after it.
    random: () => 0,
    ...options,
  });
  router.apply(snapshot(1, deployments));
  const link = (id: string) => links.get(id)!;
  /** What the node does when a connection ends. */
  const kill = (id: string, started: "no" | "maybe") => {
    link(id).die(started);
    router.laneClosed(id);
  };
  return { router, link, kill, disconnected };
}

interface MadeCall {
  readonly pending: PendingCall;
  readonly outcomes: CallOutcome[];
  readonly ended: Promise<CallOutcome>;
}

function callTo(router: Router, fields: Partial<OutgoingCall> = {}): MadeCall {
  const outcomes: CallOutcome[] = [];
  const { promise, resolve } = Promise.withResolvers<CallOutcome>();
  const pending = router.dispatch({
    deployment: "m",
    method: "predict",
    args: [1],
    requestId: "r-1",
    deadlineAtMs: performance.now() + 60_000,
    priority: 1,
    lean: false,
    hedge: false,
    onEnd: (outcome) => {
      outcomes.push(outcome);
      resolve(outcome);
    },
    ...fields,
  });
  return { pending, outcomes, ended: promise };
}

function fanTo(
  router: Router,
  deployments: readonly string[],
  args: readonly unknown[] = [1],
  onPlace: (member: number, place: CallPlace | undefined) => void = () => {},
) {
  const outcomes: CallOutcome[][] = deployments.map(() => []);
  const { promise, resolve } = Promise.withResolvers<void>();
  const pending = router.dispatchMany({
    deployments,
    method: "predict",
    args,
    requestId: "r-1",
    deadlineAtMs: performance.now() + 60_000,
    priority: 1,
    lean: false,
    hedge: false,
    onEnd: (member, outcome, _stats, place) => {
      onPlace(member, place);
      outcomes[member]!.push(outcome);
      if (outcomes.every((one) => one.length > 0)) resolve();
    },
    onRows: () => {
      throw new Error("no rows were sent");
    },
  });
  return { pending, outcomes, ended: promise };
}

const ok = (value: unknown): CallOutcome => ({ ok: true, value });
const failed = (code: ErrorCode, started: "no" | "maybe" | "yes" = "yes"): CallOutcome => ({
  ok: false,
  error: new TuttiError(code, `it was ${code}`, { started }),
});
const codeOf = (outcome: CallOutcome | undefined) => (outcome?.ok === false ? outcome.error.code : outcome);
/** Everything that this turn has led to has happened. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("a call", () => {
  it("goes to one replica with its arguments as they are, and ends as its reply says", async () => {
    const { router, link } = network([idempotentM]);
    const args = [new Float32Array(3)];
    const { ended } = callTo(router, { args, priority: 7, lean: false, requestId: "r-9" });
    const [sent] = link("x1").sent;
    expect(sent).toMatchObject({ target: 1 });
    expect(sent?.request).toMatchObject({
      method: "predict",
      requestId: "r-9",
      priority: 7,
      lean: false,
      idempotent: true,
    });
    expect(sent?.request.args).toBe(args);
    sent?.end(ok("answer"));
    expect(await ended).toEqual(ok("answer"));
    expect(link("x2").sent).toHaveLength(0);
    expect(router.outstandingCalls).toBe(0);
  });

  it("passes on an error that is the call's own, without another attempt", async () => {
    for (const code of [
      "ApplicationError",
      "DeadlineExceeded",
      "TensorMismatch",
      "Cancelled",
      "NotFound",
    ] as const) {
      const { router, link } = network([idempotentM]);
      const { ended } = callTo(router);
      link("x1").sent[0]!.end(failed(code, "no"));
      expect(codeOf(await ended)).toBe(code);
      expect(link("x2").sent).toHaveLength(0);
    }
  });

  it("goes to the replica that is predicted to be done first", () => {
    const { router, link } = network([m]);
    router
      .lane("x1")!
      .report({ backlogUs: 50_000, queuedItems: 9, busyFraction: 0, costs: [] }, performance.now());
    callTo(router);
    expect(link("x2").sent).toHaveLength(1);
  });

  it("counts what was sent and has no answer yet, and no longer when it has", () => {
    const { router, link } = network([m]);
    const cost = (target: number) => ({ target, fixedUs: 0, itemUs: 1000 });
    router
      .lane("x1")!
      .report({ backlogUs: 0, queuedItems: 0, busyFraction: 0, costs: [cost(1)] }, performance.now());
    router
      .lane("x2")!
      .report({ backlogUs: 0, queuedItems: 0, busyFraction: 0, costs: [cost(2)] }, performance.now());
    for (let i = 0; i < 6; i++) callTo(router);
    expect(Math.min(link("x1").open.length, link("x2").open.length)).toBeGreaterThanOrEqual(2);
    for (const call of link("x1").open) call.end(ok(1));
    callTo(router);
    callTo(router);
    expect(link("x1").open.length).toBeGreaterThanOrEqual(1);
  });

  it("stays in its own executor when a replica is there", () => {
    const { router, link } = network([m], { localExecutor: "x2" });
    for (let i = 0; i < 5; i++) callTo(router);
    expect(link("x2").sent).toHaveLength(5);
    expect(link("x1").sent).toHaveLength(0);
  });

  it("leaves its own executor when that refuses it", async () => {
    const { router, link } = network([m], { localExecutor: "x2" });
    const { ended } = callTo(router);
    link("x2").sent[0]!.end(failed("Overloaded", "no"));
    link("x1").sent[0]!.end(ok("from elsewhere"));
    expect(await ended).toEqual(ok("from elsewhere"));
  });
});

describe("a snapshot (R1)", () => {
  it("connects to executors that are new and disconnects from those that are gone", () => {
    const { router, link, disconnected } = network([onlyOnX1]);
    router.apply(snapshot(2, [{ ...m, replicas: [{ target: 2, executor: "x2" }] }]));
    expect(disconnected).toEqual(["x1"]);
    expect(link("x2")).toBeDefined();
    expect(router.lane("x1")).toBeUndefined();
  });

  it("is ignored when it is not newer", () => {
    const { router, link, disconnected } = network([onlyOnX1]);
    router.apply(snapshot(1, [withoutReplicas]));
    router.apply(snapshot(0, [withoutReplicas]));
    expect(disconnected).toEqual([]);
    callTo(router);
    expect(link("x1").sent).toHaveLength(1);
  });

  it("leaves calls under way where they are, and their counts come back to nothing", async () => {
    const { router, link } = network([m]);
    const calls = [callTo(router), callTo(router), callTo(router)];
    router.apply(snapshot(2, [{ ...m, replicas: [{ target: 3, executor: "x3" }] }]));
    expect(router.outstandingCalls).toBe(3);
    for (const call of [...link("x1").open, ...link("x2").open]) call.end(ok("old"));
    expect(await Promise.all(calls.map(({ ended }) => ended))).toEqual([ok("old"), ok("old"), ok("old")]);
    expect(router.outstandingCalls).toBe(0);
    callTo(router);
    expect(link("x3").open).toHaveLength(1);
  });

  it("keeps what a replica that stays has outstanding", () => {
    const { router, link } = network([m]);
    for (let i = 0; i < 4; i++) callTo(router);
    const before = [
      router.lane("x1")!.backlogUs(performance.now()),
      router.lane("x2")!.backlogUs(performance.now()),
    ];
    router.apply(snapshot(2, [m]));
    expect([
      router.lane("x1")!.backlogUs(performance.now()),
      router.lane("x2")!.backlogUs(performance.now()),
    ]).toEqual(before);
    for (const call of [...link("x1").open, ...link("x2").open]) call.end(ok(1));
    expect(router.lane("x1")!.backlogUs(performance.now() + 1e6)).toBe(0);
    expect(router.outstandingCalls).toBe(0);
  });

  it("never lets a count go below nothing, though a deployment left the snapshots while a call waited", async () => {
    const { router, link } = network([withoutReplicas]);
    const waiting = callTo(router);
    router.apply(snapshot(2, []));
    router.apply(snapshot(3, [onlyOnX1]));
    expect(router.outstandingCalls).toBe(1);
    link("x1").sent[0]!.end(ok("served"));
    expect(await waiting.ended).toEqual(ok("served"));
    expect(router.outstandingCalls).toBe(0);
  });
});

describe("a call without a replica (R2)", () => {
  it("waits for its deployment to be named, and is then served", async () => {
    const { router, link } = network([]);
    const { ended } = callTo(router);
    router.apply(snapshot(2, [onlyOnX1]));
    link("x1").sent[0]!.end(ok("late but there"));
    expect(await ended).toEqual(ok("late but there"));
    expect(router.outstandingCalls).toBe(0);
  });

  it("waits for a replica, and is then served", async () => {
    const { router, link } = network([withoutReplicas]);
    const { ended } = callTo(router);
    router.apply(snapshot(2, [m]));
    link("x1").sent[0]!.end(ok(1));
    expect(await ended).toEqual(ok(1));
  });

  it("waits for a connection that is lost to come back", async () => {
    const { router, link, kill } = network([onlyOnX1]);
    kill("x1", "no");
    const { ended } = callTo(router);
    expect(link("x1").sent).toHaveLength(0);
    const again = new FakeLink();
    router.laneOpened("x1", again);
    again.sent[0]!.end(ok(1));
    expect(await ended).toEqual(ok(1));
  });

  it("ends at its deadline, not started", async () => {
    const { router } = network([withoutReplicas]);
    const { ended, outcomes } = callTo(router, { deadlineAtMs: performance.now() + 5 });
    const outcome = await ended;
    expect(outcome).toMatchObject({ ok: false, error: { code: "DeadlineExceeded", started: "no" } });
    router.apply(snapshot(2, [m]));
    await turn();
    expect(outcomes).toHaveLength(1);
    expect(router.outstandingCalls).toBe(0);
  });

  it("is refused when as many wait as may", async () => {
    const { router, link } = network([withoutReplicas], { maxWaitingCalls: 2 });
    const waiting = [callTo(router), callTo(router)];
    expect(await callTo(router).ended).toMatchObject({
      ok: false,
      error: { code: "Unavailable", started: "no", retryAfterSeconds: 1 },
    });
    router.apply(snapshot(2, [onlyOnX1]));
    for (const call of link("x1").open) call.end(ok(1));
    expect(await Promise.all(waiting.map(({ ended }) => ended))).toEqual([ok(1), ok(1)]);
  });

  it("makes room when it is cancelled", async () => {
    const { router, link } = network([withoutReplicas], { maxWaitingCalls: 1 });
    const given = callTo(router);
    given.pending.cancel();
    expect(codeOf(await given.ended)).toBe("Cancelled");
    const { ended } = callTo(router);
    router.apply(snapshot(2, [onlyOnX1]));
    expect(link("x1").sent).toHaveLength(1);
    link("x1").sent[0]!.end(ok(1));
    expect(await ended).toEqual(ok(1));
  });
});

describe("the place that a call's end names", () => {
  const placeOf = (router: Router, fields: Partial<OutgoingCall> = {}) =>
    new Promise<CallPlace | undefined>((resolve) => {
      callTo(router, { onEnd: (_outcome, _stats, place) => resolve(place), ...fields });
    });

  it("is the replica that answered its only attempt", async () => {
    const { router, link } = network([idempotentM]);
    const place = placeOf(router);
    link("x1").sent[0]!.end(ok(1));
    expect(await place).toMatchObject({ executor: "x1", target: 1, attempts: 1 });
  });

  it("is the last one asked after an attempt that failed, and tells when that was", async () => {
    const clock = new ManualClock();
    const { router, link, kill } = network([idempotentM], { clock });
    const place = placeOf(router, { deadlineAtMs: clock.now() + 1000 });
    await clock.advance(30);
    const againAtMs = clock.now();
    kill("x1", "no");
    link("x2").sent[0]!.end(ok(1));
    expect(await place).toMatchObject({ executor: "x2", attempts: 2, sentAtMs: againAtMs });
  });

  it("is none for a call that went nowhere", async () => {
    const { router } = network([{ ...idempotentM, maxOngoing: 0 }]);
    expect(await placeOf(router)).toBeUndefined();
  });

  it("is each member's own in a fan-out", async () => {
    const routes = ["a", "b"].map((name, index) => ({
      ...idempotentM,
      name,
      replicas: [{ target: index + 1, executor: `x${index + 1}` }],
    }));
    const { router, link } = network(routes);
    const places = new Map<number, CallPlace | undefined>();
    fanTo(router, ["a", "b"], [1], (member, place) => places.set(member, place));
    for (const id of ["x1", "x2"]) link(id).sent[0]!.end(ok(1));
    await turn();
    expect([places.get(0)?.executor, places.get(1)?.executor]).toEqual(["x1", "x2"]);
  });
});

describe("an executor that its node calls silent", () => {
  const silent = (version: number, ...ids: readonly string[]): RoutingSnapshot => {
    const given = snapshot(version, [m]);
    const executors = given.executors.map((one) => (ids.includes(one.id) ? { ...one, isSilent: true } : one));
    return { ...given, executors };
  };

  it("is asked only when there is no other, and like any other once it answers again", () => {
    const { router, link } = network([m]);
    router.apply(silent(2, "x1"));
    for (let i = 0; i < 20; i++) callTo(router);
    expect([link("x1").sent.length, link("x2").sent.length]).toEqual([0, 20]);
    router.apply(silent(3, "x1", "x2"));
    for (let i = 0; i < 20; i++) callTo(router);
    expect(link("x1").sent.length).toBeGreaterThan(0);
    router.apply(silent(4));
    const before = link("x1").sent.length;
    for (let i = 0; i < 20; i++) callTo(router);
    expect(link("x1").sent.length).toBeGreaterThan(before);
  });

  it("is not asked for a second attempt while another may be", () => {
    const third = { target: 3, executor: "x3" };
    const { router, link, kill } = network([{ ...idempotentM, replicas: [...m.replicas, third] }]);
    const given = snapshot(2, [{ ...idempotentM, replicas: [...m.replicas, third] }]);
    const executors = given.executors.map((one) => (one.id === "x3" ? { ...one, isSilent: true } : one));
    router.apply({ ...given, executors });
    callTo(router);
    const [first, other] = link("x1").sent.length > 0 ? ["x1", "x2"] : ["x2", "x1"];
    kill(first!, "maybe");
    expect(link(other!).sent).toHaveLength(1);
    expect(link("x3").sent).toHaveLength(0);
  });
});

describe("a failed attempt (R3)", () => {
  it.each([
    ["no", false, "is repeated elsewhere"],
    ["no", true, "is repeated elsewhere"],
    ["maybe", true, "is repeated elsewhere"],
    ["maybe", false, "ends the call"],
  ] as const)("of a dead executor, started %s, idempotent %s, %s (D3)", async (started, idempotent, what) => {
    const { router, link, kill } = network([{ ...m, idempotent }]);
    const { ended, outcomes } = callTo(router);
    kill("x1", started);
    if (what === "ends the call") {
      expect(await ended).toMatchObject({ ok: false, error: { code: "PeerClosed", started } });
      expect(link("x2").sent).toHaveLength(0);
    } else {
      expect(link("x2").sent).toHaveLength(1);
      link("x2").sent[0]!.end(ok("second"));
      expect(await ended).toEqual(ok("second"));
    }
    expect(outcomes).toHaveLength(1);
    expect(router.outstandingCalls).toBe(0);
  });

  it("may be repeated for the methods that are named so, an HTTP route's included, and no others", async () => {
    const { router, link, kill } = network([{ ...onlyOnX1, idempotent: ["predict"] }]);
    callTo(router, { method: "predict" });
    callTo(router, { method: "http:predict" });
    const { ended } = callTo(router, { method: "charge" });
    expect(link("x1").sent.map(({ request }) => request.idempotent)).toEqual([true, true, false]);
    kill("x1", "maybe");
    expect(codeOf(await ended)).toBe("PeerClosed");
    expect(router.outstandingCalls).toBe(2);
  });

  it("is repeated at the same place when there is no other", async () => {
    const { router, link } = network([onlyOnX1]);
    const { ended } = callTo(router);
    link("x1").sent[0]!.end(failed("Draining", "no"));
    expect(link("x1").sent).toHaveLength(2);
    link("x1").sent[1]!.end(ok(1));
    expect(await ended).toEqual(ok(1));
  });

  it("ends the call after so many attempts, with what the last one said", async () => {
    const { router, link } = network([m]);
    const { ended } = callTo(router);
    for (let i = 0; i < 10; i++)
      for (const id of ["x1", "x2"]) link(id).open[0]?.end(failed("Draining", "no"));
    expect(codeOf(await ended)).toBe("Draining");
    expect(link("x1").sent.length + link("x2").sent.length).toBe(MAX_ATTEMPTS);
  });

  it("asks each replica once when they are full (D4)", async () => {
    const { router, link } = network([m]);
    const { ended } = callTo(router);
    for (let i = 0; i < 10; i++)
      for (const id of ["x1", "x2"]) link(id).open[0]?.end(failed("Overloaded", "no"));
    expect(codeOf(await ended)).toBe("Overloaded");
    expect(link("x1").sent.length + link("x2").sent.length).toBe(2);
  });

  /** Four executors, of which one after the other dies while it has the call; says with how many the last began. */
  async function deaths(begunWith: readonly (number | undefined)[]) {
    const more = [3, 4].map((target) => ({ target, executor: `x${target}` }));
    const { router, link, kill } = network([{ ...idempotentM, replicas: [...m.replicas, ...more] }]);
    const { ended } = callTo(router);
    const asked: (number | undefined)[] = [];
    for (const company of begunWith) {
      const id = ["x1", "x2", "x3", "x4"].find((one) => link(one).open.length > 0)!;
      const call = link(id).open[0]!;
      asked.push((call.request as CallRequest).suspicion);
      if (company !== undefined) call.begun(company);
      kill(id, "maybe");
    }
    for (const id of ["x1", "x2", "x3", "x4"]) for (const call of link(id).open) call.end(ok("served"));
    return { outcome: await ended, asked, router };
  }

  it("is an input's that ends the executor that runs nothing else: it is given up as PoisonInput (D10)", async () => {
    const { outcome, asked, router } = await deaths([undefined, 0]);
    expect(outcome).toMatchObject({ ok: false, error: { code: "PoisonInput", started: "maybe" } });
    expect(asked).toEqual([Suspicion.none, Suspicion.suspect]);
    expect(router.outstandingCalls).toBe(0);
  });

  it("of an executor that had not begun it says nothing against an input: it is served in the end (D10)", async () => {
    const { outcome, asked } = await deaths([undefined, undefined, undefined]);
    expect(outcome).toEqual(ok("served"));
    expect(asked).toEqual([Suspicion.none, Suspicion.suspect, Suspicion.suspect]);
  });

  it("of an executor that ran it with others has it run alone, and then it is known (D10)", async () => {
    expect((await deaths([undefined, 5])).outcome).toEqual(ok("served"));
    const { outcome, asked } = await deaths([undefined, 5, 0]);
    expect(codeOf(outcome)).toBe("PoisonInput");
    expect(asked).toEqual([Suspicion.none, Suspicion.suspect, Suspicion.alone]);
  });

  it("of a connection that refuses is repeated too, and the call waits when none is left", async () => {
    const { router, link, kill } = network([m]);
    link("x1").refusal = new TuttiError("PeerClosed", "the connection ended", { started: "no" });
    const { ended } = callTo(router);
    kill("x2", "no");
    router.laneClosed("x1");
    await turn();
    const again = new FakeLink();
    router.laneOpened("x2", again);
    again.open[0]!.end(ok("served"));
    expect(await ended).toEqual(ok("served"));
  });
});

describe("a deployment that is full (R4)", () => {
  it("refuses at once, with a time to come back, and names itself", async () => {
    const { router, link } = network([{ ...onlyOnX1, maxOngoing: 2 }]);
    callTo(router);
    callTo(router);
    const { ended, outcomes } = callTo(router);
    expect(outcomes).toHaveLength(0);
    const outcome = await ended;
    expect(outcome).toMatchObject({
      ok: false,
      error: {
        code: "Overloaded",
        started: "no",
        retryAfterSeconds: 1,
        message: "m has 2 calls under way, as many as its replicas take",
      },
    });
    expect(link("x1").sent).toHaveLength(2);
    expect(router.outstandingCalls).toBe(2);
  });

  it("serves one call at a time where its replica takes one", async () => {
    const { router, link } = network([{ ...onlyOnX1, maxOngoing: 1 }]);
    for (let i = 0; i < 3; i++) {
      const { ended } = callTo(router);
      link("x1").open[0]!.end(ok(i));
      expect(await ended).toEqual(ok(i));
    }
  });

  it("takes as many for each replica that it has", async () => {
    const { router } = network([{ ...m, maxOngoing: 3 }]);
    const calls = Array.from({ length: 8 }, () => callTo(router));
    await turn();
    expect(
      calls.map(({ outcomes }) => codeOf(outcomes[0])).filter((code) => code === "Overloaded"),
    ).toHaveLength(2);
    expect(router.outstandingCalls).toBe(6);
  });

  it("does not hold up the other deployments", () => {
    const other: DeploymentRoute = { ...onlyOnX1, name: "other" };
    const { router, link } = network([{ ...onlyOnX1, maxOngoing: 1 }, other]);
    callTo(router);
    callTo(router);
    callTo(router, { deployment: "other" });
    expect(link("x1").sent).toHaveLength(2);
  });
});

describe("a cancellation", () => {
  it("ends a call that was sent, as its connection says, and frees its place", async () => {
    const { router, link } = network([m]);
    const { pending, ended, outcomes } = callTo(router);
    pending.cancel();
    expect(codeOf(await ended)).toBe("Cancelled");
    expect(link("x1").open).toHaveLength(0);
    expect(router.outstandingCalls).toBe(0);
    pending.cancel();
    expect(outcomes).toHaveLength(1);
  });

  it("ends a call that waits, which then is never sent", async () => {
    const { router, link } = network([withoutReplicas]);
    const { pending, ended, outcomes } = callTo(router);
    pending.cancel();
    expect(await ended).toMatchObject({ ok: false, error: { code: "Cancelled", started: "no" } });
    router.apply(snapshot(2, [onlyOnX1]));
    expect(link("x1").sent).toHaveLength(0);
    expect(outcomes).toHaveLength(1);
    expect(router.outstandingCalls).toBe(0);
  });

  it("ends a call whose refusal is on its way, which then is not repeated", async () => {
    const { router, link } = network([m]);
    link("x1").refusal = new TuttiError("PeerClosed", "the connection ended", { started: "no" });
    const { pending, outcomes } = callTo(router);
    pending.cancel();
    await turn();
    expect(outcomes.map(codeOf)).toEqual(["Cancelled"]);
    expect(link("x2").sent).toHaveLength(0);
    expect(router.outstandingCalls).toBe(0);
    expect(router.lane("x1")!.backlogUs(performance.now())).toBe(0);
  });

  it("ends a call that was refused for a full deployment once", async () => {
    const { router } = network([{ ...onlyOnX1, maxOngoing: 1 }]);
    callTo(router);
    const { pending, outcomes } = callTo(router);
    pending.cancel();
    await turn();
    expect(outcomes).toHaveLength(1);
    expect(router.outstandingCalls).toBe(1);
  });

  it("does nothing to a call that has ended", async () => {
    const { router, link } = network([m]);
    const { pending, ended, outcomes } = callTo(router);
    link("x1").sent[0]!.end(ok(1));
    await ended;
    pending.cancel();
    await turn();
    expect(outcomes).toEqual([ok(1)]);
  });
});

describe("a fan-out", () => {
  const names = ["a", "b", "c"];
  const onBoth = names.map((name, index) => ({
    ...idempotentM,
    name,
    replicas: [
      { target: 10 + index, executor: "x1" },
      { target: 20 + index, executor: "x2" },
    ],
  }));

  it("calls every member once, with one list of arguments for all (D6)", async () => {
    const { router, link } = network(onBoth);
    const args = [new Float32Array(17)];
    const { outcomes, ended } = fanTo(router, names, args);
    const sent = [...link("x1").sent, ...link("x2").sent];
    expect(sent).toHaveLength(3);
    for (const { request } of sent) expect(request.args).toBe(args);
    for (const call of sent) call.end(ok(names[call.target % 10]));
    await ended;
    expect(outcomes).toEqual(names.map((name) => [ok(name)]));
    expect(router.outstandingCalls).toBe(0);
  });

  it("puts the members that meet at one executor into one call", () => {
    const { router, link } = network(
      onBoth.map((route) => ({ ...route, replicas: route.replicas.slice(0, 1) })),
    );
    fanTo(router, names);
    expect(new Set(link("x1").sent.map(({ id }) => id)).size).toBe(1);
    expect(link("x1").sent.map(({ target }) => target)).toEqual([10, 11, 12]);
  });

  it("goes on with each member by itself when an executor dies", async () => {
    const { router, link, kill } = network(
      onBoth.map((route) => ({ ...route, replicas: route.replicas.slice(0, 1) })),
    );
    router.apply(snapshot(2, onBoth));
    router
      .lane("x2")!
      .report({ backlogUs: 1e6, queuedItems: 0, busyFraction: 0, costs: [] }, performance.now());
    const { outcomes, ended } = fanTo(router, names);
    expect(link("x1").open).toHaveLength(3);
    kill("x1", "maybe");
    for (const call of link("x2").open) call.end(ok("second"));
    await ended;
    expect(outcomes).toEqual(names.map(() => [ok("second")]));
    expect(router.outstandingCalls).toBe(0);
  });

  it("gives up a member that may have started and must not be repeated, and that one alone (D3)", async () => {
    const routes = onBoth.map((route) => ({
      ...route,
      idempotent: route.name !== "b",
      replicas: route.replicas.slice(0, 1),
    }));
    const { router, link, kill } = network(routes);
    const { outcomes } = fanTo(router, names);
    kill("x1", "maybe");
    const again = new FakeLink();
    router.laneOpened("x1", again);
    await turn();
    expect(again.open.map(({ target }) => target)).toEqual([10, 12]);
    expect(codeOf(outcomes[1]![0])).toBe("PeerClosed");
    expect(link("x1").open).toHaveLength(0);
  });

  it("suspects a member over both of its attempts (D10)", async () => {
    const { router, link, kill } = network(onBoth);
    const { outcomes, ended } = fanTo(router, ["a"]);
    for (const id of ["x1", "x2", "x1", "x2"]) {
      if (link(id).open.length === 0) continue;
      link(id).open[0]!.begun(0);
      kill(id, "maybe");
    }
    await ended;
    expect(outcomes.map(([outcome]) => codeOf(outcome))).toEqual(["PoisonInput"]);
  });

  it("lets a member without a replica wait, and refuses one that is full, beside those that are served", async () => {
    const [a, b, c] = onBoth;
    const { router, link } = network([
      a!,
      { ...b!, replicas: [] },
      { ...c!, replicas: c!.replicas.slice(0, 1), maxOngoing: 1 },
    ]);
    callTo(router, { deployment: "c" });
    const { outcomes, ended } = fanTo(router, names);
    await turn();
    expect(codeOf(outcomes[2]![0])).toBe("Overloaded");
    expect(outcomes[1]).toEqual([]);
    router.apply(snapshot(2, onBoth));
    for (const id of ["x1", "x2"]) for (const call of link(id).open) call.end(ok(1));
    await ended;
    expect(outcomes.slice(0, 2)).toEqual([[ok(1)], [ok(1)]]);
    expect(router.outstandingCalls).toBe(0);
  });

  it("ends every member once when it is cancelled, also those that wait", async () => {
    const [a, b, c] = onBoth;
    const { router, link } = network([a!, { ...b!, replicas: [] }, c!]);
    const { pending, outcomes, ended } = fanTo(router, names);
    pending.cancel();
    await ended;
    expect(outcomes.map((member) => member.map(codeOf))).toEqual([
      ["Cancelled"],
      ["Cancelled"],
      ["Cancelled"],
    ]);
    expect([...link("x1").open, ...link("x2").open]).toHaveLength(0);
    expect(router.outstandingCalls).toBe(0);
  });

  it("does not repeat a member whose refusal comes after it was cancelled", async () => {
    const { router, link } = network(onBoth);
    const refusal = new TuttiError("PeerClosed", "the connection ended", { started: "no" });
    link("x1").refusal = refusal;
    link("x2").refusal = refusal;
    const { pending, outcomes, ended } = fanTo(router, names);
    pending.cancel();
    link("x1").refusal = undefined;
    link("x2").refusal = undefined;
    await ended;
    await turn();
    expect(outcomes.map((member) => member.length)).toEqual([1, 1, 1]);
    expect([...link("x1").sent, ...link("x2").sent]).toHaveLength(0);
    expect(router.outstandingCalls).toBe(0);
  });
});

describe("a router that is closed", () => {
  it("ends the calls that wait and refuses new ones as Draining", async () => {
    const { router } = network([withoutReplicas]);
    const waiting = callTo(router);
    router.close();
    expect(await waiting.ended).toMatchObject({ ok: false, error: { code: "Draining", started: "no" } });
    expect(codeOf(await callTo(router).ended)).toBe("Draining");
    const fan = fanTo(router, ["m"]);
    await fan.ended;
    expect(codeOf(fan.outcomes[0]![0])).toBe("Draining");
    expect(router.outstandingCalls).toBe(0);
  });

  it("takes no more snapshots", () => {
    const { router, link } = network([onlyOnX1]);
    router.close();
    router.apply(snapshot(2, [m]));
    expect(link("x2")).toBeUndefined();
  });
});
