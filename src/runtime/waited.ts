import { type CallStats, NO_STATS } from "../wire/messages.ts";

/** How long a call waited for others' work; undefined when its end says nothing of that: it never got there. */
export function waitedMsOf(stats: CallStats): number | undefined {
  return stats === NO_STATS ? undefined : (stats.waitedUs ?? 0) / 1000;
}
