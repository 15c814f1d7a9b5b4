/** Invariant D7, and the lane that shares one thread among replicas. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Suspicion } from "../policy/suspicion.ts";
import { Tensor } from "../wire/tensor.ts";
import type { ModelSpecToHost } from "./control-messages.ts";
import { ModelLane } from "./model-lane.ts";
import { ModelReplica } from "./model-replica.ts";
import { column, type FakeModelKnobs, FakeModelSession, valuesOf } from "./model-session.fake.ts";
import { incoming, RecordingSink } from "./reply-sink.fake.ts";

const SPEC: ModelSpecToHost = {
  kind: "model",
  target: 1,
  deployment: "m",
  index: 0,
  path: "/m.onnx",
  sha256: "",
  maxBatchRows: 16,
  maxOngoing: 100,
  maxQueueMs: undefined,
  gracefulShutdownMs: 1000,
  session: {},
};

const POLL = { interval: 1, timeout: 10_000 };

const soon = () => performance.now() + 60_000;

/** One model on a lane. */
function host(knobs: FakeModelKnobs = {}, spec: Partial<ModelSpecToHost> = {}, lane = new ModelLane()) {
  const session = new FakeModelSession(knobs);
  const replica = new ModelReplica({ ...SPEC, ...spec }, session, [{ rows: 1, ms: 0.01 }], lane);
  lane.add(replica);
  const sink = new RecordingSink();
  /** Calls it with one row; the id is the row's value. */
  const call = (id: number, fields: Parameters<typeof incoming>[1] = {}) =>
    replica.accept(incoming(id, { args: [column(id)], deadlineAtMs: soon(), ...fields }), sink, 0);
  /** Call 0 runs, and goes on running until the session is released: what comes now waits. */
  const occupy = async () => {
    session.hold();
    call(0);
    await expect.poll(() => session.runs.length, POLL).toBe(1);
  };
  return { session, replica, lane, sink, call, occupy };
}

