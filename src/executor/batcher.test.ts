/** Invariants D2 and D7 where replicas share a lane: waiting, giving up, learning; on a clock moved by hand. */
import { describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { DecisionLog } from "./batch-decisions.ts";
import { ModelLane } from "./model-lane.ts";
import { ModelReplica } from "./model-replica.ts";
import { column, FakeModelSession } from "./model-session.fake.ts";
import { incoming, RecordingSink } from "./reply-sink.fake.ts";

const RUN_MS = 10;

/** Models that take 10 ms for any batch, which their replicas know well. */
function lane() {
  const clock = new ManualClock();
  const decisions = new DecisionLog();
  const onLane = new ModelLane({ clock, decisions });
  const add = (target: number) => {
    const session = new FakeModelSession();
    const run = session.run.bind(session);
    let runMs = RUN_MS;
    session.run = async (inputs) => {
      await new Promise<void>((resolve) => clock.after(runMs, resolve));
      return run(inputs);
    };
    const spec = {
      kind: "model" as const,
      target,
      deployment: `m${target}`,
      index: 0,
      path: "",
      sha256: "",
      maxBatchRows: 16,
      maxOngoing: 100,
      maxQueueMs: undefined,
      gracefulShutdownMs: 1000,
      session: {},
    };
    const warm = Array.from({ length: 400 }, (_, i) => ({ rows: i % 2 === 0 ? 1 : 8, ms: RUN_MS }));
    const replica = new ModelReplica(spec, session, warm, onLane);
    onLane.add(replica);
    const sink = new RecordingSink();
    let id = 0;
    /** @returns the number of the call. */
    const call = (dueInMs: number): number => {
      id += 1;
      const fields = { target, args: [column(id)], deadlineAtMs: clock.now() + dueInMs };
      replica.accept(incoming(id, fields), sink, 0);
      return id;
    };
    return { session, replica, sink, call, slow: (ms: number) => (runMs = ms) };
  };
  return { clock, decisions, onLane, add };
}

type Model = ReturnType<ReturnType<typeof lane>["add"]>;

/** A call a millisecond, all with time enough: the replica learns how often calls come. */
async function learnTraffic({ call }: Model, clock: ManualClock, calls = 100): Promise<void> {
  for (let i = 0; i < calls; i++) {
    call(1000);
    await clock.advance(1);
  }
  await clock.advance(100);
}

describe("a replica alone on its lane", () => {
  it("waits for company while calls come whose deadline is short beside a run, and makes nobody late", async () => {
    const { clock, add, decisions } = lane();
    const model = add(1);
    await learnTraffic(model, clock);
    const before = model.session.runs.length;
    const ids = [model.call(15)];
    await clock.advance(1);
    expect(decisions.entries.at(-1)).toMatchObject({ kind: "wait", waitingItems: 1 });
    ids.push(model.call(15));
    await clock.advance(20);
    expect(model.session.runs.slice(before).map((run) => run.length)).toEqual([2]);
    for (const id of ids) expect((await model.sink.replyTo(id)).outcome.ok).toBe(true);
    expect((await model.sink.replyTo(ids[0]!)).stats.queueUs).toBeLessThanOrEqual(5000);
    expect(model.replica.batching()[0]!.waits).toBeGreaterThan(0);
  });

  it("leaves no timer behind when it is removed while it waits", async () => {
    const { clock, add, onLane } = lane();
    const model = add(1);
    await learnTraffic(model, clock);
    model.call(15);
    await clock.advance(0.5);
    expect(clock.pending).toBe(1);
    onLane.remove(1);
    await model.replica.close();
    expect(clock.pending).toBe(0);
  });

  it("ends at once what could not be on time, and gives its slot to the others", async () => {
    const { clock, add } = lane();
    const model = add(1);
    model.call(1000);
    await clock.advance(5);
    const [hopeless, fine] = [model.call(12), model.call(40)];
    await clock.advance(100);
    expect(await model.sink.errorOf(hopeless)).toMatchObject({ code: "DeadlineExceeded", started: "no" });
    expect((await model.sink.replyTo(fine)).outcome.ok).toBe(true);
    expect(model.replica.batching()[0]).toMatchObject({ hopeless: 1, givenUp: 0 });
  });

  it("runs one of many hopeless calls to learn, so that a cost that was wrong does not stay", async () => {
    const { clock, add } = lane();
    const model = add(1);
    model.slow(0.1);
    let answered = 0;
    for (let i = 0; i < 2000 && answered < 50; i++) {
      const id = model.call(5);
      await clock.advance(6);
      if ((await model.sink.replyTo(id)).outcome.ok) answered += 1;
    }
    expect(answered).toBe(50);
    expect(model.replica.batching()[0]!.reasons.probe).toBeGreaterThan(0);
  });

  it("has smaller batches while runs take longer than was promised, again and again", async () => {
    const { clock, add } = lane();
    const model = add(1);
    model.slow(60);
    for (let i = 0; i < 3; i++) {
      model.call(30);
      await clock.advance(100);
    }
    expect(model.replica.batching()[0]!.capRows).toBeLessThan(16);
  });
});

describe("replicas that share a lane", () => {
  it("never wait while another has work", async () => {
    const { clock, add } = lane();
    const [waits, other] = [add(1), add(2)];
    await learnTraffic(waits, clock);
    const [before, at] = [waits.session.runs.length, clock.now()];
    waits.call(15);
    await clock.advance(0.5);
    expect(waits.session.runs.length).toBe(before);
    const id = other.call(1000);
    await clock.advance(25);
    expect((await other.sink.replyTo(id)).outcome.ok).toBe(true);
    // The one that waited ran at once, since it was the more urgent, and the other right after it.
    expect((await other.sink.replyTo(id)).stats.queueUs).toBeCloseTo(RUN_MS * 1000, 0);
    expect(clock.now() - at).toBeLessThan(30);
  });
});

describe("a lane that has changed its speed", () => {
  const costOf = ({ replica }: Model): number => {
    const { fixedUs, itemUs } = replica.cost();
    return fixedUs + itemUs;
  };

  it("is found out by five runs, for all its models, and all of them are told", async () => {
    const { clock, add, onLane } = lane();
    const models = [1, 2, 3, 4, 5, 6].map(add);
    for (const { slow } of models) slow(10 * RUN_MS);
    for (const model of models.slice(0, 4)) model.call(10_000);
    await clock.advance(400);
    expect(costOf(models[5]!)).toBeCloseTo(1000 * RUN_MS);
    models[4]!.call(10_000);
    await clock.advance(100);
    expect(costOf(models[5]!)).toBeCloseTo(10_000 * RUN_MS);
    expect(onLane.lastRan.map(({ target }) => target)).toEqual([1, 2, 3, 4, 5, 6]);
    await clock.advance(200);
    expect(onLane.lastRan.length).toBe(4);
    for (const { slow } of models) slow(RUN_MS);
    for (const model of models.slice(0, 5)) model.call(10_000);
    await clock.advance(100);
    expect(costOf(models[5]!)).toBeLessThan(1001 * RUN_MS);
  });

  it("is not one on which a single model has", async () => {
    const { clock, add } = lane();
    const [slow, other] = [add(1), add(2)];
    slow.slow(10 * RUN_MS);
    for (let i = 0; i < 8; i++) {
      slow.call(10_000);
      await clock.advance(150);
    }
    expect(costOf(slow)).toBeGreaterThan(2000 * RUN_MS);
    expect(costOf(other)).toBeCloseTo(1000 * RUN_MS);
  });
});

describe("what is told of batches", () => {
  it("counts them by size and by reason", async () => {
    const { clock, add } = lane();
    const model = add(1);
    for (let i = 0; i < 20; i++) model.call(1000);
    await clock.advance(100);
    const [status] = model.replica.batching();
    expect(status).toMatchObject({
      target: 1,
      name: "m1",
      reasons: { full: 1, all: 1, urgent: 0, efficient: 0, probe: 0 },
      sizes: [
        { upToRows: 4, batches: 1 },
        { upToRows: 16, batches: 1 },
      ],
      waits: 0,
      capRows: 16,
    });
  });

  it("keeps the last decisions only", () => {
    const log = new DecisionLog(2);
    for (const atMs of [1, 2, 3]) {
      log.record({
        atMs,
        name: "m",
        kind: "run",
        waitingItems: 1,
        runItems: 1,
        droppedItems: 0,
        reason: "all",
        untilMs: undefined,
      });
    }
    expect(log.entries.map(({ atMs }) => atMs)).toEqual([2, 3]);
  });
});
