import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  emptyQueue,
  type LateWindow,
  noteCarried,
  noteLongWait,
  noteShortWait,
  type StandingQueue,
  stands,
} from "./standing-queue.ts";

const LATE: LateWindow = {
  elapsedMs: 150,
  perMs: 2,
  peakInFlight: 300,
  samples: 40,
  waitMs: 100,
  allowedMs: 40,
  allWaited: false,
  isHopeless: false,
};

/** A service that has answered so many, and carried so much at best. */
function queueAfter(answers: number, bestPerMs: number): StandingQueue {
  const queue = emptyQueue();
  noteCarried(queue, answers, bestPerMs);
  return queue;
}

/** @returns after how many ms of such windows the queue stands; undefined when it does not within ten seconds. */
function standsAfterMs(queue: StandingQueue, windowAt: (index: number) => Partial<LateWindow>) {
  let nowMs = 0;
  for (let index = 0; nowMs < 10_000; index++) {
    const late = { ...LATE, ...windowAt(index) };
    nowMs += late.elapsedMs;
    noteCarried(queue, late.perMs * late.elapsedMs, late.perMs);
    noteLongWait(queue, late);
    if (stands(queue, late)) return nowMs;
  }
  return undefined;
}

describe("whether a queue stands", () => {
  it("is seen after a third of a second where as much is carried as can be and none of it becomes shorter", () => {
    expect(standsAfterMs(queueAfter(10_000, 2.2), () => ({}))).toBe(450);
    expect(standsAfterMs(queueAfter(10_000, 2.2), () => ({ elapsedMs: 100 }))).toBe(300);
  });

  it("is not said of a queue that becomes shorter: what an executor that died left behind", () => {
    const drains = standsAfterMs(queueAfter(10_000, 2), (index) => ({ peakInFlight: 300 - 40 * index }));
    expect(drains).toBeUndefined();
  });

  it("is not said where the lanes do less than they can", () => {
    expect(standsAfterMs(queueAfter(10_000, 4), () => ({ perMs: 2 }))).toBeGreaterThan(1000);
  });

  it("is not said in that time of a service whose code is not compiled yet", () => {
    const cold = standsAfterMs(queueAfter(0, 0), () => ({ perMs: 1 }));
    expect(cold).toBeGreaterThan(4_000);
  });

  it("is said without all that after a second where it is deep and all waited, after three where it is not deep", () => {
    const few = { perMs: 0.1, allWaited: true };
    expect(standsAfterMs(queueAfter(0, 0), () => ({ ...few, waitMs: 200 }))).toBe(1050);
    expect(standsAfterMs(queueAfter(0, 0), () => ({ ...few, isHopeless: true }))).toBe(1050);
    expect(standsAfterMs(queueAfter(0, 0), () => few)).toBe(3000);
    expect(standsAfterMs(queueAfter(0, 0), () => ({ perMs: 0.1, waitMs: 200 }))).toBeUndefined();
  });

  it("takes more than a few for that: with little traffic a window has one or two", () => {
    const few = { perMs: 0.1, allWaited: true, waitMs: 200 };
    expect(standsAfterMs(queueAfter(0, 0), () => ({ ...few, samples: 4 }))).toBe(15 * 150);
  });

  it("begins anew after a window in which the wait was short, or not everybody's long", () => {
    const queue = queueAfter(10_000, 2);
    for (let i = 0; i < 2; i++) noteLongWait(queue, LATE);
    noteShortWait(queue);
    noteLongWait(queue, LATE);
    expect(stands(queue, LATE)).toBe(false);
    const few = { ...LATE, perMs: 0.1, waitMs: 200, allWaited: true };
    for (let i = 0; i < 6; i++) noteLongWait(queue, few);
    noteLongWait(queue, { ...few, allWaited: false });
    noteLongWait(queue, few);
    expect(stands(queue, few)).toBe(false);
  });

  it("Q1: is never said within a second of a cold service, one with idle lanes, or a queue that falls by a tenth a window", () => {
    const anyLate = fc.record({
      elapsedMs: fc.integer({ min: 100, max: 300 }),
      perMs: fc.double({ min: 0.01, max: 4, noNaN: true }),
      peakInFlight: fc.integer({ min: 1, max: 1000 }),
      samples: fc.integer({ min: 1, max: 500 }),
      waitMs: fc.double({ min: 41, max: 2000, noNaN: true }),
      allWaited: fc.boolean(),
      isHopeless: fc.boolean(),
    });
    const kind = fc.constantFrom("cold", "idle", "falling");
    fc.assert(
      fc.property(fc.array(anyLate, { minLength: 1, maxLength: 9 }), kind, (windows, why) => {
        const queue = queueAfter(why === "cold" ? 0 : 100_000, why === "idle" ? 100 : 0);
        let lastedMs = 0;
        let peak = 1000;
        for (const seen of windows) {
          peak *= 0.85;
          const late = { ...LATE, ...seen, ...(why === "falling" ? { peakInFlight: peak } : {}) };
          lastedMs += late.elapsedMs;
          if (lastedMs >= 1000) break;
          noteCarried(queue, why === "cold" ? 100 : late.perMs * late.elapsedMs, late.perMs);
          noteLongWait(queue, late);
          expect(stands(queue, late)).toBe(false);
        }
      }),
    );
  });
});
