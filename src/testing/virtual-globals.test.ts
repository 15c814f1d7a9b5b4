import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { useVirtualGlobals } from "./virtual-globals.ts";
import { VirtualTime } from "./virtual-time.ts";

describe("timers and clocks of an application's code", () => {
  let putBack = () => {};
  const before = { setTimeout, setImmediate, performanceNow: performance.now, dateNow: Date.now };
  beforeEach(() => {
    putBack = useVirtualGlobals();
  });
  afterEach(() => putBack());

  /** Runs code inside of a process for so much virtual time. */
  async function inProcess<T>(code: () => Promise<T>, forMs = 10_000): Promise<T> {
    const time = new VirtualTime(1);
    const process = time.process("a");
    const result = process.run(code);
    await time.until(forMs);
    return result;
  }

  it.each([
    ["setTimeout", () => new Promise((resolve) => setTimeout(resolve, 5000))],
    ["a promisified setTimeout", () => promisify(setTimeout)(5000)],
    ["setTimeout of node:timers/promises", () => wait(5000)],
    [
      "AbortSignal.timeout",
      () => new Promise((resolve) => AbortSignal.timeout(5000).addEventListener("abort", resolve)),
    ],
    [
      "setInterval",
      () =>
        new Promise<void>((resolve) => {
          let calls = 0;
          const timer = setInterval(() => {
            calls += 1;
            if (calls < 5) return;
            clearInterval(timer);
            resolve();
          }, 1000);
        }),
    ],
  ])("%s waits in virtual time", async (_, pause) => {
    const startedAtMs = performance.now();
    const times = await inProcess(async () => {
      const then = [performance.now(), Date.now()] as const;
      await pause();
      return [performance.now() - then[0], Date.now() - then[1]];
    });
    expect(times).toEqual([5000, 5000]);
    expect(performance.now() - startedAtMs).toBeLessThan(4000);
  });

  it("pass their arguments, and can be cleared", async () => {
    const seen = await inProcess(async () => {
      const calls: string[] = [];
      setTimeout((what: string) => calls.push(what), 10, "timeout");
      clearTimeout(setTimeout(() => calls.push("cleared"), 10));
      setImmediate((what: string) => calls.push(what), "immediate");
      await wait(20);
      return calls;
    });
    expect(seen).toEqual(["immediate", "timeout"]);
  });

  it("a wait ends with its signal", async () => {
    await inProcess(async () => {
      const waiting = wait(5000, undefined, { signal: AbortSignal.timeout(10) });
      await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
      expect(performance.now()).toBeLessThan(20);
    });
  });

  it("are the real ones outside of a virtual process", async () => {
    const startedAtMs = performance.now();
    expect(startedAtMs).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await wait(5);
    await new Promise((resolve) => setImmediate(resolve));
    expect(performance.now() - startedAtMs).toBeGreaterThan(8);
    expect(Math.abs(Date.now() - before.dateNow.call(Date))).toBeLessThan(1000);
  });

  it("are put back when the last world is closed", () => {
    const putAlsoBack = useVirtualGlobals();
    putBack();
    putBack();
    expect(setTimeout).not.toBe(before.setTimeout);
    putAlsoBack();
    expect(setTimeout).toBe(before.setTimeout);
    expect(setImmediate).toBe(before.setImmediate);
    expect(performance.now).toBe(before.performanceNow);
    expect(Date.now).toBe(before.dateNow);
  });
});
