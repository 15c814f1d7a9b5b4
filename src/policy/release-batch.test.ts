/** The policy's part of invariants D2 and D7. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emptyCostTable, learnCost, predictCostUs } from "./cost-table.ts";
import {
  type BatchDecision,
  type ReleaseState,
  releaseBatch,
  soonestMs,
  type WaitingItem,
} from "./release-batch.ts";

const NOW_MS = 1000;
const SIZES = [1, 2, 4, 8, 16, 32, 64];

/** A table that knows this curve (in µs) exactly. */
function knows(curve: (rows: number) => number) {
  const table = emptyCostTable();
  for (let round = 0; round < 400; round++) for (const rows of SIZES) learnCost(table, rows, curve(rows));
  return table;
}

interface StateFields extends Partial<Omit<ReleaseState, "arrivalsPerMs" | "loadFraction">> {
  readonly perMs?: number;
  readonly load?: number;
}

function state({ perMs = 0, load = 0.5, ...fields }: StateFields = {}): ReleaseState {
  return {
    capRows: 16,
    costs: emptyCostTable(),
    maxQueueMs: undefined,
    mayWait: true,
    lostFraction: 0,
    arrivalsPerMs: () => perMs,
    loadFraction: () => load,
    ...fields,
  };
}

/** @param budgetMs from its arrival to its deadline. */
const waiting = (dueInMs: number, { rows = 1, priority = 1, budgetMs = dueInMs } = {}): WaitingItem => ({
  rows,
  deadlineAtMs: NOW_MS + dueInMs,
  queuedAtMs: NOW_MS + dueInMs - budgetMs,
  call: { priority },
});

const many = (count: number, dueInMs: number, fields: Parameters<typeof waiting>[1] = {}): WaitingItem[] =>
  Array.from({ length: count }, () => waiting(dueInMs, fields));

const decide = (items: readonly WaitingItem[], fields: StateFields = {}): BatchDecision =>
  releaseBatch(items, state(fields), NOW_MS);

const anyItem = fc.record({
  rows: fc.integer({ min: 1, max: 24 }),
  dueInMs: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constant(Number.POSITIVE_INFINITY)),
  priority: fc.integer({ min: 0, max: 2 }),
});

/** By priority, then by deadline, as a queue gives them. */
const anyQueue = fc.array(anyItem, { minLength: 1, maxLength: 40 }).map((items) =>
  items
    .sort((a, b) => a.priority - b.priority || (a.dueInMs === b.dueInMs ? 0 : a.dueInMs < b.dueInMs ? -1 : 1))
    .map(({ rows, dueInMs, priority }) => ({
      ...waiting(dueInMs, { rows, priority, budgetMs: 0 }),
      queuedAtMs: NOW_MS,
    })),
);

const anyCosts = fc
  .record({ fixedUs: fc.integer({ min: 0, max: 20_000 }), itemUs: fc.integer({ min: 0, max: 5000 }) })
  .map(({ fixedUs, itemUs }) => {
    const table = emptyCostTable();
    for (let round = 0; round < 20; round++)
      for (const rows of SIZES) learnCost(table, rows, fixedUs + itemUs * rows);
    return table;
  });

const rowsOf = (items: readonly WaitingItem[]) => items.reduce((sum, { rows }) => sum + rows, 0);

