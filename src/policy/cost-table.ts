/**
 * What a batch of n rows costs, learned from what batches did cost.
 *
 * A table over sizes 1, 2, 4 … of exponentially forgetting means, each with its spread: how far above the mean a run
 * stays in 95 of 100 cases. Between two sizes that were seen the cost is interpolated, beyond them extrapolated with
 * the last slope. Measured cost curves are not lines (a tree ensemble here took 112 µs for 1 row, 78 for 2, 140 for 8,
 * 786 for 64), so a line is only the way to talk about it on the wire.
 *
 * Pure: time is an argument, nothing is scheduled.
 */
export interface CostTable {
  /** Mean µs a batch whose size is at most 2^i and above 2^(i-1); undefined where nothing was seen. */
  readonly meansUs: (number | undefined)[];
  /** Mean size of the batches in each class, since a class is wide. */
  readonly meanRows: number[];
  /** How far from the mean a run was, on average. */
  readonly deviationsUs: number[];
  /** How far above the mean a run stays in 95 of 100 cases. */
  readonly spreadsUs: number[];
  /** How many batches of each class there were. */
  readonly seen: number[];
  /** The number of the last batch of each class, among all. */
  readonly seenAt: number[];
  /** The mean again, slower: what sizes are compared by, since to react to a chance is worse there than to be late. */
  readonly steadyUs: number[];
  samples: number;
  /** What is asked many times for each sample, made anew, in place, by each sample. */
  readonly curve: CostCurve;
}

/** The classes that were seen, smallest first, made monotone: more rows never cost less. */
interface CostCurve {
  /** How many classes were seen; the arrays have room for all. */
  knots: number;
  readonly rows: Float64Array;
  readonly us: Float64Array;
  /** How far above its mean a run stays in 95 of 100 cases, as a share of it. */
  readonly spreadFraction: Float64Array;
  /** How far from the mean a run is on average, as a share of it. */
  readonly deviationFraction: Float64Array;
  /** Rows per time of each, by the steady mean and with what a batch costs beside its run. */
  readonly rowsPerUs: Float64Array;
  /** The line below the first and beyond the last. */
  fixedUs: number;
  itemUs: number;
  /** Of the sizes seen, the one that does the most. */
  bestRows: number;
  bestRowsPerUs: number;
}

/** Weight of a new sample once there are many; the first ones count alike. */
const FORGETTING = 0.1;
const STEADY_FORGETTING = 0.05;
/** What a batch costs beside its run: a turn of the event loop, frames. It counts when sizes are compared. */
const BATCH_US = 50;
const CLASSES = 17;
const QUANTILE = 0.95;
/** Nothing is known of a spread after one sample; this share of it is assumed. */
const FIRST_SPREAD_FRACTION = 0.25;

export function emptyCostTable(): CostTable {
  return {
    meansUs: new Array(CLASSES).fill(undefined),
    meanRows: new Array(CLASSES).fill(0),
    deviationsUs: new Array(CLASSES).fill(0),
    spreadsUs: new Array(CLASSES).fill(0),
    seen: new Array(CLASSES).fill(0),
    seenAt: new Array(CLASSES).fill(0),
    steadyUs: new Array(CLASSES).fill(0),
    samples: 0,
    curve: {
      knots: 0,
      rows: new Float64Array(CLASSES),
      us: new Float64Array(CLASSES),
      spreadFraction: new Float64Array(CLASSES),
      deviationFraction: new Float64Array(CLASSES),
      rowsPerUs: new Float64Array(CLASSES),
      fixedUs: 0,
      itemUs: 0,
      bestRows: Number.POSITIVE_INFINITY,
      bestRowsPerUs: 0,
    },
  };
}

/** Sizes 1, 2, 3–4, 5–8 … by number. */
export const sizeClassOf = (rows: number): number =>
  Math.min(CLASSES - 1, rows <= 1 ? 0 : 32 - Math.clz32(rows - 1));

