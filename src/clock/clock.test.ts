import { describe, expect, it } from "vitest";
import { everyInBackground } from "./clock.ts";
import { ManualClock } from "./manual-clock.ts";

describe("everyInBackground", () => {
  it("calls back once for each period until it is cancelled", async () => {
    const clock = new ManualClock();
    const startMs = clock.now();
    const calls: number[] = [];
    const cancel = everyInBackground(clock, 10, () => calls.push(clock.now() - startMs));
    await clock.advance(35);
    expect(calls).toEqual([10, 20, 30]);
    cancel();
    await clock.advance(100);
    expect(calls).toHaveLength(3);
    expect(clock.pending).toBe(0);
  });

  it("can be cancelled from within its callback", async () => {
    const clock = new ManualClock();
    let calls = 0;
    const cancel = everyInBackground(clock, 10, () => {
      calls += 1;
      cancel();
    });
    await clock.advance(100);
    expect(calls).toBe(1);
    expect(clock.pending).toBe(0);
  });

  it("goes on after a callback that threw", async () => {
    const clock = new ManualClock();
    let calls = 0;
    everyInBackground(clock, 10, () => {
      calls += 1;
      if (calls === 1) throw new Error("once");
    });
    await expect(clock.advance(10)).rejects.toThrow("once");
    await clock.advance(10);
    expect(calls).toBe(2);
  });
});
