import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  allowedWaitMs,
  beganInWindow,
  endedInWindow,
  type InFlightLimit,
  initialLimit,
  type LimitOptions,
  noteLoopLag,
  noteRefusal,
} from "./in-flight-limit.ts";
import type { EndedRequest } from "./limit-window.ts";

const OPTIONS: LimitOptions = { minInFlight: 4, maxInFlight: 400, maxQueueMs: 40 };

/** One window in which requests end evenly over 100 ms, all having waited and worked for as long. */
function pass(
  state: InFlightLimit,
  how: { waitMs: number; workMs?: number; ended?: number; inFlight?: number; timeoutMs?: number },
  fromMs: number,
): number {
  const { waitMs, workMs = 5, ended = 100, inFlight = 50, timeoutMs = 1500 } = how;
  beganInWindow(state, inFlight);
  let nowMs = fromMs;
  for (let i = 1; i <= ended; i++) {
    nowMs = fromMs + (100 * i) / ended;
    endedInWindow(state, OPTIONS, { waitMs, latencyMs: waitMs + workMs, timeoutMs }, inFlight, nowMs);
  }
  return nowMs;
}

const anyOptions = fc.record({
  minInFlight: fc.integer({ min: 2, max: 50 }),
  maxInFlight: fc.integer({ min: 2, max: 2000 }),
  maxQueueMs: fc.double({ min: 1, max: 200, noNaN: true }),
});
const anyEnd = fc.record({
  waitMs: fc.double({ min: -1, max: 5000, noNaN: true }),
  latencyMs: fc.double({ min: 0, max: 5000, noNaN: true }),
  timeoutMs: fc.double({ min: 1, max: 30_000, noNaN: true }),
});
const anyHistory = fc.array(
  fc.record({
    afterMs: fc.double({ min: 0, max: 400, noNaN: true }),
    inFlight: fc.integer({ min: 0, max: 3000 }),
    lagMs: fc.double({ min: 0, max: 500, noNaN: true }),
    ended: fc.oneof(anyEnd, fc.constant("expired" as const), fc.constant(undefined)),
  }),
  { maxLength: 300 },
);