describe("releaseBatch, when all can be on time", () => {
  it("runs all that waits, at once", () => {
    expect(decide(many(5, 1000), { costs: knows((rows) => 1000 + 100 * rows), perMs: 10 })).toEqual({
      kind: "run",
      drop: 0,
      run: 5,
      reason: "all",
    });
  });

  it("runs as many rows as the cap allows", () => {
    const costs = knows((rows) => 100 * rows);
    expect(decide(many(40, 1000), { costs })).toEqual({ kind: "run", drop: 0, run: 16, reason: "full" });
    expect(decide(many(9, 1000, { rows: 2 }), { costs })).toMatchObject({ run: 8, reason: "full" });
  });

  it("runs a single item that is larger than the cap alone", () => {
    expect(decide([waiting(1000, { rows: 99 }), waiting(1000)])).toMatchObject({ run: 1, reason: "full" });
  });

  it("does not let a small item overtake one that does not fit", () => {
    const items = [waiting(1000, { rows: 8 }), waiting(1000, { rows: 12 }), waiting(1000)];
    expect(decide(items)).toMatchObject({ drop: 0, run: 1 });
  });

  it("never waits, nor gives anything up, where nothing has a deadline", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        anyCosts,
        fc.double({ min: 0, max: 100, noNaN: true }),
        (count, costs, perMs) => {
          const decision = decide(many(count, Number.POSITIVE_INFINITY, { budgetMs: 0 }), {
            costs,
            perMs,
            load: 5,
          });
          expect(decision).toMatchObject({ kind: "run", drop: 0, run: Math.min(16, count) });
        },
      ),
    );
  });

  it("runs all that waits while nothing is known of its cost", () => {
    expect(decide(many(7, 1))).toMatchObject({ kind: "run", drop: 0, run: 7 });
  });

  it("splits what smaller batches do in clearly less time", () => {
    const costs = knows((rows) => 500 + 100 * Math.min(rows, 4) + 900 * Math.max(0, rows - 4));
    expect(decide(many(16, 1000), { costs })).toMatchObject({ run: 4, reason: "efficient" });
  });

  it("tries a larger batch than seemed efficient when none was seen for long", () => {
    const costs = knows((rows) => 500 + 100 * Math.min(rows, 4) + 900 * Math.max(0, rows - 4));
    for (let i = 0; i < 64; i++) learnCost(costs, 4, 900);
    expect(decide(many(16, 1000), { costs })).toMatchObject({ run: 8, reason: "probe" });
  });
});

describe("releaseBatch, waiting", () => {
  // A run of any size takes 10 ms, and calls have 15: who comes in the first 5 ms of a run cannot be on time after it.
  const flat = knows(() => 10_000);
  const items = many(2, 15);

  it("waits for company where who comes during the run would be late, for as long as nobody becomes late", () => {
    const decision = decide(items, { costs: flat, perMs: 1 });
    expect(decision.kind).toBe("wait");
    if (decision.kind !== "wait") return;
    expect(decision.untilMs).toBeGreaterThan(NOW_MS);
    // The slack is 5 ms; a millisecond is the timer's.
    expect(decision.untilMs).toBeLessThanOrEqual(NOW_MS + 4);
  });

  it.each<[string, StateFields, readonly WaitingItem[]]>([
    ["nothing is expected", { costs: flat, perMs: 0 }, items],
    ["hardly anything is expected", { costs: flat, perMs: 0.01 }, items],
    ["the slot has other work", { costs: flat, perMs: 1, mayWait: false }, items],
    ["who comes during the run is on time after it", { costs: flat, perMs: 1 }, many(2, 25)],
    ["the batch is full", { costs: flat, perMs: 1 }, many(16, 15)],
    ["calls may not wait so long in the queue", { costs: flat, perMs: 1, maxQueueMs: 1.5 }, items],
  ])("does not wait where %s", (_, fields, given) => {
    expect(decide(given, fields)).toMatchObject({ kind: "run", run: given.length });
  });

  it("says that it is urgent when the time for waiting is over", () => {
    expect(decide(many(2, 11, { budgetMs: 15 }), { costs: flat, perMs: 1 })).toMatchObject({
      kind: "run",
      run: 2,
      reason: "urgent",
    });
  });

  it("never waits beyond what it takes to be on time, spread included", () => {
    fc.assert(
      fc.property(anyQueue, anyCosts, fc.double({ min: 0, max: 10, noNaN: true }), (queue, costs, perMs) => {
        const decision = decide(queue, { costs, perMs });
        if (decision.kind !== "wait") return;
        expect(decision.untilMs).toBeGreaterThan(NOW_MS);
        for (const item of queue) {
          const readyMs = decision.untilMs + predictCostUs(costs, rowsOf(queue)) / 1000;
          expect(readyMs).toBeLessThanOrEqual(item.deadlineAtMs + 1e-6);
        }
      }),
    );
  });
});

