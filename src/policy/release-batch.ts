import {
  type CostTable,
  efficientRows,
  isStale,
  predictCostUs,
  predictSpreadUs,
  quickFraction,
  rowsWithinUs,
} from "./cost-table.ts";

/** What the policy needs to know of a waiting item. Times on one clock, in ms. */
export interface WaitingItem {
  readonly rows: number;
  readonly deadlineAtMs: number;
  readonly queuedAtMs: number;
  readonly call: { readonly priority: number };
}

/** What is known when a slot is free. */
export interface ReleaseState {
  /** Cap in rows. A single item that is larger runs alone. */
  readonly capRows: number;
  readonly costs: CostTable;
  /** An item that waited longer is refused, so nothing waits beyond it on purpose. */
  readonly maxQueueMs: number | undefined;
  /** False when the slot has other work, or another slot is free: then waiting gains nothing. */
  readonly mayWait: boolean;
  /** Rows that are expected for this queue in a millisecond. */
  arrivalsPerMs(nowMs: number): number;
  /** Work that arrives for the slot, of all its queues, in each unit of its time: 1 is all that it can do. */
  loadFraction(nowMs: number): number;
  /** The part of this queue's calls that was lately ended because it could not be on time. */
  readonly lostFraction: number;
}

/** Why a batch was run as it is. */
export type RunReason =
  /** As many rows as the cap allows. */
  | "full"
  /** All that waited: nothing was to be gained by waiting for more. */
  | "all"
  /** No more rows would have been on time. */
  | "urgent"
  /** Fewer than waited, since smaller batches do more rows per time. */
  | "efficient"
  /** To learn what it costs now: predicted to be late, or larger than seemed efficient. */
  | "probe";

export type BatchDecision =
  /** Ends the first `drop` items, which would make the others late, and runs the `run` after them. */
  | { readonly kind: "run"; readonly drop: number; readonly run: number; readonly reason: RunReason }
  | { readonly kind: "wait"; readonly untilMs: number };

/** A timer fires up to a millisecond late, and what is shorter is not worth one. */
const TIMER_MS = 1;
/** Rows saved, for each row that waits, below which waiting is not worth its risk: a spread is exceeded by 5 of 100. */
const WORTH_WAITING = 0.05;
/**
 * As long as all calls are on time a batch is split for much only: each batch also costs frames, merging and a turn of the
 * event loop, which no run shows, and on a busy machine what was learned of two sizes at two times differs by a fifth.
 */
const CALM_SPLIT_GAIN = 2;
const LOSING_FRACTION = 0.01;
/** How far ahead is looked where not everything can be on time. */
const MAX_STARTS = 128;
const MAX_BATCHES_AHEAD = 8;
/** Above this power, what a slot could do in a saved moment counts only when it has more to do than it can. */
const LOAD_POWER = 8;
/** The load is an estimate; losing a quarter of the calls is proof enough. */
const LOST_TIMES = 4;

/**
 * How soon a run of so many rows may be done, in ms. An item that has less time left than that, alone and at once, is
 * hopeless: not worth a slot (D2).
 */
export function soonestMs(costs: CostTable, rows: number): number {
  return costs.samples === 0 ? 0 : (predictCostUs(costs, rows) * quickFraction(costs, rows)) / 1000;
}

/**
 * Which of the waiting items run now, or until when to wait for more. Asked when a slot is free, never earlier (D7), so
 * that batches grow with load by themselves.
 *
 * - Where all that waits, up to the cap, is predicted to be on time in one batch, it is run at once: extra wait is 0.
 * - Waiting is for deadlines that are short beside a run: when what is expected to arrive during the run could not be
 *   on time after it, company is awaited for as long as no waiting item becomes late.
 * - Where not all can be on time, the batch that starts at each item in turn is weighed: how many rows are answered in
 *   time from here on, less what the slot could do in that time. Starting later gives up the items before it, and lets
 *   the batch be larger (the window of Nexus, Shen et al. 2019, and the estimate to the end of PARD).
 *
 * The latency to be kept is each item's own deadline; without deadlines the policy is to run all that waits.
 *
 * @param items by priority, then by deadline, at least one; none expired or hopeless, but to learn from.
 */
