import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { type NodeOptions, resolveNodeOptions } from "./node-options.ts";

const BOUNDS: Readonly<
  Record<keyof NodeOptions, { min: number; max?: number; whole: boolean; default: number }>
> = {
  lanes: { min: 1, max: 256, whole: true, default: availableParallelism() },
  codeExecutors: { min: 1, max: 64, whole: true, default: 2 },
  spares: { min: 0, max: 16, whole: true, default: 1 },
  laneNiceness: { min: 0, max: 19, whole: true, default: 5 },
  heartbeatTimeoutMs: { min: 250, whole: false, default: 1000 },
  loadingTimeoutMs: { min: 1000, whole: false, default: 120_000 },
  executorMemoryLimitMb: { min: 128, whole: false, default: 4096 },
  drainTimeoutMs: { min: 0, whole: false, default: 20_000 },
};
const OPTIONS = Object.entries(BOUNDS) as [keyof NodeOptions, (typeof BOUNDS)[keyof NodeOptions]][];

describe("the options of a node", () => {
  it("have their documented defaults, frozen", () => {
    const resolved = resolveNodeOptions();
    expect(resolved).toEqual(Object.fromEntries(OPTIONS.map(([name, bounds]) => [name, bounds.default])));
    expect(Object.isFrozen(resolved)).toBe(true);
  });

  it.each(OPTIONS)(
    "%s is taken within its bounds and refused by name beyond them",
    (name, { min, max, whole }) => {
      expect(resolveNodeOptions({ [name]: min })[name]).toBe(min);
      expect(() => resolveNodeOptions({ [name]: min - 1 })).toThrow(`node: ${name}: expected a number`);
      expect(() => resolveNodeOptions({ [name]: "many" })).toThrow(/got "many"$/);
      expect(() => resolveNodeOptions({ [name]: Number.POSITIVE_INFINITY })).toThrow(/got Infinity$/);
      if (max !== undefined) {
        expect(resolveNodeOptions({ [name]: max })[name]).toBe(max);
        expect(() => resolveNodeOptions({ [name]: max + 1 })).toThrow(
          `from ${min} to ${max}, got ${max + 1}`,
        );
      }
      if (whole) expect(() => resolveNodeOptions({ [name]: min + 0.5 })).toThrow("expected a whole number");
      else expect(resolveNodeOptions({ [name]: min + 0.5 })[name]).toBe(min + 0.5);
    },
  );

  it("are refused when unknown, with the names of those that are", () => {
    expect(() => resolveNodeOptions({ lane: 2 } as NodeOptions)).toThrow(
      "node: unknown option lane; known: lanes, ",
    );
  });
});
