import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DeadlineWatch } from "./deadline-watch.ts";

/** Deadlines that are swept as owners do it: a set of moments, each ended once. */
class Owner {
  readonly pending = new Set<number>();
  readonly endedAt: [deadline: number, nowMs: number][] = [];
  sweeps = 0;
  onEnd: (deadlineAtMs: number) => void = () => {};
  readonly watch = new DeadlineWatch((nowMs) => this.#sweep(nowMs));

  add(deadlineAtMs: number): void {
    this.pending.add(deadlineAtMs);
    this.watch.add(deadlineAtMs);
  }

  #sweep(nowMs: number): number {
    this.sweeps += 1;
    let earliest = Number.POSITIVE_INFINITY;
    // A copy: what is added from within is not seen by this sweep.
    for (const deadline of [...this.pending]) {
      if (deadline <= nowMs) {
        this.pending.delete(deadline);
        this.endedAt.push([deadline, nowMs]);
        this.onEnd(deadline);
      } else if (deadline < earliest) earliest = deadline;
    }
    return earliest;
  }
}

describe("DeadlineWatch", () => {
  // The clock is faked because what is tested is the timer itself: how long it is set for, and that it is one.
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("ends each of several deadlines at its time, whatever the order they were added in (D2)", () => {
    const owner = new Owner();
    const start = performance.now();
    for (const after of [50, 10, 30, 30.5, 70]) owner.add(start + after);
    vi.advanceTimersByTime(100);
    expect(owner.endedAt.map(([deadline]) => deadline - start)).toEqual([10, 30, 30.5, 50, 70]);
    for (const [deadline, now] of owner.endedAt) {
      expect(now).toBeGreaterThanOrEqual(deadline);
      expect(now).toBeLessThanOrEqual(deadline + 1);
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  it("has one timer however many deadlines there are, and none without one", () => {
    const owner = new Owner();
    expect(vi.getTimerCount()).toBe(0);
    owner.add(Number.POSITIVE_INFINITY);
    expect(vi.getTimerCount()).toBe(0);
    for (let i = 0; i < 1_000; i++) owner.add(performance.now() + 1_000 - i);
    expect(vi.getTimerCount()).toBe(1);
  });

  it("fires late but never early: a sweep that finds nothing expired arms again", () => {
    const owner = new Owner();
    const deadline = performance.now() + 20;
    owner.add(deadline);
    owner.pending.clear(); // it ended in time; the watch does not know
    owner.pending.add(deadline + 30);
    vi.advanceTimersByTime(21);
    expect([owner.sweeps, owner.endedAt]).toEqual([1, []]);
    vi.advanceTimersByTime(40);
    expect(owner.endedAt).toHaveLength(1);
  });

  it("keeps a deadline that is added from within a sweep, earlier than those left", () => {
    const owner = new Owner();
    const start = performance.now();
    owner.onEnd = (deadline) => {
      if (deadline === start + 10) owner.add(start + 20);
    };
    owner.add(start + 10);
    owner.add(start + 1_000);
    vi.advanceTimersByTime(25);
    expect(owner.endedAt.map(([deadline]) => deadline - start)).toEqual([10, 20]);
    vi.advanceTimersByTime(1_000);
    expect(owner.endedAt).toHaveLength(3);
  });

  it("waits for a deadline beyond what a timer can hold", () => {
    const owner = new Owner();
    const far = performance.now() + 2 ** 31 + 5_000;
    owner.add(far);
    vi.advanceTimersByTime(2 ** 31);
    expect(owner.endedAt).toEqual([]);
    vi.advanceTimersByTime(6_000);
    expect(owner.endedAt).toHaveLength(1);
  });

  it("ends a deadline that has passed already at the next turn", () => {
    const owner = new Owner();
    owner.add(performance.now() - 5);
    expect(owner.endedAt).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(owner.endedAt).toHaveLength(1);
  });

  it("sweeps no more after close, and can be used again", () => {
    const owner = new Owner();
    owner.add(performance.now() + 10);
    owner.watch.close();
    owner.watch.close();
    vi.advanceTimersByTime(100);
    expect(owner.sweeps).toBe(0);
    owner.add(performance.now() + 10);
    vi.advanceTimersByTime(11);
    expect(owner.endedAt).toHaveLength(2);
  });
});

describe("DeadlineWatch on the real clock", () => {
  it("does not keep its process alive", () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const watch = new DeadlineWatch(() => Number.POSITIVE_INFINITY);
    watch.add(performance.now() + 60_000);
    const after = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    watch.close();
    expect(after).toBe(before);
  });
});