export function releaseBatch(
  items: readonly WaitingItem[],
  state: ReleaseState,
  nowMs: number,
): BatchDecision {
  const { costs, capRows } = state;
  let { count, rows, dueAtMs } = upTo(items, capRows);
  let reason: RunReason = count < items.length || rows >= capRows ? "full" : "all";
  const isLosing = state.lostFraction > LOSING_FRACTION;
  const efficient = efficientRows(costs, rows, isLosing ? undefined : CALM_SPLIT_GAIN);
  if (efficient < rows && count > 1) {
    const probes = isStale(costs, efficient * 2);
    ({ count, rows, dueAtMs } = upTo(items, probes ? Math.min(rows, efficient * 2) : efficient));
    reason = probes ? "probe" : "efficient";
  }
  if (costs.samples === 0 || dueAtMs === Number.POSITIVE_INFINITY) {
    return { kind: "run", drop: 0, run: count, reason };
  }
  const runUs = predictCostUs(costs, rows);
  if (runUs > (dueAtMs - nowMs) * 1000) return bestStart(items, state, nowMs);
  if (reason === "all" && state.mayWait) {
    const untilMs = worthWaitingUntil(items, rows, dueAtMs, runUs, state, nowMs);
    if (untilMs > nowMs) return { kind: "wait", untilMs };
    if (untilMs === URGENT) reason = "urgent";
  }
  return { kind: "run", drop: 0, run: count, reason };
}

interface Taken {
  readonly count: number;
  readonly rows: number;
  readonly dueAtMs: number;
}

/** As many items from the first as have so many rows together; at least one. */
function upTo(items: readonly WaitingItem[], maxRows: number): Taken {
  let rows = 0;
  let dueAtMs = Number.POSITIVE_INFINITY;
  let count = 0;
  for (; count < items.length; count++) {
    const item = items[count]!;
    if (count > 0 && rows + item.rows > maxRows) break;
    rows += item.rows;
    if (item.deadlineAtMs < dueAtMs) dueAtMs = item.deadlineAtMs;
  }
  return { count, rows, dueAtMs };
}

const NOT_WORTH_IT = Number.NEGATIVE_INFINITY;
/** It was worth waiting, and the time for it is over. */
const URGENT = 0;

function worthWaitingUntil(
  items: readonly WaitingItem[],
  rows: number,
  dueAtMs: number,
  runUs: number,
  state: ReleaseState,
  nowMs: number,
): number {
  const { costs, capRows, maxQueueMs } = state;
  const { deadlineAtMs, queuedAtMs } = items[0]!;
  const budgetUs = (deadlineAtMs - queuedAtMs) * 1000;
  // The usual case: whatever the next batch is, those who come during this one can be on time in it.
  if (runUs + predictCostUs(costs, capRows) <= budgetUs) return NOT_WORTH_IT;
  const rowsPerUs = state.arrivalsPerMs(nowMs) / 1000;
  const nextRows = Math.min(capRows, Math.max(1, Math.round(rowsPerUs * runUs)));
  // Who arrives this early in the run has run out of time when the next one ends.
  const blockedUs = Math.min(runUs, runUs + predictCostUs(costs, nextRows) - budgetUs);
  if (blockedUs <= 0) return NOT_WORTH_IT;
  const grown = rows + 1;
  if (efficientRows(costs, grown) < grown) return NOT_WORTH_IT;
  let untilMs = dueAtMs - (predictCostUs(costs, grown) + predictSpreadUs(costs, grown)) / 1000 - TIMER_MS;
  if (maxQueueMs !== undefined) {
    for (const item of items) untilMs = Math.min(untilMs, item.queuedAtMs + maxQueueMs - TIMER_MS);
  }
  const expectedRows = rowsPerUs * Math.min(blockedUs, Math.max(TIMER_MS, untilMs - nowMs) * 1000);
  if (expectedRows <= WORTH_WAITING * rows) return NOT_WORTH_IT;
  return untilMs - nowMs >= TIMER_MS ? untilMs : URGENT;
}

