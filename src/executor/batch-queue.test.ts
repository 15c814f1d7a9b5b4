/** Invariants D2 and D4 as a queue upholds them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import { emptyCostTable, learnCost } from "../policy/cost-table.ts";
import { Suspicion } from "../policy/suspicion.ts";
import { announceSuspects, BatchQueue, type BatchQueueLimits, type QueuedItem } from "./batch-queue.ts";
import { incoming, RecordingSink } from "./reply-sink.fake.ts";

const NOW_MS = 1000;

const queueOf = (limits: Partial<BatchQueueLimits> = {}) =>
  new BatchQueue<string>({ maxItems: 1000, maxQueueMs: undefined, ...limits });

/** What may run now, at most so many, as a batcher takes it. */
function take(queue: BatchQueue<string>, nowMs = NOW_MS, count = 1000): readonly QueuedItem<string>[] {
  queue.sweep(undefined, nowMs);
  return queue.take(count);
}

interface ItemFields {
  readonly priority?: number;
  readonly dueInMs?: number;
  readonly rows?: number;
  readonly queuedAtMs?: number;
}

function item(sink: RecordingSink, id: number, fields: ItemFields = {}): QueuedItem<string> {
  const { priority = 1, dueInMs = 100, rows = 1, queuedAtMs = NOW_MS } = fields;
  const deadlineAtMs = NOW_MS + dueInMs;
  return {
    call: incoming(id, { priority, deadlineAtMs }),
    part: 0,
    from: sink,
    input: `i${id}`,
    rows,
    deadlineAtMs,
    queuedAtMs,
    busyBeforeMs: 0,
  };
}

const ids = (items: readonly QueuedItem<string>[]) => items.map(({ call }) => call.id);

const anyFields = fc.record({
  priority: fc.nat(2),
  dueInMs: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(Number.POSITIVE_INFINITY)),
  rows: fc.integer({ min: 1, max: 5 }),
});

