import { describe, expect, it } from "vitest";
import { batched } from "../api/batched.ts";
import { context, currentContext } from "../api/context.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import { ManualClock } from "../clock/manual-clock.ts";
import {
  CODE_DEFAULTS,
  type DeploymentOptions,
  resolveDeploymentOptions,
} from "../config/deployment-options.ts";
import { HttpError, TuttiError } from "../errors/tutti-error.ts";
import { CallCounters } from "../observe/call-counters.ts";
import type { CallSpan } from "../observe/call-group.ts";
import { Suspicion } from "../policy/suspicion.ts";
import { HUNG_GRACE_MS } from "./batched-method.ts";
import { CodeReplica } from "./code-replica.ts";
import { incoming, RecordingSink } from "./reply-sink.fake.ts";

const SERVED_BY = { replica: "Offers#0", application: "offers", applicationVersion: "v7" };
const POLL = { interval: 1, timeout: 10_000 };

function host(instance: object, options: DeploymentOptions = {}, clock: Clock = systemClock) {
  const resolved = resolveDeploymentOptions("Offers", options, CODE_DEFAULTS);
  const counters = new CallCounters();
  const replica = new CodeReplica({
    target: 1,
    deployment: "Offers",
    options: resolved,
    instance,
    routes: undefined,
    servedBy: SERVED_BY,
    clock,
    counters,
  });
  const sink = new RecordingSink();
  const call = (id: number, method: string, args: readonly unknown[] = [], fields: object = {}) =>
    replica.accept(incoming(id, { method, args, deadlineAtMs: clock.now() + 60_000, ...fields }), sink, 0);
  return { replica, sink, call, counters };
}

class Base {
  inherited() {
    return "from the base";
  }
}

class Offers extends Base {
  readonly ownField = () => "an own function";
  readonly secret = "do not tell";
  static make() {
    return new Offers();
  }
  async offer(...args: unknown[]) {
    return args;
  }
  plain(value: number) {
    return value + 1;
  }
  nothing() {}
  fail(what: unknown) {
    throw what;
  }
  get computed() {
    return () => "an accessor's";
  }
  #hidden() {
    return "private";
  }
  callHidden() {
    return this.#hidden();
  }
  async *stream() {
    yield 1;
  }
  reconfigure() {
    return "called";
  }
  checkHealth() {
    return "called";
  }
}

