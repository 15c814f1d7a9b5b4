/** Stalled lanes, ejection and hedging: what a router does about calls that take too long (D1, D2, D3). */
import { describe, expect, it } from "vitest";
import type { OutgoingCall, OutgoingFanout } from "../api/call-port.ts";
import { ManualClock } from "../clock/manual-clock.ts";
import { type RoutingOptions, resolveRoutingOptions } from "../config/routing-options.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { CallCounters } from "../observe/call-counters.ts";
import type { CallOutcome } from "../wire/messages.ts";
import { FakeLink, type SentCall } from "./link.fake.ts";
import { Router } from "./router.ts";
import type { DeploymentRoute } from "./snapshot.ts";

const m: DeploymentRoute = {
  name: "m",
  idempotent: true,
  waits: false,
  maxOngoing: 1000,
  replicas: [
    { target: 1, executor: "x1" },
    { target: 2, executor: "x2" },
  ],
};

const ok = (value: unknown): CallOutcome => ({ ok: true, value });
const failed = (code: ErrorCode, started: "no" | "maybe" | "yes" = "yes"): CallOutcome => ({
  ok: false,
  error: new TuttiError(code, `it was ${code}`, { started }),
});
const givenBack = failed("Cancelled", "no");
const codeOf = (outcome: CallOutcome | undefined) => (outcome?.ok === false ? outcome.error.code : outcome);

/** A router on a clock that stands still, with two executors whose replies the test makes. */
function network(routing: RoutingOptions = {}, routes: readonly DeploymentRoute[] = [m]) {
  const clock = new ManualClock();
  const counters = new CallCounters();
  const links = new Map<string, FakeLink>();
  const router: Router = new Router({
    connect: ({ id }) => {
      links.set(id, new FakeLink());
      router.laneOpened(id, links.get(id)!);
    },
    disconnect: () => {},
    random: () => 0,
    clock,
    counters,
  });
  const ids = [...new Set(routes.flatMap(({ replicas }) => replicas.map(({ executor }) => executor)))];
  router.apply({
    version: 1,
    executors: ids.map((id) => ({ id, socketPath: `/run/${id}.sock` })),
    deployments: routes,
    routing: resolveRoutingOptions(routing),
  });
  const link = (id: string) => links.get(id)!;
  const call = (fields: Partial<OutgoingCall> = {}) => {
    const outcomes: CallOutcome[] = [];
    const pending = router.dispatch({
      deployment: "m",
      method: "predict",
      args: [1],
      requestId: "r-1",
      deadlineAtMs: clock.now() + 60_000,
      priority: 1,
      lean: false,
      hedge: false,
      onEnd: (outcome) => outcomes.push(outcome),
      ...fields,
    });
    return { outcomes, pending };
  };
  const fan = (fields: Partial<OutgoingFanout> = {}) => {
    const deployments = routes.map(({ name }) => name);
    const outcomes: CallOutcome[][] = deployments.map(() => []);
    const pending = router.dispatchMany({
      deployments,
      method: "predict",
      args: [1],
      requestId: "r-1",
      deadlineAtMs: clock.now() + 60_000,
      priority: 1,
      lean: false,
      hedge: false,
      onEnd: (member, outcome) => outcomes[member]!.push(outcome),
      onRows: () => {
        throw new Error("no rows were sent");
      },
      ...fields,
    });
    return { outcomes, pending };
  };
  /** What an executor says of itself. */
  const report = (id: string, fields: { backlogUs?: number; busyFraction?: number } = {}) =>
    router
      .lane(id)!
      .report({ backlogUs: 0, queuedItems: 0, busyFraction: 0, costs: [], ...fields }, clock.now());
  const open = () => [...links.values()].flatMap((one) => one.open);
  /** Answers so many calls, each after so long: what is known of a deployment from then on. */
  const teach = async (count: number, latencyMs: number) => {
    for (let i = 0; i < count; i++) {
      call({ hedge: true });
      await clock.advance(latencyMs);
      for (const sent of open()) sent.end(ok("taught"));
    }
    await clock.advance(100);
  };
  return { clock, counters, router, link, call, fan, report, open, teach };
}

