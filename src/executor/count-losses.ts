import type { CallCounters } from "../observe/call-counters.ts";
import type { CallLoss } from "../wire/messages.ts";

/** Counts what a connection tells of calls that ended on this side of it, by where each of them was. */
export function countLosses(counters: CallCounters): (loss: CallLoss, calls: number) => void {
  // What was never sent was still the router's; an answer that came too late is of a call that has run elsewhere.
  return (loss, calls) => counters.count(loss === "wasted" ? "run" : "router", loss, calls);
}