describe("the in-flight limit", () => {
  it("A1: stays within its bounds, whatever is told to it", () => {
    fc.assert(
      fc.property(anyOptions, anyHistory, (options, history) => {
        const state = initialLimit(options, 0);
        const highest = Math.max(options.minInFlight, options.maxInFlight);
        let nowMs = 0;
        for (const { afterMs, inFlight, lagMs, ended } of history) {
          nowMs += afterMs;
          beganInWindow(state, inFlight);
          noteLoopLag(state, lagMs);
          endedInWindow(state, options, ended, inFlight, nowMs);
          expect(state.limit).toBeGreaterThanOrEqual(options.minInFlight);
          expect(state.limit).toBeLessThanOrEqual(highest);
        }
      }),
    );
  });

  it("begins at the top, since what comes first is a burst", () => {
    expect(initialLimit(OPTIONS, 0).limit).toBe(400);
  });

  it("A2: a deep queue must stand for a second before anybody is refused", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    const few = { ended: 30 };
    for (let i = 0; i < 9; i++) nowMs = pass(state, { ...few, waitMs: 200 }, nowMs);
    for (let i = 0; i < 5; i++) nowMs = pass(state, { ...few, waitMs: 1 }, nowMs);
    for (let i = 0; i < 9; i++) nowMs = pass(state, { ...few, waitMs: 200 }, nowMs);
    expect(state.limit).toBe(400);
    for (let i = 0; i < 6; i++) nowMs = pass(state, { ...few, waitMs: 200 }, nowMs);
    expect(state.limit).toBeLessThan(400);
  });

  it("A2: a queue that is not deep must stand for three seconds", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    for (let i = 0; i < 28; i++) nowMs = pass(state, { ended: 30, waitMs: 100 }, nowMs);
    expect(state.limit).toBe(400);
    for (let i = 0; i < 6; i++) nowMs = pass(state, { ended: 30, waitMs: 100 }, nowMs);
    expect(state.limit).toBeLessThan(400);
  });

  it("A2: a third of a second is enough for a queue that does not become shorter, once it is known what can be carried", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    for (let i = 0; i < 60; i++) nowMs = pass(state, { waitMs: 5 }, nowMs);
    for (let i = 0; i < 2; i++) nowMs = pass(state, { waitMs: 45, inFlight: 300 }, nowMs);
    expect(state.limit).toBe(400);
    for (let i = 0; i < 2; i++) nowMs = pass(state, { waitMs: 45, inFlight: 300 }, nowMs);
    expect(state.limit).toBeLessThan(400);
  });

  it("A2: does not fall for a queue that is gone, however long those who ended had waited", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    for (let i = 0; i < 60; i++) {
      nowMs += 100;
      beganInWindow(state, 130);
      for (let k = 0; k < 30; k++)
        endedInWindow(state, OPTIONS, { waitMs: 900, latencyMs: 905, timeoutMs: 1500 }, 3, nowMs);
    }
    expect(state.queue.allWaitedMs).toBeGreaterThan(3000);
    expect(state.limit).toBe(400);
  });

  it("A2: two windows are enough while some are refused, and one changes nothing", () => {
    const state = initialLimit(OPTIONS, 0);
    const refuse = (waitMs: number, fromMs: number) => {
      noteRefusal(state);
      return pass(state, { waitMs, workMs: 0, inFlight: 400 }, fromMs);
    };
    let nowMs = refuse(44, 0);
    nowMs = refuse(1, nowMs);
    nowMs = refuse(44, nowMs);
    expect(state.limit).toBe(400);
    refuse(44, nowMs);
    expect(state.limit).toBeLessThan(400);
  });

  it("lasts for twice what requests take, so that it sees more than a convoy's front", () => {
    const state = initialLimit(OPTIONS, 0);
    const { startedAtMs } = state.window;
    let nowMs = pass(state, { waitMs: 195 }, 0);
    expect(state.window.startedAtMs).toBeGreaterThan(startedAtMs);
    for (let i = 0; i < 3; i++) nowMs = pass(state, { waitMs: 1 }, nowMs);
    expect(state.window.startedAtMs).toBe(100);
    pass(state, { waitMs: 1 }, nowMs);
    expect(state.window.startedAtMs).toBeGreaterThan(450);
  });

  it("falls to what was carried of late, not to what one window saw", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    for (let i = 0; i < 60; i++) nowMs = pass(state, { waitMs: 5 }, nowMs);
    const slow = { waitMs: 44, workMs: 0, ended: 30, inFlight: 300 };
    noteRefusal(state);
    nowMs = pass(state, slow, nowMs);
    noteRefusal(state);
    pass(state, slow, nowMs);
    // A window's own 0.3 a ms would be 12 of them.
    expect(state.limit).toBe(150);
    expect(state.carriedPerMs).toBeGreaterThan(0.7);
  });

  it("A2: does not begin to fall while some hardly wait: who came last after a pause, when who came first waited long", () => {
    const state = initialLimit(OPTIONS, 0);
    for (let i = 1; i <= 400; i++) {
      const waitMs = i % 5 === 0 ? 2 : 200;
      beganInWindow(state, 300);
      endedInWindow(state, OPTIONS, { waitMs, latencyMs: waitMs + 5, timeoutMs: 1500 }, 50, i);
    }
    expect(state.waitMs).toBeGreaterThan(100);
    expect(state.limit).toBe(400);
  });

  it.each([
    ["whose code is not compiled yet", 0, 30],
    ["that knows what it carries", 60, 100],
  ])("A2: takes what a stopped process %s finds afterwards for no queue that stands", (_, before, ended) => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    for (let i = 0; i < before; i++) nowMs = pass(state, { waitMs: 5 }, nowMs);
    // It stood still for 1.3 seconds: then all at once, and what the first of it waited is read off when hardly any is in.
    noteLoopLag(state, 1300);
    nowMs = pass(state, { ended, waitMs: 60, inFlight: 60 }, nowMs + 1300);
    for (let i = 0; i < 3; i++) nowMs = pass(state, { ended, waitMs: 200, inFlight: 190 - 10 * i }, nowMs);
    expect(state.limit).toBe(400);
  });

  it("counts the wait for the edge's own loop where it asks whether the queue stands", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    for (let i = 0; i < 30; i++) {
      noteLoopLag(state, 15);
      nowMs = pass(state, { waitMs: 15 }, nowMs);
    }
    expect(state.limit).toBeLessThan(400);
  });

  it("falls to what Little's law says is carried at the wait allowed, and not below while that comes back", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    // 1 a ms, of 5 ms work: 45 under way make a wait of 40 ms. The waits still told are those of the burst before.
    for (let i = 0; i < 20; i++) nowMs = pass(state, { waitMs: 200, inFlight: 50 }, nowMs);
    expect(state.limit).toBeGreaterThan(40);
    expect(state.limit).toBeLessThan(46);
  });

  it("does not fall by more than half of what was under way in one window", () => {
    const state = initialLimit(OPTIONS, 0);
    const stalled = { waitMs: 2000, ended: 20, inFlight: 300 };
    let nowMs = 0;
    for (let i = 0; i < 100 && state.limit === 400; i++) nowMs = pass(state, stalled, nowMs);
    expect(state.limit).toBe(150);
  });

  it("rises again to the top when waits are short, in use or not", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    for (let i = 0; i < 20; i++) nowMs = pass(state, { waitMs: 200, ended: 20 }, nowMs);
    expect(state.limit).toBeLessThan(20);
    let windows = 0;
    for (; state.limit < 400 && windows < 100; windows++) {
      nowMs = pass(state, { waitMs: 2, ended: 20, inFlight: 1 }, nowMs);
    }
    expect(windows).toBeLessThan(25);
  });

  it("does not fall for work that takes long: a slow store or a member that never answers is no overload", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    for (let i = 0; i < 20; i++) nowMs = pass(state, { waitMs: 3, workMs: 1470, inFlight: 400 }, nowMs);
    expect(state.limit).toBe(400);
  });

  it("lets requests that wait long even alone wait twice as long in company", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    for (let i = 0; i < 3; i++) nowMs = pass(state, { waitMs: 190, inFlight: 2, timeoutMs: 5000 }, nowMs);
    expect(state.aloneMs).toBeCloseTo(190, -1.5);
    expect(allowedWaitMs(state, OPTIONS, 5000, 0)).toBeGreaterThan(300);
    for (let i = 0; i < 5; i++) nowMs = pass(state, { waitMs: 300, inFlight: 60, timeoutMs: 5000 }, nowMs);
    expect(state.limit).toBe(400);
  });

  it("takes nothing for alone that was seen in company", () => {
    const state = initialLimit(OPTIONS, 0);
    pass(state, { waitMs: 500, inFlight: 300 }, 0);
    expect(state.aloneMs).toBeUndefined();
    expect(allowedWaitMs(state, OPTIONS, 1500, 0)).toBe(40);
  });

  it("allows at most half of the time that requests are given", () => {
    const state = initialLimit(OPTIONS, 0);
    expect(allowedWaitMs(state, OPTIONS, 50, 0)).toBe(25);
    expect(allowedWaitMs(state, OPTIONS, 0, 0)).toBe(1);
  });

  it("takes what the edge's own loop is behind from the wait allowed, but not all of it", () => {
    const state = initialLimit(OPTIONS, 0);
    expect(allowedWaitMs(state, OPTIONS, 1500, 5)).toBe(30);
    expect(allowedWaitMs(state, OPTIONS, 1500, 500)).toBe(10);
  });

  it("waits for a few samples, but not longer than a second, before it judges", () => {
    const state = initialLimit(OPTIONS, 0);
    const ended: EndedRequest = { waitMs: 3, latencyMs: 8, timeoutMs: 1500 };
    expect(endedInWindow(state, OPTIONS, ended, 1, 500)).toBe(false);
    expect(endedInWindow(state, OPTIONS, undefined, 1, 999)).toBe(false);
    expect(endedInWindow(state, OPTIONS, ended, 1, 1000)).toBe(true);
    expect(state.waitMs).toBeGreaterThan(2);
  });

  it("learns nothing of windows in which nothing is known of any request", () => {
    const state = initialLimit(OPTIONS, 0);
    for (let i = 1; i <= 100; i++) endedInWindow(state, OPTIONS, undefined, 400, i * 100);
    expect(state.limit).toBe(400);
  });
});

