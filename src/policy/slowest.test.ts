import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Slowest } from "./slowest.ts";

const MINUTE_MS = 60_000;

describe("the slowest", () => {
  it("are the slowest of their window, whatever the order they come in", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { maxLength: 200 }),
        (latencies) => {
          const slowest = new Slowest<number>(8, MINUTE_MS, 1);
          for (const ms of latencies) if (slowest.wants(ms, 0)) slowest.add(ms, 0, ms);
          const expected = latencies.toSorted((a, b) => b - a).slice(0, 8);
          expect(slowest.items(0)).toEqual(expected);
        },
      ),
    );
  });

  it("want nothing that is no slower than what is kept, once the window is full", () => {
    const slowest = new Slowest<number>(2, MINUTE_MS, 1);
    for (const ms of [5, 9]) slowest.add(ms, 0, ms);
    expect([slowest.wants(4, 1), slowest.wants(5, 1), slowest.wants(6, 1)]).toEqual([false, false, true]);
  });

  it("begin anew with each window and forget the oldest", () => {
    const slowest = new Slowest<string>(1, MINUTE_MS, 2);
    slowest.add(900, 0, "first");
    expect(slowest.wants(1, MINUTE_MS)).toBe(true);
    slowest.add(1, MINUTE_MS, "second");
    expect(slowest.items(MINUTE_MS)).toEqual(["first", "second"]);
    slowest.add(2, 2 * MINUTE_MS, "third");
    expect(slowest.items(2 * MINUTE_MS)).toEqual(["third", "second"]);
  });

  it("are out of sight when nothing came for as long as all windows are", () => {
    const slowest = new Slowest<string>(1, MINUTE_MS, 2);
    slowest.add(900, 0, "old");
    expect(slowest.items(2 * MINUTE_MS - 1)).toEqual(["old"]);
    expect(slowest.items(2 * MINUTE_MS)).toEqual([]);
  });

  it("are never more than the windows hold", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1000), fc.nat(100_000)), { maxLength: 300 }), (steps) => {
        const slowest = new Slowest<number>(3, MINUTE_MS, 4);
        let nowMs = 0;
        for (const [ms, later] of steps) {
          nowMs += later;
          slowest.add(ms, nowMs, ms);
          expect(slowest.items(nowMs).length).toBeLessThanOrEqual(12);
        }
      }),
    );
  });
});