describe("an executor that stalls", () => {
  it("has its calls made elsewhere long before their deadline, each ending once with the first answer (D1)", async () => {
    const { clock, link, call, teach, open, counters } = network();
    await teach(10, 2);
    const { outcomes } = call();
    const [stuck] = open();
    const stalled = link("x1").open.length > 0 ? "x1" : "x2";
    const other = stalled === "x1" ? "x2" : "x1";
    await clock.advance(300);
    expect(link(stalled).asked).toBeGreaterThan(0);
    expect(link(other).open).toHaveLength(1);
    link(other).open[0]!.end(ok("from the other"));
    expect(outcomes).toEqual([ok("from the other")]);
    stuck!.end(ok("late"));
    expect(outcomes).toHaveLength(1);
    expect(counters.snapshot()).toEqual({ run: { wasted: 1 } });
  });

  it("is given no more calls, and is tried again with one when it has given a sign of life", async () => {
    const { clock, router, link, call, teach, report } = network();
    await teach(10, 2);
    call();
    const stalled = link("x1").open.length > 0 ? "x1" : "x2";
    const other = stalled === "x1" ? "x2" : "x1";
    await clock.advance(200);
    const sentBefore = link(stalled).sent.length;
    for (let i = 0; i < 5; i++) call();
    expect(link(stalled).sent.length).toBe(sentBefore);
    expect(router.lane(stalled)!.ejection.isOut).toBe(true);
    for (const sent of link(other).open) sent.end(ok(1));
    await clock.advance(2_000);
    call();
    expect(link(stalled).sent.length).toBe(sentBefore);
    for (const sent of link(other).open) sent.end(ok(1));
    report(stalled);
    for (let i = 0; i < 5; i++) call();
    expect(link(stalled).sent.length).toBe(sentBefore + 1);
    link(stalled).open.at(-1)!.end(ok("well again"));
    expect(router.lane(stalled)!.ejection.isOut).toBe(false);
  });

  it("is not called stalled when it says that it lives, since what only waits is silent too", async () => {
    const { clock, router, link, call, teach, report, open } = network();
    await teach(10, 2);
    call();
    const waiting = link("x1").open.length > 0 ? "x1" : "x2";
    for (let i = 0; i < 100; i++) {
      await clock.advance(10);
      report(waiting);
    }
    expect(open()).toHaveLength(1);
    expect(router.lane(waiting)!.ejection.isOut).toBe(false);
  });

  it("is not called stalled while its work explains the silence", async () => {
    const { clock, link, call, teach, report, open } = network();
    await teach(10, 2);
    report("x1", { backlogUs: 500_000 });
    report("x2", { backlogUs: 500_000 });
    call();
    await clock.advance(1_000);
    expect(open()).toHaveLength(1);
    expect(link("x1").asked + link("x2").asked).toBe(0);
  });

  it("is not called stalled when this process itself was held up", async () => {
    const { clock, call, teach, open } = network();
    await teach(10, 2);
    call();
    for (let i = 0; i < 20; i++) {
      clock.block(80);
      await clock.advance(1);
    }
    expect(open()).toHaveLength(1);
  });

  it("keeps a call that must not be repeated until it is given back, and only then moves it (D3)", async () => {
    const { clock, link, call, teach } = network({}, [{ ...m, idempotent: false }]);
    await teach(10, 2);
    const { outcomes } = call();
    const [stalled, other] = link("x1").open.length > 0 ? ["x1", "x2"] : ["x2", "x1"];
    await clock.advance(300);
    expect(link(other!).open).toHaveLength(0);
    expect(link(stalled!).withdrawn).toHaveLength(1);
    link(stalled!).open[0]!.end(givenBack);
    expect(link(other!).open).toHaveLength(1);
    link(other!).open[0]!.end(ok("moved"));
    expect(outcomes).toEqual([ok("moved")]);
  });

  it("keeps its calls when there is no other, when that is turned off, or when the budget is spent", async () => {
    const alone = network({}, [{ ...m, replicas: m.replicas.slice(0, 1) }]);
    await alone.teach(10, 2);
    alone.call();
    const off = network({ eject: false });
    await off.teach(10, 2);
    off.call();
    const poor = network({ retryFraction: 0, retriesPerSecond: 0 });
    await poor.teach(10, 2);
    poor.call();
    for (const { clock, open } of [alone, off, poor]) {
      await clock.advance(5_000);
      expect(open()).toHaveLength(1);
    }
    alone.open()[0]!.end(ok(1));
    alone.call();
    expect(alone.open()).toHaveLength(1);
  });

  it("has the members of a fan-out made elsewhere one by one, those that are open", async () => {
    const routes = ["a", "b", "c"].map((name, index) => ({
      ...m,
      name,
      replicas: [
        { target: 10 + index, executor: "x1" },
        { target: 20 + index, executor: "x2" },
      ],
    }));
    const { clock, router, link, fan } = network({}, routes);
    for (let i = 0; i < 10; i++) {
      fan();
      await clock.advance(2);
      for (const id of ["x1", "x2"]) for (const sent of link(id).open) sent.end(ok("taught"));
    }
    await clock.advance(100);
    router.lane("x2")!.report({ backlogUs: 20_000, queuedItems: 9, busyFraction: 0, costs: [] }, clock.now());
    const { outcomes } = fan();
    const [stalled, other] = link("x1").open.length > 1 ? ["x1", "x2"] : ["x2", "x1"];
    const open = link(stalled!).open;
    expect(open.length).toBeGreaterThan(1);
    open[0]!.end(ok("in time"));
    for (const sent of link(other!).open) sent.end(ok("in time"));
    await clock.advance(500);
    expect(link(other!).open.map(({ target }) => target % 10)).toEqual(
      open.slice(1).map(({ target }) => target % 10),
    );
    for (const sent of link(other!).open) sent.end(ok("elsewhere"));
    expect(outcomes.flat()).toHaveLength(3);
    expect(outcomes.every(([outcome]) => outcome?.ok)).toBe(true);
    for (const sent of link(stalled!).open) sent.end(ok("late"));
    expect(outcomes.flat()).toHaveLength(3);
    expect(router.outstandingCalls).toBe(0);
  });

  it("leaves no timer behind", async () => {
    const { clock, call, teach, open } = network();
    await teach(3, 2);
    call({ hedge: true });
    await clock.advance(300);
    for (const sent of open()) sent.end(ok(1));
    await clock.advance(5_000);
    // The executor that stalled is asked on, until it gives a sign of life or its connection ends.
    expect(clock.pending).toBeLessThanOrEqual(1);
  });
});

