/**
 * What a batch of n rows costs, learned from what batches did cost.
 *
 * A table over sizes 1, 2, 4 … of exponentially forgetting means; between two sizes that were seen the cost is
 * interpolated, beyond them extrapolated with the last slope. Measured cost curves are not lines (a tree ensemble here
 * took 112 µs for 1 row, 78 for 2, 140 for 8, 786 for 64), so a line is only the way to talk about it on the wire.
 *
 * Pure: time is an argument, nothing is scheduled.
 */
export interface CostTable {
  /** Mean µs a batch whose size is at most 2^i and above 2^(i-1); undefined where nothing was seen. */
  readonly meansUs: (number | undefined)[];
  /** Mean size of the batches in each class, since a class is wide. */
  readonly meanRows: number[];
  samples: number;
}

/** Weight of a new sample; about the last 20 batches of a size count. */
const FORGETTING = 0.1;
const CLASSES = 17;

export function emptyCostTable(): CostTable {
  return { meansUs: new Array(CLASSES).fill(undefined), meanRows: new Array(CLASSES).fill(0), samples: 0 };
}

const classOf = (rows: number): number => Math.min(CLASSES - 1, rows <= 1 ? 0 : 32 - Math.clz32(rows - 1));

/** Learns in place: the table is the owner's state, and this is called once a batch. */
export function learnCost(table: CostTable, rows: number, elapsedUs: number): void {
  const index = classOf(rows);
  const mean = table.meansUs[index];
  table.samples += 1;
  if (mean === undefined) {
    table.meansUs[index] = elapsedUs;
    table.meanRows[index] = rows;
    return;
  }
  // One long pause (a page fault, another process) must not look like a new cost: a sample counts four means at most.
  // From 1 µs on: a mean of 0, which a coarse clock gives, would never leave 0.
  const bounded = Math.min(elapsedUs, Math.max(1, mean * 4));
  table.meansUs[index] = mean + FORGETTING * (bounded - mean);
  table.meanRows[index] = table.meanRows[index]! + FORGETTING * (rows - table.meanRows[index]!);
}

/** Predicted µs of a batch of `rows`; never falls as rows grow; `priorUs` a row while nothing was learned. */
export function predictCostUs(table: CostTable, rows: number, priorUs = 1000): number {
  if (rows <= 0) return 0;
  const { fixedUs, itemUs } = costLine(table, priorUs);
  let belowRows = 0;
  let belowUs = fixedUs;
  for (let i = 0; i < CLASSES; i++) {
    const seen = table.meansUs[i];
    if (seen === undefined) continue;
    const us = Math.max(seen, belowUs);
    const at = table.meanRows[i]!;
    if (rows <= at)
      return at === belowRows ? us : belowUs + ((us - belowUs) * (rows - belowRows)) / (at - belowRows);
    belowRows = at;
    belowUs = us;
  }
  return belowUs + (rows - belowRows) * itemUs;
}

/** The line between the smallest and the largest size seen: the form in which a cost is told to others. */
export function costLine(
  table: CostTable,
  priorUs = 1000,
): { readonly fixedUs: number; readonly itemUs: number } {
  let lowest = -1;
  let highest = -1;
  for (let i = 0; i < CLASSES; i++) {
    if (table.meansUs[i] === undefined) continue;
    if (lowest < 0) lowest = i;
    highest = i;
  }
  if (lowest < 0) return { fixedUs: 0, itemUs: priorUs };
  const lowUs = table.meansUs[lowest]!;
  const lowRows = table.meanRows[lowest]!;
  const span = table.meanRows[highest]! - lowRows;
  if (span <= 0) return { fixedUs: lowUs * 0.5, itemUs: (lowUs * 0.5) / Math.max(1, lowRows) };
  const itemUs = Math.max(0, (table.meansUs[highest]! - lowUs) / span);
  return { fixedUs: Math.max(0, lowUs - itemUs * lowRows), itemUs };
}