/** Not everything can be on time: from which item on is most gained? */
function bestStart(items: readonly WaitingItem[], state: ReleaseState, nowMs: number): BatchDecision {
  const { costs } = state;
  const size = Math.min(state.capRows, efficientRows(costs, state.capRows));
  const rowsPerUs = size / predictCostUs(costs, size);
  const pressure = Math.max(state.loadFraction(nowMs) ** LOAD_POWER, state.lostFraction * LOST_TIMES);
  const momentIsWorth = rowsPerUs * Math.min(1, pressure);
  let best = { gain: Number.NEGATIVE_INFINITY, drop: 0, run: 0, rows: 0 };
  let largest = 0;
  for (let start = 0; start < items.length && start < MAX_STARTS; start++) {
    // Nobody is given up for those who are less important.
    if (items[start]!.call.priority > items[0]!.call.priority) break;
    const first = onTime(items, start, size, costs, nowMs, 1);
    // A start further on gives up more, so only a batch that is clearly larger can be worth it.
    if (first.rows <= largest * 1.1) continue;
    largest = first.rows;
    const gain = gainFrom(items, start, first, size, momentIsWorth, costs, nowMs);
    if (gain > best.gain) best = { gain, drop: start, run: first.count, rows: first.rows };
  }
  if (best.run === 0) {
    // Nothing is on time in a usual run; in a quick one it may be. Not even that: run to learn.
    const { count } = onTime(items, 0, size, costs, nowMs, quickFraction(costs, 1));
    return { kind: "run", drop: 0, run: Math.max(1, count), reason: count > 0 ? "urgent" : "probe" };
  }
  const largerRows = Math.min(state.capRows, best.rows * 2);
  if (largerRows > best.rows && isStale(costs, largerRows)) {
    // What keeps batches small may be a cost that was learned by a chance, and is never learned again for that.
    const { count } = upTo(items.slice(best.drop, best.drop + largerRows), largerRows);
    if (count > best.run) return { kind: "run", drop: best.drop, run: count, reason: "probe" };
  }
  return { kind: "run", drop: best.drop, run: best.run, reason: "urgent" };
}

/** Rows answered in time, by this batch and those after it, less what the slot could do in all that time. */
function gainFrom(
  items: readonly WaitingItem[],
  start: number,
  first: Taken,
  size: number,
  momentIsWorth: number,
  costs: CostTable,
  nowMs: number,
): number {
  let rows = first.rows;
  let us = predictCostUs(costs, rows);
  let next = start + first.count;
  for (let batches = 1; next < items.length && batches < MAX_BATCHES_AHEAD; ) {
    const taken = onTime(items, next, size, costs, nowMs + us / 1000, 1);
    if (taken.count === 0) {
      next += 1;
      continue;
    }
    rows += taken.rows;
    us += predictCostUs(costs, taken.rows);
    next += taken.count;
    batches += 1;
  }
  return rows - momentIsWorth * us;
}

/** As many items from `start` on as are all on time in one batch that begins at `atMs` and takes this part of its time. */
function onTime(
  items: readonly WaitingItem[],
  start: number,
  maxRows: number,
  costs: CostTable,
  atMs: number,
  timeFraction: number,
): Taken {
  let allowed = maxRows;
  let dueAtMs = Number.POSITIVE_INFINITY;
  let rows = 0;
  let at = start;
  for (; at < items.length; at++) {
    const item = items[at]!;
    const isSooner = item.deadlineAtMs < dueAtMs;
    let within = allowed;
    if (isSooner) {
      within = rowsWithinUs(costs, ((item.deadlineAtMs - atMs) * 1000) / timeFraction);
      // The first may be larger than the cap: then it runs alone.
      if (at > start || item.rows <= maxRows) within = Math.min(allowed, within);
    }
    if (rows + item.rows > within || (at > start && rows + item.rows > maxRows)) break;
    if (isSooner) {
      dueAtMs = item.deadlineAtMs;
      allowed = within;
    }
    rows += item.rows;
  }
  return { count: at - start, rows, dueAtMs };
}
