/** Milliseconds on the monotonic clock since `base`; unlike `performance.now()`, comparable between threads. */
export function elapsedMs(base: bigint): number {
  return Number(process.hrtime.bigint() - base) / 1e6;
}