describe("a model replica", () => {
  it("gives each call its own rows of the batch", async () => {
    const { session, sink, call, replica } = host();
    session.hold();
    call(1);
    for (const id of [2, 3, 4]) call(id);
    replica.accept(incoming(9, { args: [{ x: column(10, 20) }] }), sink, 0);
    session.release();
    for (const id of [1, 2, 3, 4]) expect(valuesOf(await sink.valueOf(id))).toEqual([id * 2]);
    expect(valuesOf(await sink.valueOf(9))).toEqual([20, 40]);
  });

  it("gives everyone what is theirs, whatever sizes arrive in whatever order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 20 }),
        async (sizes) => {
          const { session, sink, replica } = host();
          session.hold();
          const inputs = sizes.map((rows, id) => Array.from({ length: rows }, (_, row) => id * 32 + row));
          inputs.forEach((values, id) => {
            replica.accept(incoming(id, { args: [column(...values)] }), sink, 0);
          });
          session.release();
          for (const [id, values] of inputs.entries()) {
            expect(valuesOf(await sink.valueOf(id))).toEqual(values.map((value) => value * 2));
          }
          for (const run of session.runs) expect(run.length <= 16 || sizes.includes(run.length)).toBe(true);
          expect(replica.ongoing).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("forms its batch when the slot is free: it grows with what arrived meanwhile, up to the cap (D7)", async () => {
    const { session, sink, call, occupy } = host();
    await occupy();
    for (let id = 1; id <= 20; id++) call(id);
    session.release();
    await sink.replyTo(20);
    expect(session.runs.map((run) => run.length)).toEqual([1, 16, 4]);
    const { stats } = await sink.replyTo(5);
    expect(stats.batchItems).toBe(16);
    expect(stats.runUs).toBeGreaterThan(0);
  });

  it("runs together what one turn of the event loop brings to an idle lane", async () => {
    const { session, sink, call } = host();
    for (const id of [1, 2, 3]) call(id);
    await sink.replyTo(3);
    expect(session.runs).toEqual([[1, 2, 3]]);
  });

  it("runs the most urgent first", async () => {
    const { session, sink, call, occupy } = host({}, { maxBatchRows: 1 });
    await occupy();
    call(1, { deadlineAtMs: performance.now() + 50_000 });
    call(2, { deadlineAtMs: performance.now() + 40_000 });
    call(3, { priority: 0 });
    session.release();
    await sink.replyTo(1);
    expect(session.runs).toEqual([[0], [3], [2], [1]]);
  });

  it("sends small results as rows of one shared batch, large ones cut out for each call", async () => {
    for (const [width, shared] of [
      [1, 3],
      [64, 3],
      [65, 0],
    ] as const) {
      const { session, sink, call, occupy } = host({ width });
      await occupy();
      for (const id of [1, 2, 3]) call(id);
      session.release();
      expect(valuesOf(await sink.valueOf(3))).toEqual(new Array(width).fill(6));
      expect(sink.rowReplies >= shared).toBe(true);
      if (shared === 0) expect(sink.rowReplies).toBe(0);
    }
  });

  it("takes one call at a time where the model has no batch axis", async () => {
    const { session, sink, call } = host({ batchAxis: false });
    session.hold();
    for (const id of [0, 1, 2]) call(id);
    session.release();
    for (const id of [0, 1, 2]) expect(valuesOf(await sink.valueOf(id))).toEqual([id * 2]);
    expect(session.runs).toEqual([[0], [1], [2]]);
  });

  it("refuses what the model does not take, naming it, without a run", async () => {
    const { session, sink, replica } = host();
    const wrong = new Tensor("float64", Float64Array.of(1), [1, 1]);
    replica.accept(incoming(1, { args: [wrong] }), sink, 0);
    replica.accept(incoming(2, { args: [] }), sink, 0);
    replica.accept(incoming(3, { args: ["text"] }), sink, 0);
    replica.accept(incoming(4, { args: [{ z: column(1) }] }), sink, 0);
    for (const id of [1, 2, 3, 4]) {
      expect(await sink.errorOf(id)).toMatchObject({ code: "TensorMismatch", started: "no" });
    }
    expect(session.runs).toEqual([]);
  });

  it.each(["run", "constructor", "__proto__", "predict2", ""])("has no method %j", async (method) => {
    const { sink, call } = host();
    call(1, { method });
    expect(await sink.errorOf(1)).toMatchObject({ code: "NotFound", started: "no" });
  });

  it("refuses more than may wait, at once and with a time to come back (D4)", async () => {
    const { session, sink, call, occupy } = host({}, { maxOngoing: 2 });
    await occupy();
    for (const id of [1, 2, 3]) call(id);
    expect(await sink.errorOf(3)).toMatchObject({ code: "Overloaded", started: "no", retryAfterSeconds: 1 });
    session.release();
    for (const id of [0, 1, 2]) expect(valuesOf(await sink.valueOf(id))).toEqual([id * 2]);
  });

  it("never starts what expired or was cancelled while it waited (D2)", async () => {
    const { session, sink, call, replica, occupy } = host();
    await occupy();
    call(1, { deadlineAtMs: performance.now() });
    call(2);
    call(3);
    replica.cancel(2, sink);
    session.release();
    expect((await sink.errorOf(1)).code).toBe("DeadlineExceeded");
    expect((await sink.errorOf(2)).code).toBe("Cancelled");
    expect(valuesOf(await sink.valueOf(3))).toEqual([6]);
    expect(session.runs).toEqual([[0], [3]]);
  });

  it("ends what waits when it closes, lets the running batch end, and frees the model", async () => {
    const { session, sink, call, replica, occupy } = host();
    await occupy();
    call(1);
    const closed = replica.close();
    expect(await sink.errorOf(1)).toMatchObject({ code: "Draining", started: "no" });
    call(2);
    expect(await sink.errorOf(2)).toMatchObject({ code: "Draining", started: "no" });
    session.release();
    await closed;
    expect(valuesOf(await sink.valueOf(0))).toEqual([0]);
    expect(session.isClosed).toBe(true);
    expect(replica.ongoing).toBe(0);
  });
});

describe("calls under suspicion (D10)", () => {
  it("are announced before they run, and their replies have left before the next batch begins", async () => {
    const { sink, call, session, occupy } = host();
    await occupy();
    call(1, { suspicion: Suspicion.alone });
    call(2, { suspicion: Suspicion.suspect });
    call(3, { suspicion: Suspicion.suspect });
    session.release();
    await sink.replyTo(3);
    expect(session.runs).toEqual([[0], [1], [2, 3]]);
    expect(sink.begunCalls).toEqual([
      { id: 1, company: 0 },
      { id: 2, company: 1 },
      { id: 3, company: 1 },
    ]);
    // That of call 1, and that of call 0 with it.
    expect(sink.sentBefore).toEqual([0, 2, 2]);
  });
});

describe("a batch that fails (D7)", () => {
  const failOn = (...bad: number[]) => ({
    onRun: (values: readonly number[]) => {
      if (values.some((value) => bad.includes(value))) throw new Error(`cannot take ${values.join(",")}`);
    },
  });

  it("has its items run alone once, so that only the culprit fails", async () => {
    const { session, sink, call, occupy } = host(failOn(3));
    await occupy();
    for (const id of [1, 2, 3, 4]) call(id);
    session.release();
    for (const id of [1, 2, 4]) expect(valuesOf(await sink.valueOf(id))).toEqual([id * 2]);
    expect(await sink.errorOf(3)).toMatchObject({
      code: "ApplicationError",
      started: "yes",
      message: "cannot take 3",
    });
    expect(session.runs).toEqual([[0], [1, 2, 3, 4], [1], [2], [3], [4]]);
  });

  it("fails as a whole, as started, for calls that must not be repeated", async () => {
    const { session, sink, call, occupy } = host(failOn(3));
    await occupy();
    for (const id of [1, 2, 3]) call(id, { idempotent: id === 1 });
    session.release();
    expect(valuesOf(await sink.valueOf(1))).toEqual([2]);
    for (const id of [2, 3])
      expect(await sink.errorOf(id)).toMatchObject({ code: "ApplicationError", started: "yes" });
    expect(session.runs).toEqual([[0], [1, 2, 3], [1]]);
  });

  it("of one item is not run again", async () => {
    const { session, sink, call } = host(failOn(1));
    call(1);
    expect((await sink.errorOf(1)).code).toBe("ApplicationError");
    expect(session.runs).toEqual([[1]]);
  });

  it("does not have an item run alone whose deadline has passed meanwhile (D2)", async () => {
    const expiresAtMs = performance.now() + 300;
    const { session, sink, call, occupy } = host({
      onRun: (values) => {
        if (!values.includes(2) || values.length === 1) return;
        // A native run blocks its thread: this one until the deadline of the second item has passed.
        while (performance.now() <= expiresAtMs);
        throw new Error("no");
      },
    });
    await occupy();
    call(1);
    call(2, { deadlineAtMs: expiresAtMs, priority: 0 });
    session.release();
    expect(await sink.errorOf(2)).toMatchObject({ code: "DeadlineExceeded" });
    expect(valuesOf(await sink.valueOf(1))).toEqual([2]);
    expect(session.runs).toEqual([[0], [2, 1], [1]]);
  });

  it.each([1, -1, 5])(
    "with %d rows too many fails loudly as a whole: nobody gets another's rows",
    async (extraRows) => {
      const { session, sink, call, occupy } = host({ extraRows });
      await occupy();
      for (const id of [1, 2, 3]) call(id);
      session.release();
      for (const id of [1, 2, 3]) {
        const error = await sink.errorOf(id);
        expect(error).toMatchObject({ code: "BatchSizeMismatch", started: "yes" });
        expect(error.message).toBe(`m: output y has ${3 + extraRows} rows for a batch of 3`);
      }
      expect(session.runs).toEqual([[0], [1, 2, 3]]);
    },
  );

  it("does not hold up those that come after it", async () => {
    const { sink, call } = host(failOn(1));
    call(1);
    await sink.errorOf(1);
    call(2);
    expect(valuesOf(await sink.valueOf(2))).toEqual([4]);
  });
});

describe("a lane", () => {
  it("runs one batch at a time over all its replicas", async () => {
    const lane = new ModelLane();
    let running = 0;
    const models = [1, 2, 3].map((target) =>
      host({ onRun: () => expect(running).toBe(1) }, { target, deployment: `m${target}` }, lane),
    );
    for (const { session } of models) {
      const run = session.run.bind(session);
      session.run = async (inputs) => {
        running += 1;
        try {
          return await run(inputs);
        } finally {
          running -= 1;
        }
      };
    }
    for (let id = 0; id < 10; id++) for (const { call } of models) call(id);
    for (const { sink } of models) expect(valuesOf(await sink.valueOf(9))).toEqual([18]);
  });

  it("does not let a slow model hold up a quick one beyond one batch", async () => {
    const lane = new ModelLane();
    const order: string[] = [];
    const slow = host({ onRun: () => order.push("slow") }, { target: 1, maxBatchRows: 1 }, lane);
    const quick = host({ onRun: () => order.push("quick") }, { target: 2 }, lane);
    await slow.occupy();
    for (let id = 1; id < 5; id++) slow.call(id, { deadlineAtMs: performance.now() + 50_000 });
    for (let id = 0; id < 3; id++) quick.call(id, { deadlineAtMs: performance.now() + 10_000 });
    slow.session.release();
    await slow.sink.replyTo(4);
    expect(order).toEqual(["slow", "quick", "slow", "slow", "slow", "slow"]);
    expect(quick.session.runs).toEqual([[0, 1, 2]]);
  });

  it("goes on with the others after a replica was removed", async () => {
    const lane = new ModelLane();
    const gone = host({}, { target: 1 }, lane);
    const stays = host({}, { target: 2 }, lane);
    gone.call(1);
    await expect.poll(() => lane.lastRan, POLL).toEqual([gone.replica]);
    lane.remove(1);
    await gone.replica.close();
    stays.call(2);
    expect(valuesOf(await stays.sink.valueOf(2))).toEqual([4]);
    await expect.poll(() => lane.lastRan, POLL).toEqual([stays.replica]);
  });

  it("reports what waits as time, and nothing when all is done", async () => {
    const { session, sink, call, lane, replica, occupy } = host();
    expect(lane.backlogUs).toBe(0);
    await occupy();
    const alone = lane.backlogUs;
    for (let id = 1; id <= 8; id++) call(id);
    expect(lane.backlogUs).toBeGreaterThan(alone);
    expect(replica.queuedItems).toBe(8);
    expect(replica.ongoing).toBe(9);
    session.release();
    await sink.replyTo(8);
    await expect.poll(() => lane.backlogUs, POLL).toBe(0);
    expect(replica.ongoing).toBe(0);
  });

  it("tells the learned cost of the replicas that ran last", async () => {
    const lane = new ModelLane();
    const models = [1, 2, 3, 4, 5, 6].map((target) => host({}, { target }, lane));
    for (const { call, sink } of models) {
      call(1);
      await sink.replyTo(1);
    }
    await expect.poll(() => lane.lastRan.map(({ target }) => target), POLL).toEqual([6, 5, 4, 3]);
    const cost = lane.lastRan[0]!.cost();
    expect(cost.target).toBe(6);
    expect(cost.fixedUs + cost.itemUs).toBeGreaterThan(0);
  });
});
