/** Where a call ends that nobody needs any more, and that it is counted there, once (D2, D4). */
import { describe, expect, it } from "vitest";
import { type CallCounts, sumCounts } from "../observe/call-counters.ts";
import { HUNG_GRACE_MS } from "./batched-method.ts";
import { column } from "./model-session.fake.ts";
import { type MadeCall, TwoProcesses, type TwoProcessesOptions } from "./two-processes.fake.ts";

const counted = ({ callers, executors }: TwoProcesses): CallCounts =>
  sumCounts([callers.snapshot(), executors.snapshot()]);

const codes = (...calls: MadeCall[]): (string | undefined)[] =>
  calls.flatMap(({ ends }) => ends.map((end) => (end.ok ? undefined : end.error.code)));

async function world(options: TwoProcessesOptions = {}): Promise<TwoProcesses> {
  const processes = new TwoProcesses(options);
  await processes.settle();
  return processes;
}

const predict = { args: [column(1)] };

describe("in the router", () => {
  it("a call expires that waits for a replica", async () => {
    const processes = await world();
    const call = await processes.call("Lost", "wait");
    await processes.clock.advance(100);
    expect(codes(call)).toEqual(["DeadlineExceeded"]);
    expect(counted(processes)).toEqual({ router: { expired: 1 } });
  });

  it("a call is cancelled that waits for a replica", async () => {
    const processes = await world();
    const call = await processes.call("Lost", "wait");
    call.pending.cancel();
    expect(codes(call)).toEqual(["Cancelled"]);
    expect(counted(processes)).toEqual({ router: { cancelled: 1 } });
  });

  it.each(["Remote", "Local"])("a call to %s is cancelled before it was sent, and never is", async (to) => {
    const processes = await world();
    const call = processes.callNow(to, "wait");
    call.pending.cancel();
    await processes.settle();
    expect(codes(call)).toEqual(["Cancelled"]);
    expect(processes.remote.started + processes.local.started).toBe(0);
    expect(counted(processes)).toEqual({ router: { cancelled: 1 } });
  });

  it("a call expires that comes too late to be sent", async () => {
    const processes = await world();
    const call = await processes.call("Remote", "wait", { deadlineAtMs: processes.clock.now() });
    expect(codes(call)).toEqual(["DeadlineExceeded"]);
    expect(processes.remote.started).toBe(0);
    expect(counted(processes)).toEqual({ router: { expired: 1 } });
  });

  it("calls are refused beyond what the replicas take, and beyond what may wait for one (D4)", async () => {
    const full = await world({ maxOngoing: 1 });
    await full.call("Remote", "wait");
    expect(codes(await full.call("Remote", "wait"))).toEqual(["Overloaded"]);
    expect(counted(full)).toEqual({ router: { refused: 1 } });
    const waiting = await world({ maxWaitingCalls: 1 });
    await waiting.call("Lost", "wait");
    expect(codes(await waiting.call("Lost", "wait"))).toEqual(["Unavailable"]);
    expect(counted(waiting)).toEqual({ router: { refused: 1 } });
  });

  it("a fan-out counts once for each member that was not sent", async () => {
    const processes = await world();
    const pending = processes.router.dispatchMany({
      deployments: ["Remote", "model", "Lost"],
      method: "predict",
      args: [column(1)],
      requestId: "r-1",
      deadlineAtMs: processes.clock.now() + 100,
      priority: 1,
      lean: false,
      hedge: false,
      onEnd: () => {},
      onRows: () => {},
    });
    pending.cancel();
    await processes.settle();
    expect(counted(processes)).toEqual({ router: { cancelled: 3 } });
  });
});

describe("at the door", () => {
  it.each([
    ["Remote", "wait"],
    ["model", "predict"],
  ])("a call to %s expires that arrives too late", async (deployment, method) => {
    const processes = await world();
    const call = processes.callNow(deployment, method, predict);
    // Its own process was busy until the deadline, and its timers are late too: it leaves with no time left.
    processes.clock.block(200);
    await processes.settle();
    expect(processes.remote.started + processes.session.runs.length).toBe(0);
    expect(codes(call)).toEqual(["DeadlineExceeded"]);
    expect(counted(processes)).toEqual({ door: { expired: 1 } });
  });

  it("calls are refused beyond what a replica may work on, and what its queue takes (D4)", async () => {
    const code = await world({ limits: { maxOngoingRequests: 1 } });
    await code.call("Remote", "wait");
    expect(codes(await code.call("Remote", "wait"))).toEqual(["Overloaded"]);
    expect(counted(code)).toEqual({ door: { refused: 1 } });
    const model = await world({ limits: { maxOngoingRequests: 1 } });
    model.session.hold();
    await model.call("model", "predict", predict);
    await model.call("model", "predict", predict);
    expect(codes(await model.call("model", "predict", predict))).toEqual(["Overloaded"]);
    expect(counted(model)).toEqual({ door: { refused: 1 } });
  });
});