describe("a class in an executor", () => {
  it("answers calls of its methods, its own and those it inherits", async () => {
    const { sink, call } = host(new Offers());
    const value = { a: [1] };
    call(1, "offer", [value, 2]);
    call(2, "plain", [41]);
    call(3, "inherited");
    call(4, "callHidden");
    call(5, "nothing");
    expect(await sink.valueOf(1)).toEqual([value, 2]);
    expect(await sink.valueOf(2)).toBe(42);
    expect(await sink.valueOf(3)).toBe("from the base");
    expect(await sink.valueOf(4)).toBe("private");
    expect(await sink.valueOf(5)).toBeUndefined();
    expect((await sink.replyTo(1)).stats).toMatchObject({ queueUs: 0, batchItems: 1 });
  });

  it("says how much of its time it waited in its turn: of calls made together the one that waited longest", async () => {
    const span = (fields: Partial<CallSpan>): CallSpan => ({
      name: "m1",
      status: "ok",
      code: undefined,
      latencyMs: 0,
      routedMs: 0,
      queueMs: 0,
      runMs: 0,
      batchSize: 1,
      executor: "x1",
      attempts: 1,
      ...fields,
    });
    const group = (...calls: CallSpan[]) => ({ method: "predict", startedAtMs: 0, endedAtMs: 0, calls });
    class Supervisor {
      async offer() {
        const served = currentContext()!;
        served.noteCalls(group(span({ latencyMs: 3, runMs: 3 })));
        const never = span({ status: "late", latencyMs: 1000 });
        served.noteCalls(group(span({ latencyMs: 5, runMs: 1 }), span({ latencyMs: 9, runMs: 2 }), never));
        // A call of a class that waited itself: its run is not all work.
        served.noteCalls(group(span({ latencyMs: 20, runMs: 19, waitedMs: 10 })));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      brief() {
        currentContext()!.noteCalls(group(span({ latencyMs: 500 })));
      }
    }
    const { sink, call } = host(new Supervisor());
    call(1, "offer");
    call(2, "brief");
    expect((await sink.replyTo(1)).stats.waitedUs).toBe(18_000);
    const { waitedUs, runUs } = (await sink.replyTo(2)).stats;
    expect(waitedUs).toBe(runUs);
  });

  it.each([
    ...["constructor", "__proto__", "prototype", "toString", "valueOf", "hasOwnProperty", "__defineGetter__"],
    ...[
      "ownField",
      "secret",
      "computed",
      "make",
      "#hidden",
      "hidden",
      "reconfigure",
      "checkHealth",
      "then",
      "with",
      "",
    ],
    ...["http:offer", "http:constructor", "http:", "http:http:offer"],
  ])("has no method %j for a caller", async (method) => {
    const { sink, call } = host(new Offers());
    call(1, method);
    expect(await sink.errorOf(1)).toMatchObject({
      code: "NotFound",
      started: "no",
      message: `Offers has no method ${method}`,
    });
  });

  it("ends a call with what its method threw", async () => {
    const { sink, call } = host(new Offers());
    call(1, "fail", [new Error("a bug")]);
    call(2, "fail", [new HttpError(404, "unknown-game", "no such game", "params.game")]);
    call(3, "fail", ["just words"]);
    expect(await sink.errorOf(1)).toMatchObject({
      code: "ApplicationError",
      started: "yes",
      message: "a bug",
    });
    expect(await sink.errorOf(2)).toMatchObject({
      code: "HttpError",
      status: 404,
      publicCode: "unknown-game",
      path: "params.game",
    });
    expect(await sink.errorOf(3)).toMatchObject({ code: "ApplicationError", message: "just words" });
  });

  it("ends a call whatever its method throws (D1)", async () => {
    const { replica, sink, call } = host(new Offers());
    [Object.create(null), undefined, null, Symbol("s"), 0].forEach((thrown, id) => {
      call(id, "fail", [thrown]);
    });
    for (let id = 0; id < 5; id++) expect((await sink.errorOf(id)).code).toBe("ApplicationError");
    expect(replica.ongoing).toBe(0);
  });

  it("counts as started whatever the failure of a call that it made itself says of that one (D3)", async () => {
    const { sink, call } = host(new Offers());
    call(1, "fail", [
      new TuttiError("Unavailable", "no replica of Features", { started: "no", retryAfterSeconds: 2 }),
    ]);
    expect(await sink.errorOf(1)).toMatchObject({
      code: "Unavailable",
      started: "yes",
      retryAfterSeconds: 2,
    });
  });

  it("fails a call that takes no stream and would be answered by one, naming the method", async () => {
    const { sink, call } = host(new Offers());
    call(1, "stream");
    expect((await sink.errorOf(1)).message).toBe(
      'Offers.stream() returned a stream, which only a method written as "async *" may answer by',
    );
  });
});

class Waiting {
  started = 0;
  readonly signals: AbortSignal[] = [];
  release: () => void = () => {};
  readonly gate = new Promise<void>((resolve) => {
    this.release = resolve;
  });
  async wait() {
    this.started += 1;
    await this.gate;
    return "done";
  }
  async heed() {
    const { signal } = context();
    this.signals.push(signal);
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  }
  async look() {
    const { requestId, deadlineAtMs, priority, replica, application, applicationVersion } = context();
    return { requestId, deadlineAtMs, priority, replica, application, applicationVersion };
  }
}

describe("the context of a call", () => {
  it("tells the request and who serves it", async () => {
    const { sink, call } = host(new Waiting());
    const deadlineAtMs = performance.now() + 5000;
    call(1, "look", [], { requestId: "r-9", deadlineAtMs, priority: 0 });
    expect(await sink.valueOf(1)).toEqual({
      requestId: "r-9",
      deadlineAtMs,
      priority: 0,
      replica: "Offers#0",
      application: "offers",
      applicationVersion: "v7",
    });
  });

  it("aborts its signal when the caller cancels, and that call's alone", async () => {
    const instance = new Waiting();
    const { replica, sink, call } = host(instance);
    call(1, "heed");
    call(2, "heed");
    replica.cancel(1, new RecordingSink());
    expect(instance.signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    replica.cancel(1, sink);
    expect((await sink.errorOf(1)).code).toBe("Cancelled");
    expect(instance.signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it("goes on when it is withdrawn, since it has started, unless its result is not wanted", async () => {
    const instance = new Waiting();
    const { replica, sink, call } = host(instance);
    call(1, "heed");
    replica.withdraw(1, 0, sink, false);
    replica.withdraw(1, 0, new RecordingSink(), true);
    replica.withdraw(1, 1, sink, true);
    expect(instance.signals[0]?.aborted).toBe(false);
    expect(sink.replies).toHaveLength(0);
    replica.withdraw(1, 0, sink, true);
    expect(await sink.errorOf(1)).toMatchObject({ code: "Cancelled", started: "yes" });
  });

  it("aborts its signal at the deadline (D2)", async () => {
    const { sink, call } = host(new Waiting());
    call(1, "heed", [], { deadlineAtMs: performance.now() + 5 });
    expect((await sink.errorOf(1)).code).toBe("DeadlineExceeded");
  });

  it("does not abort a signal whose deadline is too far for a timer", async () => {
    const instance = new Waiting();
    const { replica, sink, call } = host(instance);
    call(1, "heed", [], { deadlineAtMs: performance.now() + 2 ** 33 });
    // A timer that overflows fires after 1 ms: before this one.
    call(2, "heed", [], { deadlineAtMs: performance.now() + 20 });
    await sink.replyTo(2);
    expect(instance.signals[0]?.aborted).toBe(false);
    replica.cancel(1, sink);
    await sink.replyTo(1);
  });
});

describe("a replica that cannot take a call", () => {
  it("refuses one that has expired on the way, without a start (D2)", async () => {
    const instance = new Waiting();
    const { sink, call } = host(instance);
    call(1, "wait", [], { deadlineAtMs: performance.now() });
    expect(await sink.errorOf(1)).toMatchObject({ code: "DeadlineExceeded", started: "no" });
    expect(instance.started).toBe(0);
  });

  it("refuses more than it may work on, and takes more when one has ended (D4)", async () => {
    const instance = new Waiting();
    const { replica, sink, call } = host(instance, { maxOngoingRequests: 2 });
    for (const id of [1, 2, 3]) call(id, "wait");
    expect(await sink.errorOf(3)).toMatchObject({ code: "Overloaded", started: "no", retryAfterSeconds: 1 });
    expect(replica.ongoing).toBe(2);
    instance.release();
    expect(await sink.valueOf(1)).toBe("done");
    expect(await sink.valueOf(2)).toBe("done");
    expect(replica.ongoing).toBe(0);
    call(4, "wait");
    expect(await sink.valueOf(4)).toBe("done");
  });

  it("refuses new calls once it is closed, aborts those it has, and disposes of the instance", async () => {
    let disposed = 0;
    class Disposable extends Waiting {
      async [Symbol.asyncDispose]() {
        disposed += 1;
      }
    }
    const { replica, sink, call } = host(new Disposable());
    call(1, "heed");
    await replica.close();
    call(2, "wait");
    expect((await sink.errorOf(1)).code).toBe("Draining");
    expect(await sink.errorOf(2)).toMatchObject({ code: "Draining", started: "no" });
    expect(disposed).toBe(1);
  });
});

describe("checkHealth", () => {
  it("is the class's own; without one a replica is well", async () => {
    class Sick {
      checkHealth() {
        throw new Error("the disk is full");
      }
    }
    await expect(host(new Sick()).replica.checkHealth()).rejects.toThrow("the disk is full");
    await expect(host(new Base()).replica.checkHealth()).resolves.toBeUndefined();
  });
});

class Batching {
  readonly runs: number[][] = [];
  held: Promise<void> | undefined;
  bad: number | undefined;
  readonly double = batched({ maxBatchSize: 4 }, async (inputs: number[]) => {
    this.runs.push(inputs);
    await this.held;
    if (this.bad !== undefined && inputs.includes(this.bad)) throw new Error(`cannot take ${this.bad}`);
    return inputs.map((input) => input * 2);
  });
  readonly short = batched({}, async (inputs: number[]) => inputs.slice(1));
  readonly noList = batched({}, async () => 5 as unknown as number[]);
  readonly who = batched({}, async (inputs: number[]) => inputs.map(() => context().requestId));
}

/** Call 0 runs until it is released: what comes meanwhile waits. */
async function hostBusy(options: DeploymentOptions = {}) {
  const instance = new Batching();
  const hosted = host(instance, options);
  const { promise, resolve: release } = Promise.withResolvers<void>();
  instance.held = promise;
  hosted.call(0, "double", [0]);
  await expect.poll(() => instance.runs.length, POLL).toBe(1);
  return { ...hosted, instance, release };
}

describe("a batched method", () => {
  it("takes one input of each caller and gives each its own result", async () => {
    const { sink, call } = host(new Batching());
    for (const id of [1, 2, 3]) call(id, "double", [id]);
    for (const id of [1, 2, 3]) expect(await sink.valueOf(id)).toBe(id * 2);
    expect((await sink.replyTo(1)).stats.batchItems).toBe(3);
  });

  it("forms its batch when a run ends: it grows with what waits, up to its size (D7)", async () => {
    const { sink, call, instance, release } = await hostBusy();
    for (let id = 1; id <= 6; id++) call(id, "double", [id]);
    release();
    await sink.replyTo(6);
    expect(instance.runs).toEqual([[0], [1, 2, 3, 4], [5, 6]]);
  });

  it("says how much of an input's wait its slots were taken", async () => {
    const { sink, call, release } = await hostBusy();
    call(1, "double", [1]);
    release();
    const [first, second] = [await sink.replyTo(0), await sink.replyTo(1)];
    expect(first.stats.laneUs).toBe(0);
    expect(second.stats.laneUs).toBeGreaterThan(0);
    expect(second.stats.laneUs).toBeLessThanOrEqual(second.stats.queueUs);
  });

  it("whose batch was degraded says so of each input, since they ran as one", async () => {
    const { sink, call } = host({
      less: batched({}, async (inputs: number[]) => {
        context().degraded = true;
        return inputs;
      }),
    });
    for (const id of [1, 2]) call(id, "less", [id]);
    for (const id of [1, 2]) expect((await sink.replyTo(id)).stats.degraded).toBe(true);
  });

  it("that fails has its inputs run alone once, so that only the culprit fails (D7)", async () => {
    const { sink, call, instance, release } = await hostBusy();
    instance.bad = 2;
    for (const id of [1, 2, 3]) call(id, "double", [id]);
    release();
    expect(await sink.errorOf(2)).toMatchObject({
      code: "ApplicationError",
      started: "yes",
      message: "cannot take 2",
    });
    expect([await sink.valueOf(1), await sink.valueOf(3)]).toEqual([2, 6]);
    expect(instance.runs).toEqual([[0], [1, 2, 3], [1], [2], [3]]);
  });

  it("that fails is not run again for calls that must not be repeated", async () => {
    const { sink, call, instance, release } = await hostBusy();
    instance.bad = 2;
    for (const id of [1, 2]) call(id, "double", [id], { idempotent: false });
    release();
    for (const id of [1, 2])
      expect(await sink.errorOf(id)).toMatchObject({ code: "ApplicationError", started: "yes" });
    expect(instance.runs).toEqual([[0], [1, 2]]);
  });

  it.each([
    ["short", "Offers.short: 1 results for 2 inputs"],
    ["noList", "Offers.noList: no list for 2 inputs"],
  ])("%s, which gives another number of results, fails loudly as a whole", async (method, message) => {
    const { sink, call } = host(new Batching());
    for (const id of [1, 2]) call(id, method, [id]);
    for (const id of [1, 2]) {
      expect(await sink.errorOf(id)).toMatchObject({ code: "BatchSizeMismatch", started: "yes", message });
    }
  });

  it("never starts an input whose caller has given it up", async () => {
    const { replica, sink, call, instance, release } = await hostBusy();
    for (const id of [1, 2]) call(id, "double", [id]);
    replica.cancel(1, sink);
    release();
    expect(await sink.valueOf(2)).toBe(4);
    expect(await sink.errorOf(1)).toMatchObject({ code: "Cancelled", started: "no" });
    expect(instance.runs).toEqual([[0], [2]]);
    expect(replica.ongoing).toBe(0);
  });

  it("gives back an input that waits when it is withdrawn, and not one that runs", async () => {
    const { replica, sink, call, instance, release } = await hostBusy();
    for (const id of [1, 2]) call(id, "double", [id]);
    replica.withdraw(1, 0, sink, false);
    replica.withdraw(0, 0, sink, false);
    expect(await sink.errorOf(1)).toMatchObject({ code: "Cancelled", started: "no" });
    release();
    expect([await sink.valueOf(0), await sink.valueOf(2)]).toEqual([0, 4]);
    expect(instance.runs).toEqual([[0], [2]]);
    expect(replica.ongoing).toBe(0);
  });

  it("never starts an input whose deadline has passed (D2)", async () => {
    const { sink, call, instance, release } = await hostBusy();
    const deadlineAtMs = performance.now() + 2;
    call(1, "double", [1], { deadlineAtMs });
    await expect.poll(() => performance.now() > deadlineAtMs, POLL).toBe(true);
    release();
    expect(await sink.errorOf(1)).toMatchObject({ code: "DeadlineExceeded", started: "no" });
    expect(instance.runs).toEqual([[0]]);
  });

  it("does not have an input run alone whose deadline passed while its batch failed (D2)", async () => {
    const { sink, call, instance, release } = await hostBusy();
    const expiresAtMs = performance.now() + 300;
    call(1, "double", [1], { deadlineAtMs: expiresAtMs });
    call(2, "double", [2]);
    instance.bad = 2;
    const second = Promise.withResolvers<void>();
    release();
    instance.held = second.promise;
    await expect.poll(() => instance.runs.length, POLL).toBe(2);
    await expect.poll(() => performance.now() > expiresAtMs, POLL).toBe(true);
    second.resolve();
    await sink.errorOf(2);
    expect((await sink.replyTo(1)).outcome.ok).toBe(false);
    expect(instance.runs).toEqual([[0], [1, 2], [2]]);
  });

  it("refuses an input that waited too long", async () => {
    // So long that the first one, which finds the slot free, does not wait it out on a busy machine.
    const maxQueueMs = 200;
    const { sink, call, release } = await hostBusy({ maxQueueMs });
    call(1, "double", [1]);
    const pushedAtMs = performance.now();
    await expect.poll(() => performance.now() > pushedAtMs + maxQueueMs, POLL).toBe(true);
    release();
    expect(await sink.errorOf(1)).toMatchObject({ code: "Overloaded", started: "no" });
  });

  it("ends what waits as not started when its replica closes, so that the callers go elsewhere (D3)", async () => {
    const { replica, sink, call, release } = await hostBusy();
    call(1, "double", [1]);
    await replica.close();
    expect(await sink.errorOf(1)).toMatchObject({ code: "Draining", started: "no" });
    release();
    expect(await sink.valueOf(0)).toBe(0);
    expect(replica.ongoing).toBe(0);
  });

  it("has the context of its most urgent call", async () => {
    const { sink, call } = host(new Batching());
    call(1, "who", [1], { priority: 1 });
    call(2, "who", [2], { priority: 0 });
    expect(await sink.valueOf(1)).toBe("r-2");
  });

  it("runs as many batches at a time as it is told to", async () => {
    const begun: number[][] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    class Wide {
      readonly work = batched({ maxBatchSize: 1, maxConcurrentBatches: 2 }, async (inputs: number[]) => {
        begun.push(inputs);
        await promise;
        return inputs;
      });
    }
    const { sink, call } = host(new Wide());
    for (const id of [1, 2, 3]) call(id, "work", [id]);
    await expect.poll(() => begun.length, POLL).toBe(2);
    expect(begun).toEqual([[1], [2]]);
    resolve();
    expect(await sink.valueOf(3)).toBe(3);
  });
});

/** Methods that return when the test says so, if ever. */
class Hanging {
  readonly begun: number[] = [];
  readonly open = new Map<number, () => void>();

  wait(id: number) {
    this.begun.push(id);
    return new Promise<number>((resolve) => this.open.set(id, () => resolve(id)));
  }

  readonly waitTogether = batched({ maxBatchSize: 8, maxConcurrentBatches: 1 }, async (ids: number[]) => {
    await Promise.all(ids.map((id) => this.wait(id)));
    return ids;
  });
}

function hostHanging(options: DeploymentOptions = {}) {
  const clock = new ManualClock();
  const instance = new Hanging();
  return { ...host(instance, options, clock), clock, instance };
}

describe("a call that never returns", () => {
  it("holds its place until a moment after its deadline and no longer, and is counted", async () => {
    const { replica, sink, call, clock, counters } = hostHanging({ maxOngoingRequests: 1 });
    call(1, "wait", [1], { deadlineAtMs: clock.now() + 100 });
    await clock.advance(100 + HUNG_GRACE_MS - 1);
    expect(replica.ongoing).toBe(1);
    await clock.advance(1);
    expect(await sink.errorOf(1)).toMatchObject({
      code: "DeadlineExceeded",
      started: "yes",
      message: "Offers.wait() did not return by its deadline",
    });
    expect(replica.ongoing).toBe(0);
    expect(counters.snapshot()).toEqual({ run: { expired: 1 } });
    call(2, "wait", [2]);
    expect(replica.ongoing).toBe(1);
  });

  it("that returns after all is dropped: no second reply, and it is counted once, as expired (D1)", async () => {
    const { replica, sink, call, clock, instance, counters } = hostHanging();
    call(1, "wait", [1], { deadlineAtMs: clock.now() + 100 });
    await clock.advance(100 + HUNG_GRACE_MS);
    instance.open.get(1)!();
    await clock.turn();
    expect(sink.replies).toHaveLength(1);
    expect(replica.ongoing).toBe(0);
    expect(counters.snapshot()).toEqual({ run: { expired: 1 } });
  });

  it("lets go of the batch it is in: the next batch runs", async () => {
    const { sink, call, clock, instance } = hostHanging();
    call(1, "waitTogether", [1], { deadlineAtMs: clock.now() + 100 });
    call(2, "waitTogether", [2], { deadlineAtMs: clock.now() + 200 });
    await clock.turn();
    call(3, "waitTogether", [3]);
    await clock.advance(200 + HUNG_GRACE_MS - 1);
    expect(instance.begun).toEqual([1, 2]);
    await clock.advance(1);
    expect(instance.begun).toEqual([1, 2, 3]);
    instance.open.get(3)!();
    expect(await sink.valueOf(3)).toBe(3);
  });

  it("makes its replica unhealthy when there are more of them than it may work on", async () => {
    const { replica, call, clock, instance } = hostHanging({ maxOngoingRequests: 2 });
    for (const id of [1, 2, 3]) {
      call(id, "wait", [id], { deadlineAtMs: clock.now() + 10 });
      await clock.advance(10 + HUNG_GRACE_MS);
      if (id < 3) await replica.checkHealth();
    }
    await expect(replica.checkHealth()).rejects.toThrow(
      "3 calls did not return by their deadline, nor since",
    );
    instance.open.get(1)!();
    await clock.turn();
    await replica.checkHealth();
  });
});

describe("a call under suspicion (D10)", () => {
  const suspicion = Suspicion.suspect;

  it("is announced before it begins, and begins when the one before it has ended", async () => {
    const { sink, call, clock, instance } = hostHanging();
    call(1, "wait", [1], { suspicion });
    call(2, "wait", [2], { suspicion });
    call(3, "wait", [3]);
    expect(instance.begun).toEqual([1, 3]);
    expect(sink.begunCalls).toEqual([{ id: 1, company: 0 }]);
    instance.open.get(1)!();
    await clock.turn();
    expect(instance.begun).toEqual([1, 3, 2]);
    expect(sink.begunCalls.at(-1)).toEqual({ id: 2, company: 0 });
    // Or it would be taken for running still when the second one ends the process.
    expect(sink.sentBefore.at(-1)).toBe(1);
  });

  it("never begins when it was cancelled or its deadline passed while it waited (D2)", async () => {
    const { replica, sink, call, clock, instance } = hostHanging();
    call(1, "wait", [1], { suspicion });
    call(2, "wait", [2], { suspicion, deadlineAtMs: clock.now() + 50 });
    call(3, "wait", [3], { suspicion });
    replica.cancel(3, sink);
    clock.block(60);
    instance.open.get(1)!();
    await clock.turn();
    expect(await sink.errorOf(2)).toMatchObject({ code: "DeadlineExceeded", started: "no" });
    expect(await sink.errorOf(3)).toMatchObject({ code: "Cancelled", started: "no" });
    expect(instance.begun).toEqual([1]);
    expect(replica.ongoing).toBe(0);
  });

  it("of a batched method is announced with its batch", async () => {
    const { sink, call, clock } = hostHanging();
    call(1, "waitTogether", [1], { suspicion });
    call(2, "waitTogether", [2]);
    await clock.turn();
    expect(sink.begunCalls).toEqual([{ id: 1, company: 1 }]);
  });
});

describe("a class that computes", () => {
  it("is known by its longest call, which it forgets slowly; one that waits says nothing", async () => {
    const { replica, sink, call, clock, instance } = hostHanging({ compute: true });
    const take = async (id: number, runMs: number) => {
      call(id, "wait", [id]);
      clock.block(runMs);
      instance.open.get(id)!();
      await sink.replyTo(id);
    };
    expect(replica.longestRunUs).toBe(500_000);
    await take(1, 2000);
    expect(replica.longestRunUs).toBe(2_250_000);
    await take(2, 10);
    expect(replica.longestRunUs).toBe(2_150_000);
    expect(hostHanging().replica.longestRunUs).toBe(0);
  });
});
