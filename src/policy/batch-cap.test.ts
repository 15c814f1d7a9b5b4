import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fullCap, learnCap } from "./batch-cap.ts";

describe("the cap on batches", () => {
  it("is what was configured while batches are on time", () => {
    const cap = fullCap(64);
    for (let i = 0; i < 100; i++) learnCap(cap, 900, 950, 1000);
    expect(cap.rows).toBe(64);
  });

  it("falls by a tenth where a batch was late that was promised to be on time", () => {
    const cap = fullCap(50);
    learnCap(cap, 1100, 950, 1000);
    expect(cap.rows).toBeCloseTo(45);
  });

  it("does not fall for a batch that was known to be late, or had no deadline", () => {
    const cap = fullCap(50);
    learnCap(cap, 1100, 1050, 1000);
    learnCap(cap, 1e9, 1e8, Number.POSITIVE_INFINITY);
    expect(cap.rows).toBe(50);
  });

  it("rises again, row by row, to what was configured and no further", () => {
    const cap = fullCap(64);
    for (let i = 0; i < 5; i++) learnCap(cap, 2, 0, 1);
    const lowered = cap.rows;
    learnCap(cap, 1, 1, 2);
    expect(cap.rows).toBeCloseTo(lowered + 1);
    for (let i = 0; i < 100; i++) learnCap(cap, 1, 1, 2);
    expect(cap.rows).toBe(64);
  });

  it("stays between one row and what was configured, whatever happens", () => {
    const outcome = fc.record({
      tookUs: fc.nat(10_000),
      promisedUs: fc.nat(10_000),
      hadUs: fc.oneof(fc.integer({ min: -100, max: 10_000 }), fc.constant(Number.POSITIVE_INFINITY)),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65_535 }), fc.array(outcome), (maxRows, outcomes) => {
        const cap = fullCap(maxRows);
        for (const { tookUs, promisedUs, hadUs } of outcomes) learnCap(cap, tookUs, promisedUs, hadUs);
        expect(cap.rows).toBeGreaterThanOrEqual(1);
        expect(cap.rows).toBeLessThanOrEqual(maxRows);
      }),
    );
  });
});