describe("a replica that fails or answers late", () => {
  /** Calls until both replicas are known: x1's take that long, or fail. */
  async function known(options: { lateMs?: number; fails?: boolean }, routing: RoutingOptions = {}) {
    const net = network(routing);
    const { clock, link, call } = net;
    for (let i = 0; i < 60; i++) {
      call();
      call();
      await clock.advance(1);
      for (const sent of link("x2").open) sent.end(ok("x2"));
      if (options.lateMs !== undefined) await clock.advance(options.lateMs);
      for (const sent of link("x1").open) sent.end(options.fails ? failed("Internal") : ok("x1"));
      await clock.advance(30);
    }
    return net;
  }
  const sentTo = (net: ReturnType<typeof network>, id: string, calls: number) => {
    const before = net.link(id).sent.length;
    for (let i = 0; i < calls; i++) {
      net.call();
      for (const sent of net.open()) sent.end(ok("quick"));
    }
    return net.link(id).sent.length - before;
  };

  it("is left out, tried with one call after a while, and used again when that goes well", async () => {
    const net = await known({ fails: true });
    expect(sentTo(net, "x1", 20)).toBe(0);
    await net.clock.advance(31_000);
    expect(sentTo(net, "x1", 1)).toBe(1);
    expect(net.router.lane("x1")!.ejection.isOut).toBe(false);
  });

  it("costs what it is late, though its lane has nothing to do", async () => {
    const net = await known({ lateMs: 40 });
    expect(sentTo(net, "x1", 20)).toBe(0);
    const stays = await known({ lateMs: 40 }, { eject: false });
    stays.report("x2", { backlogUs: 20_000 });
    expect(sentTo(stays, "x1", 20)).toBeGreaterThan(0);
  });

  it("is used all the same when the other has more to do than it is late", async () => {
    const net = await known({ lateMs: 40 });
    net.report("x2", { backlogUs: 500_000 });
    expect(sentTo(net, "x1", 1)).toBe(1);
  });
});

