import { flushCompileCache } from "node:module";
import { getPriority, setPriority } from "node:os";
import { idleSince, learnBusy } from "../policy/busy-fraction.ts";
import { keepHeapSmall, keepYoungGeneration } from "./own-heap.ts";

/** What an executor does with the process that it has to itself. */
export interface OwnProcess {
  /** Share of one core that the process used of late, 0 to 1. */
  busyFraction(nowMs: number): number;
  /** From now on it computes for long stretches: processes that only wait run first. */
  giveWay(): void;
  /** It has loaded what it was started for. Only the first time counts: later it serves, and is not to be held up. */
  hasLoaded(): void;
  /**
   * It has served for a while. Keeps what V8 has compiled, for those that are started later: they find compiled not only what each
   * process calls at its start, but also what requests call. It takes about 10 ms.
   */
  isWarm(): void;
}

/** An executor inside of somebody else's process: neither is its business. */
export const NO_PROCESS: OwnProcess = {
  busyFraction: () => 0,
  giveWay: () => {},
  hasLoaded: () => {},
  isWarm: () => {},
};

/** Between two looks at the processor time used; each is a system call, and a report leaves with every frame of replies. */
const SAMPLE_MS = 100;

/**
 * @param niceness by how much it gives way, 0 to 19.
 * @param initial the niceness of its node.
 */
export function ownProcess(niceness: number, initial = getPriority()): OwnProcess {
  let usedUs = processorUs();
  // A collection or a compilation makes the process busy for a tenth of a second, on other threads: that is no load.
  const busy = idleSince(performance.now());
  let hasLoaded = false;
  let computes = false;
  return {
    busyFraction(nowMs) {
      if (nowMs - busy.asOfMs < SAMPLE_MS) return busy.value;
      const beforeUs = usedUs;
      usedUs = processorUs();
      return learnBusy(busy, (usedUs - beforeUs) / 1000, nowMs);
    },
    giveWay() {
      computes = true;
      // One that begins in the background gives way already, and is brought to where it belongs by its node.
      const wanted = Math.min(19, initial + niceness);
      if (wanted > getPriority()) setPriority(wanted);
    },
    hasLoaded() {
      if (!hasLoaded) keepHeapSmall(computes ? "nothing" : "requests");
      if (!hasLoaded && computes) keepYoungGeneration();
      hasLoaded = true;
    },
    isWarm: flushCompileCache,
  };
}

function processorUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
