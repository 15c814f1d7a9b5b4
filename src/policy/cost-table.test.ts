import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  costLine,
  efficientRows,
  emptyCostTable,
  isStale,
  learnCost,
  predictCostUs,
  predictSpreadUs,
  quickFraction,
  rowsWithinUs,
  scaleCosts,
} from "./cost-table.ts";

const SIZES = [1, 2, 4, 8, 16, 32, 64];

/** Anything that a lane may have measured. */
const samples = fc.array(
  fc.record({ rows: fc.integer({ min: 1, max: 70_000 }), us: fc.double({ min: 0, max: 1e7, noNaN: true }) }),
  { maxLength: 60 },
);

function learned(curve: (rows: number) => number, sizes: readonly number[] = SIZES, rounds = 30) {
  const table = emptyCostTable();
  for (let round = 0; round < rounds; round++) for (const rows of sizes) learnCost(table, rows, curve(rows));
  return table;
}

describe("the cost table", () => {
  it("predicts its prior for each row while it has learned nothing", () => {
    expect(predictCostUs(emptyCostTable(), 8, 250)).toBe(2000);
    expect(predictCostUs(emptyCostTable(), 8)).toBe(8000);
    expect(costLine(emptyCostTable(), 250)).toEqual({ fixedUs: 0, itemUs: 250 });
  });

  it("predicts nothing for no rows", () => {
    expect(predictCostUs(emptyCostTable(), 0)).toBe(0);
    expect(
      predictCostUs(
        learned((rows) => 50 + rows),
        0,
      ),
    ).toBe(0);
  });

  it("never predicts less for more rows, whatever it was taught", () => {
    fc.assert(
      fc.property(
        samples,
        fc.integer({ min: 1, max: 80_000 }),
        fc.integer({ min: 0, max: 1000 }),
        (given, rows, more) => {
          const table = emptyCostTable();
          for (const { rows: n, us } of given) learnCost(table, n, us);
          const fewer = predictCostUs(table, rows);
          expect(fewer).toBeGreaterThanOrEqual(0);
          expect(Number.isFinite(fewer)).toBe(true);
          // Both sides are sums in floating point.
          expect(predictCostUs(table, rows + more)).toBeGreaterThanOrEqual(fewer - 1e-6 * fewer);
        },
      ),
    );
  });

  it("learns a planted line at every size, seen or between", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 1, max: 500 }), (fixedUs, itemUs) => {
        const curve = (rows: number) => fixedUs + itemUs * rows;
        const table = learned(curve);
        for (const rows of [1, 2, 3, 5, 8, 13, 40, 64, 128, 1000]) {
          expect(predictCostUs(table, rows)).toBeCloseTo(curve(rows), 3);
        }
        expect(costLine(table).fixedUs).toBeCloseTo(fixedUs, 3);
        expect(costLine(table).itemUs).toBeCloseTo(itemUs, 3);
      }),
    );
  });

  it("learns a curve that is no line, at the sizes it was shown", () => {
    // Measured: a tree ensemble.
    const measured = new Map([
      [1, 112],
      [8, 140],
      [64, 786],
    ]);
    const table = learned((rows) => measured.get(rows)!, [...measured.keys()]);
    for (const [rows, us] of measured) expect(predictCostUs(table, rows)).toBeCloseTo(us, 6);
    expect(predictCostUs(table, 36)).toBeGreaterThan(140);
    expect(predictCostUs(table, 36)).toBeLessThan(786);
  });

  it("does not predict less for two rows than for one, though two were measured cheaper", () => {
    const measured = new Map([
      [1, 112],
      [2, 78],
    ]);
    const table = learned((rows) => measured.get(rows)!, [1, 2]);
    expect(predictCostUs(table, 2)).toBe(predictCostUs(table, 1));
  });

  it("follows a cost that changed, within some dozens of batches", () => {
    const table = learned(() => 100, [8]);
    for (let i = 0; i < 60; i++) learnCost(table, 8, 300);
    expect(predictCostUs(table, 8)).toBeGreaterThan(290);
    for (let i = 0; i < 60; i++) learnCost(table, 8, 50);
    expect(predictCostUs(table, 8)).toBeLessThan(55);
  });

  it("lets one long pause move a prediction by less than a third, however long it was", () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 1e12, noNaN: true }), (pauseUs) => {
        const table = learned(() => 100, [8]);
        learnCost(table, 8, pauseUs);
        expect(predictCostUs(table, 8)).toBeLessThanOrEqual(130 + 1e-9);
      }),
    );
  });

  it("recovers from a first sample of nothing at all, as a coarse clock gives it", () => {
    const table = emptyCostTable();
    learnCost(table, 8, 0);
    for (let i = 0; i < 200; i++) learnCost(table, 8, 500);
    expect(predictCostUs(table, 8)).toBeGreaterThan(450);
  });

  it("tells a line even of one size, half of it fixed, that meets the cost at that size", () => {
    const table = learned(() => 800, [4]);
    const { fixedUs, itemUs } = costLine(table);
    expect(fixedUs).toBe(400);
    expect(fixedUs + 4 * itemUs).toBeCloseTo(800, 6);
  });

  it("never tells a negative part of a line", () => {
    fc.assert(
      fc.property(samples, (given) => {
        const table = emptyCostTable();
        for (const { rows, us } of given) learnCost(table, rows, us);
        const { fixedUs, itemUs } = costLine(table);
        expect(fixedUs).toBeGreaterThanOrEqual(0);
        expect(itemUs).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("counts what it was shown", () => {
    expect(learned(() => 1, [1, 2, 3], 5).samples).toBe(15);
  });
});

describe("the spread of a cost", () => {
  /** Every 10th run takes five times as long. */
  const bimodal = (table: ReturnType<typeof emptyCostTable>, rows: number, runs: number) => {
    for (let i = 0; i < runs; i++) learnCost(table, rows, i % 10 === 9 ? 500 : 100);
  };

  it("is a quarter of the cost while one run was seen, and nothing without any", () => {
    const table = emptyCostTable();
    expect(predictSpreadUs(table, 8)).toBe(0);
    learnCost(table, 8, 400);
    expect(predictSpreadUs(table, 8)).toBe(100);
  });

  it("goes to nothing where every run takes as long", () => {
    const table = learned(() => 100, [8], 400);
    expect(predictSpreadUs(table, 8)).toBeLessThan(1);
    expect(quickFraction(table, 8)).toBeGreaterThan(0.99);
  });

  it("covers a slow mode that one run in ten has, and knows of the quick one", () => {
    const table = emptyCostTable();
    bimodal(table, 8, 1000);
    const mean = predictCostUs(table, 8);
    expect(mean + predictSpreadUs(table, 8)).toBeGreaterThan(400);
    expect(mean * quickFraction(table, 8)).toBeLessThan(110);
  });

  it("is exceeded by about 5 of 100 runs", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 500 }), (seed, widthUs) => {
        const table = emptyCostTable();
        let state = seed;
        let exceeded = 0;
        const runs = 4000;
        for (let i = 0; i < runs + 500; i++) {
          state = (state * 48_271) % 2_147_483_647;
          const us = 1000 + widthUs * (state / 2_147_483_647);
          if (i >= 500 && us > predictCostUs(table, 8) + predictSpreadUs(table, 8)) exceeded += 1;
          learnCost(table, 8, us);
        }
        expect(exceeded / runs).toBeGreaterThan(0.01);
        expect(exceeded / runs).toBeLessThan(0.12);
      }),
      { numRuns: 30 },
    );
  });
});