describe("what a router counts of a deployment", () => {
  const countsOf = ({ router }: ReturnType<typeof network>) => router.counts().deployments[0];

  it("is each call once, however many attempts it had, and its retries and failures", async () => {
    const net = network();
    const { outcomes } = net.call();
    net.open()[0]!.end(failed("Unavailable", "no"));
    expect(countsOf(net)).toMatchObject({ calls: 1, retries: 1, failures: 1, outstanding: 1 });
    net.open()[0]!.end(ok("again"));
    expect(outcomes).toEqual([ok("again")]);
    expect(countsOf(net)).toMatchObject({ calls: 1, retries: 1, failures: 1, outstanding: 0 });
  });

  it("is a hedge, and not a second call", async () => {
    const net = network();
    await net.teach(60, 4);
    net.call({ hedge: true });
    await net.clock.advance(15);
    expect(countsOf(net)).toMatchObject({ calls: 61, hedges: 1, rescues: 0, outstanding: 2 });
  });

  it("is a rescue of each call of an executor that stalls, which is counted too", async () => {
    const net = network();
    await net.teach(10, 2);
    net.call();
    await net.clock.advance(150);
    expect(countsOf(net)).toMatchObject({ calls: 11, hedges: 0, rescues: 1, ejected: 1 });
    expect(net.router.counts().stalls).toBe(1);
  });

  it("is a move of what was given back before it had started, and no failure", async () => {
    const net = network({}, [{ ...m, idempotent: false }]);
    await net.teach(10, 2);
    net.call();
    await net.clock.advance(300);
    net.open()[0]!.end(givenBack);
    expect(countsOf(net)).toMatchObject({ calls: 11, moves: 1, retries: 0, failures: 0 });
  });

  it("is each member of a fan-out as a call, and its repetition alone as a retry", async () => {
    const routes = [
      m,
      { ...m, name: "n", replicas: m.replicas.map((one) => ({ ...one, target: one.target + 2 })) },
    ];
    const net = network({}, routes);
    net.fan();
    net.open()[0]!.end(failed("Unavailable", "no"));
    const [first, second] = net.router.counts().deployments;
    expect([first?.calls, second?.calls]).toEqual([1, 1]);
    expect(first!.retries + second!.retries).toBe(1);
  });

  it("is an ejection once, and none of deployments that were never called", async () => {
    const idle = network();
    expect(idle.router.counts()).toEqual({ waiting: 0, stalls: 0, deployments: [] });
    const net = network();
    for (let i = 0; i < 60; i++) {
      net.call();
      net.call();
      for (const sent of net.link("x1").open) sent.end(failed("Internal"));
      for (const sent of net.link("x2").open) sent.end(ok("x2"));
      await net.clock.advance(30);
    }
    expect(countsOf(net)).toMatchObject({ ejections: 1, ejected: 1 });
  });
});