describe("a batch queue", () => {
  it("gives out by priority, then by deadline, then by arrival, each item once", () => {
    fc.assert(
      fc.property(
        fc.array(anyFields, { maxLength: 40 }),
        fc.integer({ min: 1, max: 20 }),
        (fields, count) => {
          const queue = queueOf();
          const sink = new RecordingSink();
          fields.forEach((one, id) => {
            expect(queue.push(item(sink, id, one))).toBe(true);
          });
          const taken: number[] = [];
          while (queue.length > 0) taken.push(...ids(take(queue, NOW_MS, count)));
          const byUrgency = fields
            .map((one, id) => ({ ...one, id }))
            .sort(
              (a, b) =>
                a.priority - b.priority ||
                (a.dueInMs === b.dueInMs ? 0 : a.dueInMs - b.dueInMs) ||
                a.id - b.id,
            );
          expect(taken).toEqual(byUrgency.map(({ id }) => id));
          expect(queue.rows).toBe(0);
          expect(sink.replies).toHaveLength(0);
        },
      ),
    );
  });

  it("knows its length, its rows and its most urgent item", () => {
    const queue = queueOf();
    const sink = new RecordingSink();
    expect(queue.head).toBeUndefined();
    queue.push(item(sink, 1, { rows: 3 }));
    queue.push(item(sink, 2, { rows: 2, dueInMs: 5 }));
    expect([queue.length, queue.rows, queue.head?.call.id]).toEqual([2, 5, 2]);
  });

  it("takes as many items as it may and no more (D4)", () => {
    const queue = queueOf({ maxItems: 2 });
    const sink = new RecordingSink();
    expect([1, 2, 3].map((id) => queue.push(item(sink, id)))).toEqual([true, true, false]);
    expect([queue.length, queue.rows]).toEqual([2, 2]);
    take(queue);
    expect(queue.push(item(sink, 4))).toBe(true);
  });

  it("never starts what has expired: it leaves with its reply (D2)", async () => {
    const queue = queueOf();
    const sink = new RecordingSink();
    queue.push(item(sink, 1, { dueInMs: 10 }));
    queue.push(item(sink, 2, { dueInMs: 50 }));
    expect(ids(take(queue, NOW_MS + 10))).toEqual([2]);
    expect(await sink.errorOf(1)).toMatchObject({ code: "DeadlineExceeded", started: "no" });
    expect((await sink.replyTo(1)).stats).toMatchObject({ queueUs: 10_000, batchItems: 0 });
    expect([queue.length, queue.rows]).toEqual([0, 0]);
  });

  it("never starts what was cancelled", async () => {
    const queue = queueOf();
    const [sink, other] = [new RecordingSink(), new RecordingSink()];
    queue.push(item(sink, 1));
    queue.push(item(other, 1));
    queue.push(item(sink, 2));
    queue.cancel(1, sink);
    expect(take(queue).map(({ from, call }) => [from === sink, call.id])).toEqual([
      [false, 1],
      [true, 2],
    ]);
    expect(await sink.errorOf(1)).toMatchObject({ code: "Cancelled", started: "no" });
    expect(other.replies).toHaveLength(0);
  });

  it("gives back what is withdrawn at once, that part of that caller alone, and nothing that it does not have", async () => {
    const queue = queueOf();
    const [sink, other] = [new RecordingSink(), new RecordingSink()];
    queue.push({ ...item(sink, 1), part: 0 });
    queue.push({ ...item(sink, 1, { rows: 3 }), part: 1 });
    queue.push({ ...item(other, 1), part: 1 });
    expect(queue.withdraw(1, 1, sink, NOW_MS + 5)).toBe(true);
    expect(await sink.errorOf(1, 1)).toMatchObject({ code: "Cancelled", started: "no" });
    expect(sink.replies[0]?.stats).toEqual({ queueUs: 5000, runUs: 0, batchItems: 0 });
    expect([queue.length, queue.rows]).toEqual([2, 2]);
    expect(queue.withdraw(1, 1, sink, NOW_MS)).toBe(false);
    expect(queue.withdraw(2, 0, sink, NOW_MS)).toBe(false);
    expect(take(queue).map(({ from, part }) => [from === sink, part])).toEqual([
      [true, 0],
      [false, 1],
    ]);
    expect(queue.withdraw(1, 0, sink, NOW_MS)).toBe(false);
    expect(sink.replies).toHaveLength(1);
  });

  it("forgets a cancellation of what it does not have, so that an id can come again", () => {
    const queue = queueOf();
    const sink = new RecordingSink();
    queue.cancel(1, sink);
    queue.push(item(sink, 1));
    expect(ids(take(queue))).toEqual([1]);
    queue.push(item(sink, 2));
    queue.cancel(3, sink);
    take(queue);
    queue.push(item(sink, 3));
    expect(ids(take(queue))).toEqual([3]);
  });

  it("gives out an item that must run alone as a batch of its own, in its turn (D10)", () => {
    const queue = queueOf();
    const sink = new RecordingSink();
    for (const id of [1, 2, 3, 4]) {
      const waiting = item(sink, id, { dueInMs: id * 10 });
      const suspicion = id === 3 ? Suspicion.alone : Suspicion.suspect;
      queue.push({ ...waiting, call: { ...waiting.call, suspicion } });
    }
    expect(ids(take(queue))).toEqual([1, 2]);
    expect(ids(take(queue))).toEqual([3]);
    expect(ids(take(queue))).toEqual([4]);
  });

  it("has its suspects announced with how many run beside them, and nobody else (D10)", () => {
    const sink = new RecordingSink();
    const [innocent, suspect] = [item(sink, 1), item(sink, 2)];
    announceSuspects([
      innocent,
      { ...suspect, call: { ...suspect.call, suspicion: Suspicion.suspect } },
      { ...item(sink, 3), call: incoming(3, { suspicion: Suspicion.none }) },
    ]);
    expect(sink.begunCalls).toEqual([{ id: 2, company: 2 }]);
  });

  it("refuses what has waited longer than it may, and only that", async () => {
    const queue = queueOf({ maxQueueMs: 20 });
    const sink = new RecordingSink();
    queue.push(item(sink, 1, { queuedAtMs: NOW_MS - 21 }));
    queue.push(item(sink, 2, { queuedAtMs: NOW_MS - 20 }));
    expect(ids(take(queue))).toEqual([2]);
    expect(await sink.errorOf(1)).toMatchObject({
      code: "Overloaded",
      started: "no",
      message: "the call waited longer than 20 ms",
    });
  });

  it("gives nothing, and replies to all, when all are dead", () => {
    const queue = queueOf();
    const sink = new RecordingSink();
    for (const id of [1, 2, 3]) queue.push(item(sink, id, { dueInMs: 1 }));
    expect(take(queue, NOW_MS + 5)).toEqual([]);
    expect(sink.replies).toHaveLength(3);
    expect(queue.length).toBe(0);
  });

  it("ends everything that waits when it is cleared", async () => {
    const queue = queueOf();
    const sink = new RecordingSink();
    for (const id of [1, 2]) queue.push(item(sink, id, { rows: 4 }));
    queue.clear(new TuttiError("Draining", "stopping", { started: "no" }));
    expect((await sink.errorOf(1)).code).toBe("Draining");
    expect((await sink.errorOf(2)).code).toBe("Draining");
    expect([queue.length, queue.rows]).toEqual([0, 0]);
  });

  it("replies once to each item, however it ends (D1)", () => {
    const anyEnd = fc.constantFrom("runs", "expires", "cancelled", "withdrawn", "waits too long");
    fc.assert(
      fc.property(fc.array(anyEnd, { maxLength: 30 }), fc.integer({ min: 1, max: 6 }), (ends, count) => {
        const queue = queueOf({ maxQueueMs: 50 });
        const sink = new RecordingSink();
        ends.forEach((end, id) => {
          const queuedAtMs = end === "waits too long" ? NOW_MS - 100 : NOW_MS;
          queue.push(item(sink, id, { dueInMs: end === "expires" ? 0 : 1000, queuedAtMs }));
          if (end === "cancelled") queue.cancel(id, sink);
          if (end === "withdrawn") queue.withdraw(id, 0, sink, NOW_MS);
        });
        const taken: number[] = [];
        while (queue.length > 0) taken.push(...ids(take(queue, NOW_MS, count)));
        const replied = sink.replies.map(({ id }) => id);
        expect([...taken, ...replied].sort((a, b) => a - b)).toEqual(ends.map((_, id) => id));
        expect(taken).toEqual(ends.flatMap((end, id) => (end === "runs" ? [id] : [])));
        expect(queue.rows).toBe(0);
      }),
    );
  });

  it("ends what could not be on time even if it was run at once, and tells of it (D2)", async () => {
    const lost: string[] = [];
    const queue = queueOf({ onLost: (_, __, ended) => lost.push(ended) });
    const sink = new RecordingSink();
    const costs = emptyCostTable();
    for (let i = 0; i < 200; i++) for (const rows of [1, 4]) learnCost(costs, rows, 10_000 * rows);
    queue.push(item(sink, 1, { dueInMs: 9 }));
    queue.push(item(sink, 2, { dueInMs: 11 }));
    queue.push(item(sink, 3, { dueInMs: 30, rows: 4 }));
    queue.push(item(sink, 4, { dueInMs: 50, rows: 4 }));
    expect(queue.sweep(costs, NOW_MS)).toBe(2);
    expect(await sink.errorOf(1)).toMatchObject({
      code: "DeadlineExceeded",
      started: "no",
      message: "with 9 ms left, the call could not be answered in time",
    });
    expect((await sink.errorOf(3)).code).toBe("DeadlineExceeded");
    expect(ids(queue.items)).toEqual([2, 4]);
    expect(queue.rows).toBe(5);
    expect(lost).toEqual(["expired", "expired"]);
    expect(queue.sweep(undefined, NOW_MS + 2)).toBe(0);
  });

  it("gives up the first, with their replies", async () => {
    const queue = queueOf();
    const sink = new RecordingSink();
    for (const id of [1, 2, 3]) queue.push(item(sink, id));
    queue.giveUp(2, NOW_MS);
    expect((await sink.errorOf(2)).code).toBe("DeadlineExceeded");
    expect(ids(take(queue))).toEqual([3]);
    expect(queue.rows).toBe(0);
  });

  it("tells how each ended that did not run", () => {
    const lost: string[] = [];
    const queue = queueOf({
      maxQueueMs: 20,
      onLost: ({ call }, _, ended) => lost.push(`${call.id} ${ended}`),
    });
    const sink = new RecordingSink();
    queue.push(item(sink, 1, { dueInMs: 0 }));
    queue.push(item(sink, 2));
    queue.push(item(sink, 3, { queuedAtMs: NOW_MS - 30 }));
    queue.push(item(sink, 4));
    queue.cancel(2, sink);
    expect(ids(take(queue))).toEqual([4]);
    expect(lost.sort()).toEqual(["1 expired", "2 cancelled", "3 refused"]);
  });
});
