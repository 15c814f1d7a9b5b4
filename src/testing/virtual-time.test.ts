import { describe, expect, it } from "vitest";
import { holdTime } from "./virtual-process.ts";
import { VirtualTime } from "./virtual-time.ts";

describe("virtual time", () => {
  it("passes only while somebody waits, and not beyond what is waited for", async () => {
    const time = new VirtualTime(1);
    const process = time.process("a");
    const fired: number[] = [];
    for (const atMs of [10, 20, 30]) process.at(atMs, () => fired.push(time.nowMs));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(time.nowMs).toBe(0);
    await time.until(20);
    expect(fired).toEqual([10, 20]);
    expect(time.nowMs).toBe(20);
    await time.until(25);
    expect(time.nowMs).toBe(25);
    expect(fired).toEqual([10, 20]);
  });

  it("has all promise reactions of one event run before the next", async () => {
    const time = new VirtualTime(1);
    const process = time.process("a");
    const order: string[] = [];
    process.at(1, () => {
      order.push("first");
      void Promise.resolve()
        .then(() => new Promise<void>((resolve) => globalThis.process.nextTick(resolve)))
        .then(() => order.push("its reaction"));
    });
    process.at(1, () => order.push("second"));
    await time.until(1);
    expect(order).toEqual(["first", "its reaction", "second"]);
  });

  it("stops at each of several moments that are waited for", async () => {
    const time = new VirtualTime(1);
    const process = time.process("a");
    process.at(100, () => {});
    const seen: number[] = [];
    await Promise.all([40, 20].map((atMs) => time.until(atMs).then(() => seen.push(time.nowMs))));
    expect(seen).toEqual([20, 40]);
  });

  it("gives whoever waited the moment itself, before anything else happens in it", async () => {
    const time = new VirtualTime(1);
    const process = time.process("a");
    let isSet = false;
    const never = new Promise<never>(() => {});
    const later = time.untilTrue(() => time.nowMs >= 50);
    const settled = Promise.withResolvers<void>();
    process.at(10, settled.resolve);
    process.at(10, () => expect(isSet).toBe(true));
    await time.settle(settled.promise);
    isSet = true;
    process.at(50, () => {});
    await Promise.race([later, never]);
    expect(time.nowMs).toBe(50);
  });

  it("tells whoever waits of an exception that nobody caught", async () => {
    const time = new VirtualTime(1);
    time.process("a").at(5, () => {
      throw new Error("not caught");
    });
    await expect(time.until(10)).rejects.toThrow("not caught");
    await time.until(10);
  });

  it("gives up what nothing in the world will bring about", async () => {
    const time = new VirtualTime(1);
    await expect(time.settle(new Promise(() => {}))).rejects.toThrow("outside of the world");
  });

  it("stands still while something in the real world goes on", async () => {
    const time = new VirtualTime(1);
    const process = time.process("a");
    let nowMs = -1;
    process.at(10, () => {
      void process.run(() =>
        holdTime(() => new Promise((resolve) => setTimeout(resolve, 10))).then(() => {
          nowMs = time.nowMs;
        }),
      );
    });
    process.at(11, () => expect(nowMs).toBe(10));
    await time.until(20);
    expect(nowMs).toBe(10);
  });

  it("orders what happens at one moment in different processes by its seed (V1)", async () => {
    const orderOf = async (seed: number) => {
      const time = new VirtualTime(seed);
      const order: string[] = [];
      for (const name of ["a", "b", "c", "d", "e", "f"]) {
        time.process(name).at(1, () => order.push(name));
      }
      await time.until(1);
      return order.join("");
    };
    expect(await orderOf(1)).toBe(await orderOf(1));
    const orders = new Set(await Promise.all([1, 2, 3, 4, 5, 6].map(orderOf)));
    expect(orders.size).toBeGreaterThan(2);
  });
});

describe("a virtual process", () => {
  const world = () => {
    const time = new VirtualTime(1);
    const [process, other] = [time.process("a"), time.process("b")];
    const log: string[] = [];
    return { time, process, other, log, note: (what: string) => () => log.push(`${what} at ${time.nowMs}`) };
  };

  it("does what is set for one moment in that order (V1)", async () => {
    const { time, process, log, note } = world();
    for (const what of ["one", "two", "three"]) process.at(5, note(what));
    await time.until(5);
    expect(log).toEqual(["one at 5", "two at 5", "three at 5"]);
  });

  it("waits as Node does: whole milliseconds, one at least", async () => {
    const { time, process, log, note } = world();
    process.after(0, note("none"));
    process.after(1.2, note("more"));
    await time.until(5);
    expect(log).toEqual(["none at 1", "more at 2"]);
  });

  it("takes all that is ready in one turn, and what comes of it in the next", async () => {
    const { time, process } = world();
    const turns: number[] = [];
    process.onNextTurn(() => {
      turns.push(time.nowMs);
      process.onNextTurn(() => turns.push(time.nowMs));
    });
    process.onNextTurn(() => turns.push(time.nowMs));
    await time.until(1);
    expect(turns[0]).toBe(turns[1]);
    expect(turns[2]).toBeGreaterThan(turns[0]!);
  });

  it("does nothing while it is blocked, and then first what blocked it (V2)", async () => {
    const { time, process, other, log, note } = world();
    process.at(1, () => process.block(10, note("free")));
    process.at(2, note("due"));
    other.at(2, note("other"));
    await time.until(20);
    expect(log).toEqual(["other at 2", "free at 11", "due at 11"]);
    expect(process.blockedMs).toBe(10);
  });

  it("does nothing while it is paused (V2)", async () => {
    const { time, process, other, log, note } = world();
    process.pause();
    process.at(2, note("due"));
    other.at(9, () => process.resume());
    await time.until(20);
    expect(log).toEqual(["due at 9"]);
  });

  it("does nothing after its end, and breaks its connections (V3)", async () => {
    const { time, process, log, note } = world();
    process.at(1, () => process.block(10, note("free")));
    process.at(2, note("due"));
    process.own({ destroy: note("broken") });
    await time.until(1);
    process.end();
    process.after(5, note("set later"));
    process.own({ destroy: note("broken at once") });
    await time.until(20);
    expect(log).toEqual(["broken at 1", "broken at once at 1"]);
  });

  it("does not do what was taken back", async () => {
    const { time, process, log, note } = world();
    process.after(5, note("taken back"))();
    await time.until(20);
    expect(log).toEqual([]);
  });
});
