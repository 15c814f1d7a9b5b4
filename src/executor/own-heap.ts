import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * How much a heap may grow, in percent of what is alive, before its old generation is collected. V8 lets a small heap grow
 * fourfold, and decides that when it first collects, which may be before a process serves anything, or after a minute
 * of load: the edge of one run had 95 MB and that of the next 185.
 */
const GROWING_PERCENT = 40;

/** For a process that has itself to itself: bounds its heap from now on, and collects what its start has left (20 to 40 ms). */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  collect();
}

/**
 * For a process that computes: what it needs for a moment is little, and its young generation stays as small as it is then.
 * It saved 18 MB in each lane of the example, at no cost in processor time.
 */
export function keepYoungGeneration(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
