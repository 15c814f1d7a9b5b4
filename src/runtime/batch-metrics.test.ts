import { expect, test } from "vitest";
import type { BatchMetrics } from "../observe/node-metrics.ts";
import { sumBatches } from "./batch-metrics.ts";

const batcher = (application: string, replica: number, more: Partial<BatchMetrics> = {}): BatchMetrics => ({
  application,
  deployment: "m",
  method: "predict",
  replica,
  reasons: { all: 2 },
  sizes: [
    { upToRows: 1, batches: 1 },
    { upToRows: 4, batches: 1 },
  ],
  rows: 5,
  calls: 3,
  waitedMs: 10,
  runMs: 20,
  waits: 1,
  hopeless: 0,
  givenUp: 0,
  queuedCalls: 1,
  capRows: 8,
  ...more,
});

test("batchers of one name are one series: two versions may have a replica of a model each", () => {
  const other = batcher("a", 0, {
    reasons: { all: 1, full: 1 },
    sizes: [
      { upToRows: 2, batches: 1 },
      { upToRows: 4, batches: 1 },
    ],
    capRows: 4,
  });
  expect(sumBatches([batcher("a", 0), batcher("a", 1), other, batcher("b", 0)])).toEqual([
    batcher("a", 0, {
      reasons: { all: 3, full: 1 },
      sizes: [
        { upToRows: 1, batches: 1 },
        { upToRows: 2, batches: 1 },
        { upToRows: 4, batches: 2 },
      ],
      rows: 10,
      calls: 6,
      waitedMs: 20,
      runMs: 40,
      waits: 2,
      queuedCalls: 2,
      capRows: 8,
    }),
    batcher("a", 1),
    batcher("b", 0),
  ]);
});