/** Learns in place: the table is the owner's state, and this is called once a batch. */
export function learnCost(table: CostTable, rows: number, elapsedUs: number): void {
  const index = sizeClassOf(rows);
  const mean = table.meansUs[index];
  table.samples += 1;
  const seen = table.seen[index]! + 1;
  table.seen[index] = seen;
  table.seenAt[index] = table.samples;
  if (mean === undefined) {
    table.meansUs[index] = elapsedUs;
    table.steadyUs[index] = elapsedUs;
    table.meanRows[index] = rows;
    table.deviationsUs[index] = elapsedUs * FIRST_SPREAD_FRACTION;
    table.spreadsUs[index] = elapsedUs * FIRST_SPREAD_FRACTION;
  } else {
    learnSpread(table, index, elapsedUs - mean);
    // One long pause (a page fault, another process) must not look like a new cost: a sample counts four means at
    // most. From 1 µs on: a mean of 0, which a coarse clock gives, would never leave 0.
    const bounded = Math.min(elapsedUs, Math.max(1, mean * 4));
    const weight = Math.max(FORGETTING, 1 / seen);
    const steady = table.steadyUs[index]!;
    table.steadyUs[index] = steady + Math.max(STEADY_FORGETTING, 1 / seen) * (bounded - steady);
    table.meansUs[index] = mean + weight * (bounded - mean);
    table.meanRows[index] = table.meanRows[index]! + weight * (rows - table.meanRows[index]!);
  }
  updateCurve(table);
}

/**
 * A quantile followed by steps (stochastic approximation): up by 0.95 of a step where a run took longer, down by 0.05
 * where it did not, which comes to rest where 5 of 100 are longer. A step is as large as runs usually differ.
 */
function learnSpread(table: CostTable, index: number, aboveMeanUs: number): void {
  const deviation = table.deviationsUs[index]!;
  const spread = table.spreadsUs[index]!;
  table.deviationsUs[index] = deviation + FORGETTING * (Math.abs(aboveMeanUs) - deviation);
  const stepUs = Math.max(deviation, spread / 2);
  table.spreadsUs[index] = Math.max(0, spread + stepUs * (aboveMeanUs > spread ? QUANTILE : QUANTILE - 1));
}

/** All runs take so many times as long from now on, or were found to. */
export function scaleCosts(table: CostTable, factor: number): void {
  for (let i = 0; i < CLASSES; i++) {
    const mean = table.meansUs[i];
    if (mean === undefined) continue;
    table.meansUs[i] = mean * factor;
    table.steadyUs[i]! *= factor;
    table.deviationsUs[i]! *= factor;
    table.spreadsUs[i]! *= factor;
  }
  updateCurve(table);
}

function updateCurve(table: CostTable): void {
  const { curve } = table;
  const { fixedUs, itemUs } = costLine(table);
  let belowUs = fixedUs;
  let knots = 0;
  curve.fixedUs = fixedUs;
  curve.itemUs = itemUs;
  curve.bestRows = Number.POSITIVE_INFINITY;
  curve.bestRowsPerUs = 0;
  for (let i = 0; i < CLASSES; i++) {
    const mean = table.meansUs[i];
    if (mean === undefined) continue;
    belowUs = Math.max(mean, belowUs);
    const rows = table.meanRows[i]!;
    const rowsPerUs = rows / (table.steadyUs[i]! + BATCH_US);
    curve.rows[knots] = rows;
    curve.us[knots] = belowUs;
    curve.spreadFraction[knots] = table.spreadsUs[i]! / Math.max(1, mean);
    curve.deviationFraction[knots] = Math.min(1, table.deviationsUs[i]! / Math.max(1, mean));
    curve.rowsPerUs[knots] = rowsPerUs;
    if (rowsPerUs >= curve.bestRowsPerUs) {
      curve.bestRowsPerUs = rowsPerUs;
      curve.bestRows = Math.max(1, Math.round(rows));
    }
    knots += 1;
  }
  curve.knots = knots;
}

