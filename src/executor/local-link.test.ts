/** Invariants D1 and D2 for calls that stay in their executor. */
import { describe, expect, it } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import { STREAM_WINDOW } from "../policy/stream-credit.ts";
import { type CallOutcome, type CostReport, type IncomingCall, NO_STATS } from "../wire/messages.ts";
import type { CallRequest } from "../wire/outstanding.ts";
import { Tensor } from "../wire/tensor.ts";
import type { HostedReplica, ReplySink, StreamSink } from "./hosted-replica.ts";
import { LocalLink } from "./local-link.ts";

interface AcceptedCall {
  readonly call: IncomingCall;
  readonly part: number;
  readonly from: ReplySink;
}

/** A replica whose replies the test makes. */
class ManualReplica implements HostedReplica {
  readonly gracefulShutdownMs = 1000;
  readonly target: number;
  readonly deployment = "manual";
  readonly backlogUs = 0;
  readonly queuedItems = 0;
  readonly longestRunUs = 0;
  readonly accepted: AcceptedCall[] = [];
  readonly cancelled: number[] = [];
  readonly withdrawn: unknown[] = [];

  constructor(target: number) {
    this.target = target;
  }
  get ongoing(): number {
    return this.accepted.length;
  }
  accept(call: IncomingCall, from: ReplySink, part: number): void {
    this.accepted.push({ call, part, from });
  }
  cancel(id: number): void {
    this.cancelled.push(id);
  }
  withdraw(...withdrawal: unknown[]): void {
    this.withdrawn.push(withdrawal);
  }
  async checkHealth(): Promise<void> {}
  async close(): Promise<void> {}
  batching() {
    return [];
  }