describe("what ends by its deadline", () => {
  const SHORT_MS = 100;
  /** Windows of 100 ms in which so many were answered, each after such a wait, and as many more expired. */
  function windows(count: number, answered: number, waitMs: number, expired: number) {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    const more = (times: number, ok: number) => {
      for (let i = 0; i < times; i++) {
        beganInWindow(state, 300);
        for (let k = 0; k < expired; k++) endedInWindow(state, OPTIONS, "expired", 300, nowMs + 99);
        nowMs += 100;
        for (let k = 0; k < ok; k++) {
          endedInWindow(state, OPTIONS, { waitMs, latencyMs: waitMs + 20, timeoutMs: SHORT_MS }, 300, nowMs);
        }
      }
      endedInWindow(state, OPTIONS, "expired", 300, nowMs);
    };
    more(count, answered);
    return { state, more };
  }

  it("has waited for all its time where those who were answered waited for what it left them", () => {
    const { state } = windows(15, 30, 45, 90);
    expect(state.waitMs).toBe(SHORT_MS);
    expect(state.limit).toBeLessThan(OPTIONS.maxInFlight);
  });

  it("says nothing where their own work takes nearly all of their time: a store that is slow", () => {
    const state = initialLimit(OPTIONS, 0);
    let nowMs = 0;
    for (let i = 0; i < 60; i++) {
      for (let k = 0; k < 60; k++) endedInWindow(state, OPTIONS, "expired", 150, nowMs);
      nowMs = pass(state, { waitMs: 30, workMs: 1450, ended: 20, inFlight: 170 }, nowMs);
    }
    expect(state.isCut).toBe(false);
    expect(state.limit).toBe(400);
  });

  it("says nothing where those who were answered did not wait", () => {
    const { state } = windows(60, 30, 2, 300);
    expect(state.waitMs).toBeLessThan(3);
    expect(state.limit).toBe(OPTIONS.maxInFlight);
  });

  it("lowers the limit on when nobody is answered any more, and not when they had not waited before", () => {
    const queue = windows(3, 30, 45, 90);
    queue.more(15, 0);
    expect(queue.state.limit).toBeLessThan(OPTIONS.maxInFlight);
    const lost = windows(3, 30, 2, 90);
    lost.more(100, 0);
    expect(lost.state.limit).toBe(OPTIONS.maxInFlight);
  });
});