describe("a call that may be hedged", () => {
  const hedged = { hedge: true };

  it("is tried elsewhere once it is slower than nearly all, and the first is asked back", async () => {
    const { clock, link, call, teach, open } = network();
    await teach(60, 4);
    const { outcomes } = call(hedged);
    const [first] = open();
    await clock.advance(3);
    expect(open()).toHaveLength(1);
    await clock.advance(12);
    expect(open()).toHaveLength(2);
    expect([...link("x1").withdrawn, ...link("x2").withdrawn].map(({ abort }) => abort)).toEqual([false]);
    const second = open().find((one) => one !== first)!;
    second.end(ok("second"));
    expect(outcomes).toEqual([ok("second")]);
  });

  it("is moved, not made twice, when the first was still waiting: that costs nothing of the budget", async () => {
    const net = network({ hedgeFraction: 0.02 });
    const { clock, link, call, teach, open, counters } = net;
    await teach(100, 4);
    for (let i = 0; i < 20; i++) {
      const { outcomes } = call(hedged);
      const [first] = open();
      await clock.advance(15);
      expect(open()).toHaveLength(2);
      first!.end(givenBack);
      expect(outcomes).toHaveLength(0);
      open()[0]!.end(ok("moved"));
      expect(outcomes).toEqual([ok("moved")]);
    }
    expect(counters.snapshot()).toEqual({});
    expect(link("x1").withdrawn.length + link("x2").withdrawn.length).toBe(20);
  });

  it("is made twice within the budget only", async () => {
    const { clock, link, call, teach, open } = network({ hedgeFraction: 0.02 });
    await teach(200, 4);
    const before = link("x1").sent.length + link("x2").sent.length;
    for (let i = 0; i < 50; i++) {
      call(hedged);
      await clock.advance(12);
      for (const sent of open()) sent.end(ok("after all"));
      await clock.advance(5);
    }
    const extra = link("x1").sent.length + link("x2").sent.length - before - 50;
    expect(extra).toBeGreaterThan(0);
    expect(extra).toBeLessThanOrEqual(250 * 0.02);
  });

  it.each(["call", "fan"] as const)(
    "is hedged still when a replica has answered late for long: what the second was faster than is not usual (%s)",
    async (how) => {
      const net = network({ hedgeFraction: 1, eject: false });
      await net.teach(60, 4);
      for (let i = 0; i < 30; i++) {
        net[how](hedged);
        const [first] = net.open() as [SentCall];
        await net.clock.advance(15);
        expect(net.open()).toHaveLength(2);
        net
          .open()
          .find((one) => one !== first)!
          .end(ok("second"));
        await net.clock.advance(60);
        first.end(ok("late"));
      }
    },
  );

  it.each([
    ["it does not ask for it", { hedge: false }, {}, {}],
    ["the budget is nothing", hedged, { hedgeFraction: 0 }, {}],
    ["the other lane is busy", hedged, {}, { busyFraction: 0.8 }],
    ["the other lane would not be sooner", hedged, {}, { backlogUs: 90_000 }],
    ["there is no time for another", { ...hedged, deadlineAtMs: 1_500 }, {}, { backlogUs: 4_000 }],
  ] as const)("is made once when %s", async (_, fields, routing, load) => {
    const { clock, call, teach, open, report } = network(routing);
    await teach(60, 4);
    const deadlineAtMs = "deadlineAtMs" in fields ? clock.now() + 13 : clock.now() + 60_000;
    call({ ...fields, deadlineAtMs });
    const other = open()[0]!.target === 1 ? "x2" : "x1";
    for (let i = 0; i < 12; i++) {
      report(other, load);
      await clock.advance(1);
    }
    expect(open()).toHaveLength(1);
  });

  it("is given back and moved when it must not be made twice, and stays where it has started (D3)", async () => {
    const { clock, link, call, teach, open } = network({}, [{ ...m, idempotent: false }]);
    await teach(60, 4);
    const moved = call(hedged);
    await clock.advance(20);
    expect(open()).toHaveLength(1);
    expect(link("x1").withdrawn.length + link("x2").withdrawn.length).toBe(1);
    open()[0]!.end(givenBack);
    expect(open()).toHaveLength(1);
    open()[0]!.end(ok("moved"));
    const stays = call(hedged);
    await clock.advance(20);
    open()[0]!.end(ok("it had started"));
    expect([moved.outcomes, stays.outcomes]).toEqual([[ok("moved")], [ok("it had started")]]);
  });
});