  cost(): CostReport | undefined {
    return undefined;
  }
  /** Replies to the call that it was given at this place. */
  reply(at: number, outcome: CallOutcome): void {
    const { call, from, part } = this.accepted[at]!;
    from.reply(call.id, outcome, NO_STATS, part);
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function linkTo(...targets: number[]) {
  const replicas = new Map(targets.map((target) => [target, new ManualReplica(target)]));
  const link = new LocalLink((target) => replicas.get(target));
  const outcomes: CallOutcome[] = [];
  const ended = Promise.withResolvers<CallOutcome>();
  const request = (fields: Partial<CallRequest> = {}): CallRequest => ({
    target: 1,
    method: "get",
    args: [1],
    requestId: "r-1",
    deadlineAtMs: performance.now() + 60_000,
    priority: 1,
    lean: false,
    idempotent: false,
    onEnd: (outcome) => {
      outcomes.push(outcome);
      ended.resolve(outcome);
    },
    ...fields,
  });
  return { link, replicas, replica: replicas.get(1)!, request, outcomes, ended: ended.promise };
}

describe("a call within an executor", () => {
  it("passes arguments and result on as they are", async () => {
    const { link, replica, request, ended } = linkTo(1);
    const args = [{ a: new Map() }];
    const value = new Set([1]);
    link.call(request({ args, requestId: "r-7", priority: 0, lean: false, idempotent: true }));
    await turn();
    expect(replica.accepted[0]?.call).toMatchObject({
      target: 1,
      method: "get",
      requestId: "r-7",
      priority: 0,
      lean: false,
      idempotent: true,
    });
    expect(replica.accepted[0]?.call.args).toBe(args);
    replica.reply(0, { ok: true, value });
    const outcome = await ended;
    expect(outcome.ok && outcome.value).toBe(value);
  });

  it("does not begin, and so cannot end, before its caller has its id", async () => {
    const { link, replica, request, outcomes } = linkTo(1);
    const id = link.call(request());
    expect(replica.accepted).toHaveLength(0);
    expect(outcomes).toHaveLength(0);
    expect(id).toBeGreaterThan(0);
  });

  it("ends once, whatever comes after (D1)", async () => {
    const { link, replica, request, outcomes } = linkTo(1);
    const id = link.call(request());
    await turn();
    replica.reply(0, { ok: true, value: 1 });
    replica.reply(0, { ok: true, value: 2 });
    link.cancel(id);
    expect(outcomes).toEqual([{ ok: true, value: 1 }]);
    expect(replica.cancelled).toEqual([]);
  });

  it("ends as not started when its replica is not there any more (D3)", async () => {
    const { link, request, ended } = linkTo(1);
    link.call(request({ target: 9 }));
    expect(await ended).toMatchObject({ ok: false, error: { code: "Unavailable", started: "no" } });
  });

  it("ends when it is cancelled, and its replica is told", async () => {
    const { link, replica, request, ended, outcomes } = linkTo(1);
    const id = link.call(request());
    await turn();
    link.cancel(id);
    expect(await ended).toMatchObject({ ok: false, error: { code: "Cancelled" } });
    expect(replica.cancelled).toEqual([id]);
    replica.reply(0, { ok: true, value: "too late" });
    link.cancel(id);
    expect(outcomes).toHaveLength(1);
  });

  it("is asked back from its replica, after its start, and ends as that says", async () => {
    const { link, replica, request, ended } = linkTo(1);
    const id = link.call(request());
    link.withdraw({ id, target: 1, part: 0, abort: true });
    await turn();
    expect(replica.accepted).toHaveLength(1);
    expect(replica.withdrawn).toEqual([[id, 0, link, true]]);
    replica.reply(0, { ok: true, value: "it had started" });
    expect(await ended).toEqual({ ok: true, value: "it had started" });
    link.withdraw({ id, target: 1, part: 0, abort: true });
    await turn();
    expect(replica.withdrawn).toHaveLength(1);
  });

  it("is visited while it is outstanding", () => {
    const { link, request } = linkTo(1);
    const asked = request();
    const id = link.call(asked);
    const seen: unknown[] = [];
    link.forEachRequest((one) => seen.push(one));
    expect(seen).toEqual([asked]);
    link.cancel(id);
    link.forEachRequest((one) => seen.push(one));
    expect(seen).toHaveLength(1);
  });

  it("never reaches its replica when it is cancelled in the same tick", async () => {
    const { link, replica, request, outcomes } = linkTo(1);
    link.cancel(link.call(request()));
    await turn();
    expect(replica.accepted).toHaveLength(0);
    expect(outcomes).toMatchObject([{ ok: false, error: { code: "Cancelled" } }]);
  });

  it("ends at its deadline, though its replica never answers (D2)", async () => {
    const { link, replica, request, ended, outcomes } = linkTo(1);
    link.call(request({ deadlineAtMs: performance.now() + 5 }));
    expect(await ended).toMatchObject({ ok: false, error: { code: "DeadlineExceeded" } });
    expect(replica.cancelled).toHaveLength(1);
    replica.reply(0, { ok: true, value: "too late" });
    expect(outcomes).toHaveLength(1);
  });

  it("ends each by its own deadline, in whatever order they were made", async () => {
    const { link, request } = linkTo(1);
    const order: string[] = [];
    const ends = [400, 5, 200].map((ms) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const onEnd = () => {
        order.push(`${ms}`);
        resolve();
      };
      link.call(request({ deadlineAtMs: performance.now() + ms, onEnd }));
      return promise;
    });
    await Promise.all(ends);
    expect(order).toEqual(["5", "200", "400"]);
  });

  it("gets rows of a shared result as its own", async () => {
    const { link, replica, request, ended } = linkTo(1);
    link.call(request());
    await turn();
    const { call, from, part } = replica.accepted[0]!;
    const y = new Tensor("float32", Float32Array.of(1, 2, 3), [3, 1]);
    from.replyRows(call.id, { y }, 1, 2, NO_STATS, part);
    const outcome = await ended;
    expect(outcome.ok && outcome.value).toMatchObject({ y: { dims: [2, 1], data: Float32Array.of(2, 3) } });
  });
});

describe("a fan-out within an executor", () => {
  function fanTo(...targets: number[]) {
    const made = linkTo(1, 2);
    const parts: CallOutcome[][] = targets.map(() => []);
    const id = made.link.callMany({
      ...made.request(),
      targets,
      onPart: (part, outcome) => parts[part]!.push(outcome),
      onRows: () => {
        throw new Error("rows are cut out within an executor");
      },
    });
    return { ...made, id, parts };
  }

  it("gives each part its own end, once (D1)", async () => {
    const { replicas, parts } = fanTo(1, 2, 9);
    await turn();
    replicas.get(2)!.reply(0, { ok: true, value: "second" });
    replicas.get(2)!.reply(0, { ok: true, value: "again" });
    const error = new TuttiError("ApplicationError", "no");
    replicas.get(1)!.reply(0, { ok: false, error });
    expect(parts[0]).toEqual([{ ok: false, error }]);
    expect(parts[1]).toEqual([{ ok: true, value: "second" }]);
    expect(parts[2]).toMatchObject([{ ok: false, error: { code: "Unavailable", started: "no" } }]);
  });

  it("ends the parts that are open when it is cancelled, and no others", async () => {
    const { link, replicas, parts, id } = fanTo(1, 2);
    await turn();
    replicas.get(1)!.reply(0, { ok: true, value: 1 });
    link.cancel(id);
    expect(parts).toMatchObject([[{ ok: true, value: 1 }], [{ ok: false, error: { code: "Cancelled" } }]]);
    expect(replicas.get(2)!.cancelled).toEqual([id]);
  });
});

describe("a stream within an executor", () => {
  const open = async () => {
    const { link, replica, request, outcomes } = linkTo(1);
    const chunks: unknown[] = [];
    const onChunk = (value: unknown, bytes: number) => void chunks.push([value, bytes]);
    const id = link.callStream({ ...request(), onChunk });
    await turn();
    let writable = 0;
    const source = { onWritable: () => void writable++, onBroken: () => {} };
    const { call, from } = replica.accepted[0]!;
    const writer = (from as StreamSink).openStream(call.id, source);
    const writeAll = (value: unknown, most = Number.POSITIVE_INFINITY) => {
      let written = 0;
      for (; written < most && writer.isWritable; written++) writer.write(value);
      return written;
    };
    const end = (outcome: CallOutcome = { ok: true, value: undefined }) => {
      writer.end();
      replica.reply(0, outcome);
    };
    return { link, id, call, replica, chunks, outcomes, writeAll, end, writable: () => writable };
  };

  it("passes items on as they are, and then its end (D1)", async () => {
    const { call, chunks, outcomes, writeAll, end } = await open();
    const item = { a: 1 };
    writeAll(item, 1);
    end({ ok: true, value: "returned" });
    expect(call.takesStream).toBe(true);
    expect((chunks[0] as [unknown])[0]).toBe(item);
    expect(outcomes).toEqual([{ ok: true, value: "returned" }]);
  });

  it("has the credit that any stream has (S1)", async () => {
    const { link, id, writeAll, writable } = await open();
    expect(writeAll(1)).toBe(STREAM_WINDOW.chunks);
    link.grant(id, { chunks: 3, bytes: 0 });
    expect([writable(), writeAll(1)]).toEqual([1, 3]);
  });

  it.each([
    ["texts", "x".repeat(STREAM_WINDOW.bytes / 4)],
    ["bytes", new Uint8Array(STREAM_WINDOW.bytes / 4)],
    ["tensors", new Tensor("uint8", new Uint8Array(STREAM_WINDOW.bytes / 4), [STREAM_WINDOW.bytes / 4])],
  ])("counts the bytes of %s", async (_, value) => {
    expect((await open()).writeAll(value)).toBe(4);
  });

  it("ends once for its reader when it is cancelled, and takes nothing after (D1)", async () => {
    const { link, id, replica, chunks, outcomes, writeAll, end } = await open();
    writeAll(1, 2);
    link.cancel(id);
    expect(replica.cancelled).toEqual([id]);
    writeAll(2, 2);
    link.grant(id, { chunks: 1, bytes: 0 });
    end();
    expect(chunks).toHaveLength(2);
    expect(outcomes).toMatchObject([{ error: { code: "Cancelled", started: "yes" } }]);
  });
});