/** Predicted µs of a batch of `rows`; never falls as rows grow; `priorUs` a row while nothing was learned. */
export function predictCostUs(table: CostTable, rows: number, priorUs = 1000): number {
  if (rows <= 0) return 0;
  if (table.samples === 0) return rows * priorUs;
  const { knots, rows: knotRows, us, fixedUs, itemUs } = table.curve;
  let belowRows = 0;
  let belowUs = fixedUs;
  for (let i = 0; i < knots; i++) {
    const at = knotRows[i]!;
    const atUs = us[i]!;
    if (rows <= at)
      return at === belowRows ? atUs : belowUs + ((atUs - belowUs) * (rows - belowRows)) / (at - belowRows);
    belowRows = at;
    belowUs = atUs;
  }
  return belowUs + (rows - belowRows) * itemUs;
}

/** How much longer than predicted a batch of `rows` may well take: 95 of 100 stay within it. */
export function predictSpreadUs(table: CostTable, rows: number): number {
  return predictCostUs(table, rows) * table.curve.spreadFraction[nearestKnot(table, rows)]!;
}

/** The part of its predicted time in which a batch may still well be done, at its usual distance from the mean. */
export function quickFraction(table: CostTable, rows: number): number {
  return 1 - table.curve.deviationFraction[nearestKnot(table, rows)]!;
}

function nearestKnot({ curve }: CostTable, rows: number): number {
  const last = curve.knots - 1;
  let i = 0;
  while (i < last && curve.rows[i]! < rows) i += 1;
  return i;
}

/** The most rows that are predicted to take at most so long; 0 where not even one is, infinite where time is no limit. */
export function rowsWithinUs(table: CostTable, us: number): number {
  if (table.samples === 0 || us === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  const { knots, rows: knotRows, us: knotUs, fixedUs, itemUs } = table.curve;
  if (us < fixedUs) return 0;
  let belowRows = 0;
  let belowUs = fixedUs;
  for (let i = 0; i < knots; i++) {
    if (us < knotUs[i]!) {
      const share = (us - belowUs) / (knotUs[i]! - belowUs);
      return Math.floor(belowRows + share * (knotRows[i]! - belowRows) + 1e-9);
    }
    belowRows = knotRows[i]!;
    belowUs = knotUs[i]!;
  }
  if (itemUs === 0) return Number.POSITIVE_INFINITY;
  return Math.floor(belowRows + (us - belowUs) / itemUs + 1e-9);
}

/** A smaller batch must do this much more per time before a larger one is split: what was measured is never exact. */
const SPLIT_GAIN = 1.15;

/**
 * The size up to which it pays to have `rows` run together: all of them, unless smaller batches were seen to do clearly
 * more rows per time (a run that is padded to its longest row, a working set beyond the cache).
 *
 * @param splitGain how many times more that must be.
 */
export function efficientRows(table: CostTable, rows: number, splitGain = SPLIT_GAIN): number {
  const { rows: knotRows, rowsPerUs, bestRows, bestRowsPerUs } = table.curve;
  if (rows <= bestRows) return rows;
  const at = nearestKnot(table, rows);
  // Between two sizes that were seen, the better of them stands for what lies there.
  const does = knotRows[at]! > rows ? Math.max(rowsPerUs[at]!, rowsPerUs[at - 1]!) : rowsPerUs[at]!;
  return bestRowsPerUs > splitGain * does ? bestRows : rows;
}

/** What was learned longer ago than this many batches may not hold any more. */
const STALE_AFTER_SAMPLES = 64;

/**
 * True where larger batches were seen, but none of this size lately: what is believed of it may come from a chance, and
 * keep itself true by keeping batches small.
 */
export function isStale(table: CostTable, rows: number): boolean {
  const { knots, rows: knotRows } = table.curve;
  if (knots === 0 || rows > knotRows[knots - 1]!) return false;
  return table.samples - table.seenAt[sizeClassOf(rows)]! >= STALE_AFTER_SAMPLES;
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