describe("in a queue", () => {
  /** A call waits behind one that runs. */
  async function queued(deployment: "model" | "Remote", options: TwoProcessesOptions = {}) {
    const processes = await world(options);
    const [method, fields] = deployment === "model" ? ["predict", predict] : ["together", { args: [1] }];
    processes.session.hold();
    const forever = { ...fields, deadlineAtMs: processes.clock.now() + 10_000 };
    await processes.call(deployment, method, forever);
    const call = await processes.call(deployment, method, fields);
    return { processes, call };
  }

  async function release(processes: TwoProcesses): Promise<void> {
    processes.session.release();
    processes.remote.release();
    await processes.settle();
  }

  it.each(["model", "Remote"] as const)("a call to %s expires and never starts", async (deployment) => {
    const { processes, call } = await queued(deployment);
    await processes.clock.advance(100);
    expect(codes(call)).toEqual(["DeadlineExceeded"]);
    await release(processes);
    expect(processes.remote.started + processes.session.runs.length).toBe(1);
    expect(counted(processes)).toEqual({ queue: { expired: 1 } });
  });

  it.each(["model", "Remote"] as const)("a call to %s is cancelled and never starts", async (deployment) => {
    const { processes, call } = await queued(deployment);
    call.pending.cancel();
    await processes.settle();
    await release(processes);
    expect(codes(call)).toEqual(["Cancelled"]);
    expect(processes.remote.started + processes.session.runs.length).toBe(1);
    expect(counted(processes)).toEqual({ queue: { cancelled: 1 } });
  });

  it.each(["model", "Remote"] as const)(
    "a call to %s is refused that waited too long",
    async (deployment) => {
      const { processes, call } = await queued(deployment, { limits: { maxQueueMs: 20 } });
      await processes.clock.advance(50);
      await release(processes);
      expect(codes(call)).toEqual(["Overloaded"]);
      expect(counted(processes)).toEqual({ queue: { refused: 1 } });
    },
  );
});

describe("while it runs", () => {
  it("a call expires that heeds its signal", async () => {
    const processes = await world();
    const call = await processes.call("Remote", "heed");
    await processes.clock.advance(100);
    await processes.settle();
    expect(codes(call)).toEqual(["DeadlineExceeded"]);
    expect(counted(processes)).toEqual({ run: { expired: 1 } });
  });

  it.each(["Remote", "Local"])("a call to %s is cancelled that heeds its signal", async (deployment) => {
    const processes = await world();
    const call = await processes.call(deployment, "heed");
    call.pending.cancel();
    await processes.settle();
    expect(codes(call)).toEqual(["Cancelled"]);
    expect(counted(processes)).toEqual({ run: { cancelled: 1 } });
  });

  it.each([
    ["Remote", "wait"],
    ["Local", "wait"],
    ["Remote", "together"],
    ["model", "predict"],
  ])("the result of a call to %s.%s is wasted that nobody waits for any more", async (deployment, method) => {
    const processes = await world();
    processes.session.hold();
    const call = await processes.call(deployment, method, deployment === "model" ? predict : {});
    call.pending.cancel();
    await processes.settle();
    processes.session.release();
    processes.remote.release();
    processes.local.release();
    await processes.settle();
    expect(codes(call)).toEqual(["Cancelled"]);
    expect(counted(processes)).toEqual({ run: { wasted: 1 } });
  });

  it("a call that hangs is given up, and counted once although its result comes after all", async () => {
    const processes = await world();
    await processes.call("Remote", "wait");
    await processes.clock.advance(100 + HUNG_GRACE_MS + 1);
    expect(counted(processes)).toEqual({ run: { expired: 1 } });
    processes.remote.release();
    await processes.settle();
    expect(counted(processes)).toEqual({ run: { expired: 1 } });
  });
});

describe("a call that is answered in time", () => {
  it.each(["Remote", "Local"])("from %s is not counted at all", async (deployment) => {
    const processes = await world();
    const call = await processes.call(deployment, "wait");
    processes.remote.release();
    processes.local.release();
    await processes.settle();
    expect(codes(call)).toEqual([undefined]);
    expect(counted(processes)).toEqual({});
  });

  it("from a model is not counted at all", async () => {
    const processes = await world();
    expect(codes(await processes.call("model", "predict", predict))).toEqual([undefined]);
    expect(counted(processes)).toEqual({});
  });
});