describe("releaseBatch, when not all can be on time", () => {
  it("stops growing where the most urgent item would be late, when there is time for the others after it", () => {
    const items = [waiting(5), ...many(3, 100)];
    expect(decide(items, { costs: knows((rows) => rows * 2000) })).toEqual({
      kind: "run",
      drop: 0,
      run: 2,
      reason: "urgent",
    });
  });

  it("gives up a few urgent items that would keep the batch small, when there is more to do than can be done", () => {
    // Alone at once the first is on time; 15 more are not in that batch, and would be late after it.
    const items = [waiting(6), ...many(15, 9)];
    const costs = knows((rows) => 5000 + 200 * rows);
    expect(decide(items, { costs, load: 1.2 })).toMatchObject({ drop: 1, run: 15, reason: "urgent" });
  });

  it("counts losses as proof that there is more to do than can be done", () => {
    const items = [...many(3, 5.35), ...many(9, 100)];
    const costs = knows((rows) => 5000 + 100 * rows);
    expect(decide(items, { costs, load: 0.1 })).toMatchObject({ drop: 0, run: 3 });
    expect(decide(items, { costs, load: 0.1, lostFraction: 0.5 })).toMatchObject({ drop: 3, run: 9 });
  });

  it("gives nobody up for those of lower priority", () => {
    const items = [waiting(6, { priority: 0 }), ...many(15, 9, { priority: 1 })];
    const costs = knows((rows) => 5000 + 200 * rows);
    expect(decide(items, { costs, load: 2, lostFraction: 1 })).toMatchObject({ drop: 0 });
  });

  it("runs one to learn where nothing can be on time", () => {
    expect(decide(many(3, 1), { costs: knows(() => 10_000) })).toEqual({
      kind: "run",
      drop: 0,
      run: 1,
      reason: "probe",
    });
  });

  it("tries a larger batch where what is believed of it is old", () => {
    const costs = knows((rows) => 1000 * rows);
    for (let i = 0; i < 64; i++) learnCost(costs, 4, 4000);
    expect(decide(many(16, 4.5), { costs, load: 1 })).toMatchObject({ run: 8, reason: "probe" });
  });

  it("makes no item of a batch late that is not run to learn", () => {
    fc.assert(
      fc.property(anyQueue, anyCosts, fc.double({ min: 0, max: 3, noNaN: true }), (queue, costs, load) => {
        const alive = queue.filter(
          ({ rows, deadlineAtMs }) => predictCostUs(costs, rows) <= (deadlineAtMs - NOW_MS) * 1000,
        );
        fc.pre(alive.length > 0);
        const decision = decide(alive, { costs, load });
        if (decision.kind !== "run" || decision.reason === "probe") return;
        const batch = alive.slice(decision.drop, decision.drop + decision.run);
        const runMs = predictCostUs(costs, rowsOf(batch)) / 1000;
        for (const item of batch) expect(NOW_MS + runMs).toBeLessThanOrEqual(item.deadlineAtMs + 1e-6);
      }),
    );
  });
});

describe("releaseBatch, always", () => {
  const anyState = fc.record({
    perMs: fc.double({ min: 0, max: 10, noNaN: true }),
    load: fc.double({ min: 0, max: 3, noNaN: true }),
    lostFraction: fc.double({ min: 0, max: 1, noNaN: true }),
    mayWait: fc.boolean(),
  });

  it("never exceeds the cap but by a single item, and never runs nothing", () => {
    fc.assert(
      fc.property(anyQueue, anyCosts, anyState, (queue, costs, fields) => {
        const decision = decide(queue, { costs, ...fields });
        if (decision.kind === "wait") return;
        expect(decision.run).toBeGreaterThanOrEqual(1);
        expect(decision.drop + decision.run).toBeLessThanOrEqual(queue.length);
        const batch = queue.slice(decision.drop, decision.drop + decision.run);
        if (batch.length > 1) expect(rowsOf(batch)).toBeLessThanOrEqual(16);
      }),
    );
  });

  it("is a function of what it is given", () => {
    fc.assert(
      fc.property(anyQueue, anyCosts, anyState, (queue, costs, fields) => {
        expect(decide(queue, { costs, ...fields })).toEqual(decide(queue, { costs, ...fields }));
      }),
    );
  });

  it("empties a queue decision by decision, each item once", () => {
    fc.assert(
      fc.property(anyQueue, anyCosts, anyState, (queue, costs, fields) => {
        let rest: readonly WaitingItem[] = queue;
        let left = 0;
        while (rest.length > 0) {
          const decision = decide(rest, { costs, ...fields, mayWait: false });
          if (decision.kind === "wait") throw new Error("it may not wait");
          left += decision.drop + decision.run;
          rest = rest.slice(decision.drop + decision.run);
        }
        expect(left).toBe(queue.length);
      }),
    );
  });
});

describe("soonestMs", () => {
  it("is how long a quick run takes, and nothing while nothing is known", () => {
    expect(soonestMs(emptyCostTable(), 8)).toBe(0);
    expect(
      soonestMs(
        knows((rows) => 1000 * rows),
        8,
      ),
    ).toBeCloseTo(8, 1);
  });
});
