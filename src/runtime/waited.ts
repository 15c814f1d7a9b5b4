import { type CallStats, NO_STATS } from "../wire/messages.ts";

/**
 * How long a call waited for others' work; undefined when its end says nothing of that: it never got there. Of one that was
 * answered it is all of its time but its own work: also what it was held for company, and the event loops on its way, which
 * no queue reports. Of one that failed it is what its calls waited.
 *
 * @param tookMs since its last attempt was sent, if it was answered.
 */
export function waitedMsOf(stats: CallStats, tookMs = 0): number | undefined {
  if (stats === NO_STATS) return undefined;
  const { runUs, waitedUs = 0 } = stats;
  return Math.max(waitedUs, tookMs * 1000 - (runUs - waitedUs)) / 1000;
}
