/** The policy's part of invariant D7. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formBatch, type WaitingItem } from "./form-batch.ts";

const NOW_MS = 1000;
const CAP = { maxBatchRows: 16 };

const waiting = (rows: number, dueInMs: number): WaitingItem => ({ rows, deadlineAtMs: NOW_MS + dueInMs });

const anyItem = fc.record({
  rows: fc.integer({ min: 1, max: 24 }),
  deadlineAtMs: fc.oneof(
    fc.integer({ min: NOW_MS + 1, max: NOW_MS + 100 }),
    fc.constant(Number.POSITIVE_INFINITY),
  ),
});

/** Most urgent first, as a queue gives them. */
const anyQueue = fc
  .array(anyItem, { maxLength: 40 })
  .map((items) =>
    items.sort((a, b) => (a.deadlineAtMs < b.deadlineAtMs ? -1 : a.deadlineAtMs > b.deadlineAtMs ? 1 : 0)),
  );

const anyCost = fc
  .record({ fixedUs: fc.integer({ min: 0, max: 20_000 }), itemUs: fc.integer({ min: 0, max: 5000 }) })
  .map(
    ({ fixedUs, itemUs }) =>
      (rows: number) =>
        fixedUs + itemUs * rows,
  );

const sumOf = (items: readonly WaitingItem[]) => items.reduce((sum, { rows }) => sum + rows, 0);

describe("formBatch", () => {
  it("takes nothing from an empty queue", () => {
    expect(formBatch([], CAP, () => 0, NOW_MS)).toBe(0);
  });

  it("takes everything that waits, up to the cap in rows", () => {
    const items = Array.from({ length: 40 }, () => waiting(1, Number.POSITIVE_INFINITY));
    expect(formBatch(items.slice(0, 5), CAP, () => 0, NOW_MS)).toBe(5);
    expect(formBatch(items, CAP, () => 0, NOW_MS)).toBe(16);
  });

  it("runs a single item that is larger than the cap alone", () => {
    expect(formBatch([waiting(99, 1000), waiting(1, 1000)], CAP, () => 0, NOW_MS)).toBe(1);
  });

  it("does not let a small item overtake one that does not fit", () => {
    expect(formBatch([waiting(8, 1000), waiting(12, 1000), waiting(1, 1000)], CAP, () => 0, NOW_MS)).toBe(1);
  });

  it("never exceeds the cap but by a single item, and always takes the head", () => {
    fc.assert(
      fc.property(anyQueue, anyCost, (items, predictUs) => {
        const count = formBatch(items, CAP, predictUs, NOW_MS);
        if (items.length === 0) {
          expect(count).toBe(0);
          return;
        }
        expect(count).toBeGreaterThanOrEqual(1);
        expect(count).toBeLessThanOrEqual(items.length);
        if (count > 1) expect(sumOf(items.slice(0, count))).toBeLessThanOrEqual(CAP.maxBatchRows);
      }),
    );
  });

  it("stops growing where the most urgent item would be late", () => {
    const items = [waiting(1, 5), waiting(1, 100), waiting(1, 100), waiting(1, 100)];
    expect(formBatch(items, CAP, (rows) => rows * 2000, NOW_MS)).toBe(2);
  });

  it("makes no item late that could have been on time as the head's batch alone", () => {
    fc.assert(
      fc.property(anyQueue, anyCost, (items, predictUs) => {
        fc.pre(items.length > 0);
        const batch = items.slice(0, formBatch(items, CAP, predictUs, NOW_MS));
        const [head] = batch;
        const slackUs = (head!.deadlineAtMs - NOW_MS) * 1000;
        if (predictUs(head!.rows) <= slackUs) expect(predictUs(sumOf(batch))).toBeLessThanOrEqual(slackUs);
      }),
    );
  });

  it("does not hold the others back for an item that is late whatever is done", () => {
    const items = [waiting(1, 1), ...Array.from({ length: 9 }, () => waiting(1, 1000))];
    expect(formBatch(items, CAP, (rows) => 5000 + rows * 100, NOW_MS)).toBe(10);
  });

  it("is limited by the cap alone where nothing has a deadline", () => {
    const items = Array.from({ length: 20 }, () => waiting(2, Number.POSITIVE_INFINITY));
    expect(formBatch(items, CAP, () => Number.MAX_SAFE_INTEGER, NOW_MS)).toBe(8);
  });

  it("empties a queue batch by batch in the queue's own order, each item once", () => {
    fc.assert(
      fc.property(anyQueue, anyCost, (items, predictUs) => {
        let rest: readonly WaitingItem[] = items;
        const run: WaitingItem[] = [];
        while (rest.length > 0) {
          const count = formBatch(rest, CAP, predictUs, NOW_MS);
          run.push(...rest.slice(0, count));
          rest = rest.slice(count);
        }
        expect(run).toEqual(items);
      }),
    );
  });

  it("grows with what waits: more items never make a smaller batch", () => {
    fc.assert(
      fc.property(anyQueue, anyCost, fc.nat(40), (items, predictUs, cut) => {
        const part = formBatch(items.slice(0, cut), CAP, predictUs, NOW_MS);
        expect(formBatch(items, CAP, predictUs, NOW_MS)).toBeGreaterThanOrEqual(part);
      }),
    );
  });
});
