/**
 * Published forms of what a batch costs, with numbers of the size that models on one core have. Times in ms.
 *
 * - `flat`: a run takes as long for 64 as for 1. The far end of what batching can give: an accelerator that is not
 *   filled, a call to a remote service; the stub with which Ray Serve's queue was measured.
 * - `linear`: a fixed part and one for each row, `b + a·n`, as Nexus (Shen et al., SOSP 2019) and Clipper (Crankshaw et
 *   al., NSDI 2017) fit it to the models that they measured.
 * - `memory-bound`: flat until computing a batch takes longer than reading the weights once, then linear, as the
 *   roofline model says (Williams et al., CACM 2009). Dense models on a CPU are like that.
 * - `bimodal`: linear, and one run in ten takes 5.5 times as long, the two modes and their shares of Shinjuku's first
 *   bimodal load (Kaffes et al., NSDI 2019): a page fault, a neighbour, a collection of garbage.
 * - `padded`: linear in the longest row: one row in ten is 5.5 times as long, and all rows of its batch are computed to
 *   its length, as in Orloj (Yu et al., 2022). Larger batches do fewer rows per time: the case against "the more the
 *   better". Beside the four.
 */
export interface CostCurve {
  readonly name: "flat" | "linear" | "memory-bound" | "bimodal" | "padded";
  /** @param longRows rows of the batch that are long. @param slow in [0, 1): where this run falls between the modes. */
  runMs(rows: number, longRows: number, slow: number): number;
  meanMs(rows: number): number;
  readonly longFraction: number;
}

const SLOW_FRACTION = 0.1;
const SLOW_TIMES = 5.5;
const linearMs = (rows: number): number => 2 + 0.5 * rows;
const anyLong = (rows: number): number => 1 - (1 - SLOW_FRACTION) ** rows;

function always(name: CostCurve["name"], ms: (rows: number) => number): CostCurve {
  return { name, runMs: ms, meanMs: ms, longFraction: 0 };
}

export const CURVES: readonly CostCurve[] = [
  always("flat", () => 10),
  always("linear", linearMs),
  always("memory-bound", (rows) => Math.max(8, 0.5 * rows)),
  {
    name: "bimodal",
    runMs: (rows, _, slow) => linearMs(rows) * (slow < SLOW_FRACTION ? SLOW_TIMES : 1),
    meanMs: (rows) => linearMs(rows) * (1 + SLOW_FRACTION * (SLOW_TIMES - 1)),
    longFraction: 0,
  },
  {
    name: "padded",
    runMs: (rows, longRows) => 2 + 0.5 * rows * (longRows > 0 ? SLOW_TIMES : 1),
    meanMs: (rows) => 2 + 0.5 * rows * (1 + anyLong(rows) * (SLOW_TIMES - 1)),
    longFraction: SLOW_FRACTION,
  },
];

export function curveNamed(name: CostCurve["name"]): CostCurve {
  const curve = CURVES.find((one) => one.name === name);
  if (curve === undefined) throw new Error(`there is no cost curve ${name}`);
  return curve;
}

/** Most rows in one batch, in all cases. */
export const MAX_BATCH_ROWS = 64;

/** The most rows a millisecond that one lane can do, at the best size. */
export function capacityPerMs(curve: CostCurve): number {
  let best = 0;
  for (let rows = 1; rows <= MAX_BATCH_ROWS; rows++) best = Math.max(best, rows / curve.meanMs(rows));
  return best;
}

/** The latency goal of a case: so many times a run of this many rows, on average. */
export const goalMs = (curve: CostCurve, times: number): number => times * curve.meanMs(16);
