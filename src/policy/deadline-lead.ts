/**
 * How long before a deadline to end what waits for it, so that it has ended *by* its deadline and not soon after.
 *
 * Who waits for a deadline is told of it late: by a timer, behind whatever its process does just then, a collection of
 * garbage most of all. How late is learned from each deadline that passed: the latest of late, forgotten by half in
 * ten seconds. What is given up is the last moment of the time allowed, in which hardly anybody would have answered.
 *
 * Pure: time is an argument. Times in ms.
 */
export interface DeadlineLead {
  lateMs: number;
  asOfMs: number;
}

const HALVED_IN_MS = 10_000;
/** Who has little time gives up little of it, and nobody more than this. */
const MOST_OF_TIME = 0.02;
const MOST_MS = 20;

export const noLead = (): DeadlineLead => ({ lateMs: 0, asOfMs: 0 });

/** Something was ended so long after the moment that it was to be ended at. Learns in place. */
export function learnLate(lead: DeadlineLead, lateMs: number, nowMs: number): void {
  lead.lateMs = Math.min(MOST_MS, Math.max(remembered(lead, nowMs), lateMs));
  lead.asOfMs = nowMs;
}

/** @param leftMs until the deadline; infinite where there is none. */
export function leadMs(lead: DeadlineLead, leftMs: number, nowMs: number): number {
  return Math.max(0, Math.min(MOST_OF_TIME * leftMs, remembered(lead, nowMs)));
}

const remembered = ({ lateMs, asOfMs }: DeadlineLead, nowMs: number): number =>
  lateMs * 0.5 ** (Math.max(0, nowMs - asOfMs) / HALVED_IN_MS);
