import type { ProcessUsage } from "./node-metrics.ts";

/** Of this process, as of now. */
export function processUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const { active, idle } = performance.eventLoopUtilization();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    loopActiveSeconds: active / 1000,
    loopIdleSeconds: idle / 1000,
  };
}
