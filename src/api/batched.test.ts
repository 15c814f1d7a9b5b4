import { describe, expect, it } from "vitest";
import { type BatchedOptions, batched, isBatched } from "./batched.ts";

const double = async (inputs: number[]) => inputs.map((input) => input * 2);

describe("batched", () => {
  it("can be called from the class itself, with a list, as it was written", async () => {
    expect(await batched({}, double)([1, 2, 3])).toEqual([2, 4, 6]);
  });

  it("has its documented defaults, frozen", () => {
    const { batchedOptions } = batched({}, double);
    expect(batchedOptions).toEqual({ maxBatchSize: 64, maxConcurrentBatches: 1 });
    expect(Object.isFrozen(batchedOptions)).toBe(true);
  });

  it.each([
    [{ maxBatchSize: 0 }, "batched: maxBatchSize: expected a number from 1 to 65535, got 0"],
    [{ maxBatchSize: 1.5 }, "batched: maxBatchSize: expected a whole number, got 1.5"],
    [{ maxBatchSize: 70_000 }, "batched: maxBatchSize: expected a number from 1 to 65535, got 70000"],
    [{ maxConcurrentBatches: 0 }, "batched: maxConcurrentBatches: expected a number from 1 to 1024, got 0"],
    [{ waitMs: 5 }, "batched: unknown option waitMs; known: maxBatchSize, maxConcurrentBatches"],
    [double, "batched: expected an object of options, got a function"],
  ])("refuses %j, naming the option", (options, message) => {
    expect(() => batched(options as BatchedOptions, double)).toThrow(message);
  });

  it("refuses what is no function to run", () => {
    expect(() => batched({}, undefined as unknown as typeof double)).toThrow(
      "batched: the second argument is a function",
    );
  });

  it("is told from other functions", () => {
    expect(isBatched(batched({}, double))).toBe(true);
    for (const other of [double, {}, null, undefined, { batchedOptions: {} }])
      expect(isBatched(other)).toBe(false);
  });
});