describe("a call that is out twice", () => {
  /** A call, or the one member of a fan-out, of which both attempts are out. */
  async function twice(how: "call" | "fan") {
    const net = network();
    await net.teach(60, 4);
    const made = how === "call" ? net.call({ hedge: true }) : net.fan({ hedge: true });
    const [first] = net.open() as [SentCall];
    await net.clock.advance(15);
    const second = net.open().find((one) => one !== first)!;
    const outcomes = () => made.outcomes.flat() as CallOutcome[];
    const linkOf = (sent: SentCall) => net.link(sent.target === 1 ? "x1" : "x2");
    return { ...net, first, second, outcomes, pending: made.pending, linkOf };
  }

  for (const how of ["call", "fan"] as const) {
    describe(`as a ${how}`, () => {
      it("ends with the first answer when both come in one tick, whichever is read first", async () => {
        for (const order of [
          ["first", "second"],
          ["second", "first"],
        ] as const) {
          const net = await twice(how);
          for (const which of order) net[which].end(ok(which));
          expect(net.outcomes()).toEqual([ok(order[0])]);
          expect(net.counters.snapshot()).toEqual({ run: { wasted: 1 } });
          expect(net.router.outstandingCalls).toBe(0);
        }
      });

      it("has the second taken back when the first answers, and that is no waste when it had not started", async () => {
        const net = await twice(how);
        net.first.end(ok("first"));
        expect(net.outcomes()).toEqual([ok("first")]);
        expect(net.linkOf(net.second).withdrawn.at(-1)).toMatchObject({ id: net.second.id, abort: true });
        net.second.end(givenBack);
        expect(net.counters.snapshot()).toEqual({});
        expect(net.router.outstandingCalls).toBe(0);
      });

      it("has the first aborted when the second answers", async () => {
        const net = await twice(how);
        net.second.end(ok("second"));
        expect(net.linkOf(net.first).withdrawn.map(({ abort }) => abort)).toEqual([false, true]);
      });

      it("goes on with the other when one fails, and fails with the last", async () => {
        const firstFails = await twice(how);
        firstFails.first.end(failed("Internal"));
        expect(firstFails.outcomes()).toEqual([]);
        firstFails.second.end(ok("second"));
        expect(firstFails.outcomes()).toEqual([ok("second")]);
        const bothFail = await twice(how);
        bothFail.second.end(failed("ApplicationError"));
        expect(bothFail.outcomes()).toEqual([]);
        bothFail.first.end(failed("Internal"));
        expect(bothFail.outcomes().map(codeOf)).toEqual(["Internal"]);
        expect(bothFail.router.outstandingCalls).toBe(0);
      });

      it("fails as the second did when the first was given back after that: nobody cancelled it", async () => {
        const net = await twice(how);
        net.second.end(failed("ApplicationError"));
        net.first.end(givenBack);
        expect(net.outcomes().map(codeOf)).toEqual(["ApplicationError"]);
      });

      it("ends once when its caller gives it up, wherever its attempts are", async () => {
        const both = await twice(how);
        both.pending.cancel();
        await both.clock.turn();
        expect(both.outcomes().map(codeOf)).toEqual(["Cancelled"]);
        const moved = await twice(how);
        moved.first.end(givenBack);
        moved.pending.cancel();
        await moved.clock.turn();
        expect(moved.outcomes().map(codeOf)).toEqual(["Cancelled"]);
        const decided = await twice(how);
        decided.first.end(ok("first"));
        decided.pending.cancel();
        await decided.clock.turn();
        expect(decided.outcomes()).toEqual([ok("first")]);
        for (const { router, open } of [both, moved, decided]) {
          expect(open()).toHaveLength(0);
          expect(router.outstandingCalls).toBe(0);
        }
      });

      it("goes on when the executor of either dies (D1)", async () => {
        for (const victim of ["first", "second"] as const) {
          const net = await twice(how);
          const survivor = victim === "first" ? "second" : "first";
          const id = net[victim].target === 1 ? "x1" : "x2";
          net.link(id).die("maybe");
          net.router.laneClosed(id);
          await net.clock.turn();
          expect(net.outcomes()).toEqual([]);
          net[survivor].end(ok(survivor));
          expect(net.outcomes()).toEqual([ok(survivor)]);
        }
      });

      it("ends once by its deadline, also in the midst of a move (D2)", async () => {
        const late = failed("DeadlineExceeded", "maybe");
        const both = await twice(how);
        both.first.end(late);
        both.second.end(late);
        const moving = await twice(how);
        moving.first.end(givenBack);
        moving.second.end(late);
        for (const { outcomes, router } of [both, moving]) {
          expect(outcomes().map(codeOf)).toEqual(["DeadlineExceeded"]);
          expect(router.outstandingCalls).toBe(0);
        }
      });
    });
  }
});
