/** How many rows arrive, as a mean over about the last 64 of them: slow traffic is remembered for longer than quick. */
export interface ArrivalRate {
  /** Rows and the time they took to come, both forgetting. */
  rows: number;
  overMs: number;
  updatedAtMs: number;
}

const REMEMBERED_ROWS = 64;

export function noArrivals(nowMs: number): ArrivalRate {
  return { rows: 0, overMs: 0, updatedAtMs: nowMs };
}

/** Learns in place: `rows` have come since the last update. */
export function learnArrivals(rate: ArrivalRate, rows: number, nowMs: number): void {
  if (rows <= 0) return;
  const keep = Math.exp(-rows / REMEMBERED_ROWS);
  rate.rows = rate.rows * keep + rows;
  rate.overMs = rate.overMs * keep + Math.max(0, nowMs - rate.updatedAtMs);
  rate.updatedAtMs = nowMs;
}

/** Rows a millisecond; falls while nothing comes. 0 while too few came to say anything. */
export function arrivalsPerMs(rate: ArrivalRate, nowMs: number): number {
  const overMs = rate.overMs + Math.max(0, nowMs - rate.updatedAtMs);
  return rate.rows < 3 || overMs <= 0 ? 0 : rate.rows / overMs;
}
