/** How much of the last moments something computed: a mean that forgets, weighted by time. Pure: time is an argument. */
export interface BusyFraction {
  /** 0 to 1. */
  value: number;
  asOfMs: number;
}

/** What was longer ago counts less than a third. */
const MEMORY_MS = 500;

export function idleSince(nowMs: number): BusyFraction {
  return { value: 0, asOfMs: nowMs };
}

/** Since it was last told, it computed for `busyMs` and idled for the rest. Learns in place. */
export function learnBusy(fraction: BusyFraction, busyMs: number, nowMs: number): number {
  const elapsedMs = nowMs - fraction.asOfMs;
  if (elapsedMs > 0) {
    const weight = 1 - Math.exp(-elapsedMs / MEMORY_MS);
    fraction.value += weight * (Math.min(1, busyMs / elapsedMs) - fraction.value);
    fraction.asOfMs = nowMs;
  }
  return fraction.value;
}
