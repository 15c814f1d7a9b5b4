import { LatencyCounts } from "../observe/latency-counts.ts";
import type { RouteCounts } from "../observe/node-metrics.ts";

/** Of requests that were meant for no route: probes, what is not found, what is not understood. */
export const NO_ROUTE = "none";

const LOWEST_STATUS = 100;
const STATUSES = 500;

/** The requests of one route, as they ended. */
class RouteCounter {
  readonly statuses = new Float64Array(STATUSES);
  readonly latency = new LatencyCounts();
}

/** Requests by route and status, and how long those took that were let in. Routes are as declared: a bounded number. */
export class RouteCounters {
  readonly #routes = new Map<string, RouteCounter>();

  /** @param latencyMs undefined of a request that was never let in. */
  count(route: string, status: number, latencyMs: number | undefined): void {
    let counter = this.#routes.get(route);
    if (counter === undefined) {
      counter = new RouteCounter();
      this.#routes.set(route, counter);
    }
    const index = Math.min(STATUSES - 1, Math.max(0, status - LOWEST_STATUS));
    counter.statuses[index] = counter.statuses[index]! + 1;
    if (latencyMs !== undefined) counter.latency.count(latencyMs);
  }

  counts(): RouteCounts[] {
    return [...this.#routes].map(([route, { statuses, latency }]) => ({
      route,
      statuses: [...statuses].flatMap((requests, index) =>
        requests === 0 ? [] : [{ status: index + LOWEST_STATUS, requests }],
      ),
      latency: latency.snapshot(),
    }));
  }
}
