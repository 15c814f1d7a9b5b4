import { describe, expect, it } from "vitest";
import { resolveSessionOptions, type SessionOptions } from "./session-options.ts";

describe("resolveSessionOptions", () => {
  it("completes nothing with the documented defaults, frozen", () => {
    const resolved = resolveSessionOptions();
    expect(resolved).toEqual({
      intraOpThreads: 1,
      interOpThreads: 1,
      graphOptimizationLevel: "all",
      enableCpuMemArena: true,
      enableMemPattern: false,
      prepacking: true,
      compact: true,
      batchAxis: "auto",
      maxModelBytes: 2 ** 31 - 1,
    });
    expect(Object.isFrozen(resolved)).toBe(true);
  });

  it("keeps what is given", () => {
    const given = { intraOpThreads: 2, graphOptimizationLevel: "basic", batchAxis: false } as const;
    expect(resolveSessionOptions(given)).toMatchObject(given);
  });

  it.each([
    [{ intraOpThread: 1 }, "session.intraOpThread: there is no such option"],
    [{ intraOpThreads: 1.5 }, "session.intraOpThreads: expected a whole number from 1 to 256, got 1.5"],
    [{ interOpThreads: "2" }, 'session.interOpThreads: expected a whole number from 1 to 256, got "2"'],
    [
      { graphOptimizationLevel: "max" },
      'session.graphOptimizationLevel: expected one of disabled, basic, extended, layout, all, got "max"',
    ],
    [{ enableCpuMemArena: 1 }, "session.enableCpuMemArena: expected true or false, got 1"],
    [{ batchAxis: 0 }, "session.batchAxis: expected true or false, got 0"],
  ])("refuses %j, naming it", (options, message) => {
    expect(() => resolveSessionOptions(options as SessionOptions)).toThrow(
      expect.objectContaining({ code: "InvalidOptions", message }),
    );
  });
});