describe("rowsWithinUs", () => {
  it("is the largest size that is predicted to take no longer", () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0, max: 1e7, noNaN: true }), (given, us) => {
        const table = emptyCostTable();
        for (const one of given) learnCost(table, one.rows, one.us);
        const rows = rowsWithinUs(table, us);
        if (given.length === 0) {
          expect(rows).toBe(Number.POSITIVE_INFINITY);
          return;
        }
        const tolerance = 1e-6 * (1 + us);
        if (rows !== Number.POSITIVE_INFINITY) {
          expect(predictCostUs(table, rows + 1)).toBeGreaterThanOrEqual(us - tolerance);
        }
        if (rows > 0) expect(predictCostUs(table, Math.min(rows, 1e6))).toBeLessThanOrEqual(us + tolerance);
      }),
    );
  });

  it("is any size where time is no limit, and none where not even one row is done in time", () => {
    const table = learned((rows) => 50 + rows);
    expect(rowsWithinUs(table, Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    expect(rowsWithinUs(table, 50.5)).toBe(0);
    expect(rowsWithinUs(table, 51)).toBe(1);
  });
});

describe("efficientRows", () => {
  it("is all rows wherever a larger batch does not do less for its time", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 50_000 }),
        fc.integer({ min: 0, max: 5000 }),
        fc.integer({ min: 1, max: 64 }),
        (fixedUs, itemUs, rows) => {
          const table = learned((n) => fixedUs + itemUs * n);
          expect(efficientRows(table, rows)).toBe(rows);
        },
      ),
    );
  });

  it("is the best size where larger batches do clearly less for their time", () => {
    // Rows beyond 8 cost five times as much.
    const table = learned((rows) => 500 + 100 * Math.min(rows, 8) + 500 * Math.max(0, rows - 8));
    expect(efficientRows(table, 64)).toBe(8);
    expect(efficientRows(table, 8)).toBe(8);
    expect(efficientRows(table, 5)).toBe(5);
  });

  it("does not split what takes microseconds, for which a second batch costs more than it saves", () => {
    const table = learned((rows) => 0.1 * rows * rows);
    expect(efficientRows(table, 16)).toBe(16);
  });
});

describe("scaleCosts", () => {
  it("is as if all that was learned had taken so many times as long, and leaves a table that has learned nothing", () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0.05, max: 20, noNaN: true }), (seen, factor) => {
        const [table, asIf] = [emptyCostTable(), emptyCostTable()];
        for (const { rows, us } of seen) {
          // Beyond a mean of 1 µs, below which a run is taken for 1 µs.
          learnCost(table, rows, us + 100);
          learnCost(asIf, rows, (us + 100) * factor);
        }
        scaleCosts(table, factor);
        for (const rows of SIZES) {
          expect(predictCostUs(table, rows)).toBeCloseTo(predictCostUs(asIf, rows), 3);
          expect(predictSpreadUs(table, rows)).toBeCloseTo(predictSpreadUs(asIf, rows), 3);
        }
      }),
    );
  });
});

describe("isStale", () => {
  it("says of a size between others that it has not run lately", () => {
    const table = learned((rows) => rows, [1, 64], 1);
    for (let i = 0; i < 70; i++) learnCost(table, 1, 1);
    expect(isStale(table, 8)).toBe(true);
    learnCost(table, 8, 8);
    expect(isStale(table, 8)).toBe(false);
  });

  it("does not say it of sizes larger than any seen", () => {
    expect(
      isStale(
        learned((rows) => rows, [1, 2], 100),
        16,
      ),
    ).toBe(false);
    expect(isStale(emptyCostTable(), 1)).toBe(false);
  });
});
