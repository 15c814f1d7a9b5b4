import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventQueue } from "./event-queue.ts";

describe("EventQueue", () => {
  it("gives events by time, then in the order of their setting, without those taken back", () => {
    const events = fc.array(fc.record({ atMs: fc.integer({ min: 0, max: 9 }), isTakenBack: fc.boolean() }));
    fc.assert(
      fc.property(events, (added) => {
        const queue = new EventQueue();
        added.forEach(({ atMs, isTakenBack }) => {
          const event = queue.add(atMs, () => {});
          if (isTakenBack) event.run = undefined;
        });
        const expected = added
          .map(({ atMs, isTakenBack }, order) => ({ atMs, order, isTakenBack }))
          .filter(({ isTakenBack }) => !isTakenBack)
          .sort((a, b) => a.atMs - b.atMs || a.order - b.order)
          .map(({ order }) => order);
        const taken: number[] = [];
        for (let event = queue.takeFirst(); event !== undefined; event = queue.takeFirst())
          taken.push(event.order);
        expect(taken).toEqual(expected);
      }),
    );
  });

  it("stays in order when events are added between those taken", () => {
    const queue = new EventQueue();
    for (const atMs of [5, 1, 3]) queue.add(atMs, () => {});
    expect(queue.takeFirst()?.atMs).toBe(1);
    queue.add(2, () => {});
    expect([queue.takeFirst()?.atMs, queue.takeFirst()?.atMs, queue.takeFirst()?.atMs]).toEqual([2, 3, 5]);
    expect(queue.first).toBeUndefined();
  });
});
