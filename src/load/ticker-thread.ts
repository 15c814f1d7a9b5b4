import { parentPort, workerData } from "node:worker_threads";
import { elapsedMs } from "./elapsed.ts";
import { SEEN, STOP } from "./precise-ticker.ts";

const { times, base, grainMs, control } = workerData as {
  times: Float64Array;
  base: bigint;
  grainMs: number;
  control: Int32Array;
};

let wokeAtMs = Number.NEGATIVE_INFINITY;
for (let next = 0; next < times.length && Atomics.load(control, STOP) === 0; ) {
  const dueMs = Math.max(times[next] ?? 0, wokeAtMs + grainMs);
  const waitMs = dueMs - elapsedMs(base);
  if (waitMs > 0) {
    Atomics.wait(control, STOP, 0, waitMs);
    continue;
  }
  wokeAtMs = elapsedMs(base);
  while (next < times.length && (times[next] ?? 0) <= wokeAtMs) next += 1;
  if (Atomics.exchange(control, SEEN, 1) === 0) parentPort?.postMessage(0);
}
