import { CallCounters } from "../observe/call-counters.ts";
import type { OfApplication, ProcessMetrics, RoutedCounts } from "../observe/node-metrics.ts";
import type { Router } from "../router/router.ts";
import type { LoadReport } from "../wire/messages.ts";

/** What routers have counted, by application. */
export type RoutersCounts = ProcessMetrics["router"];

interface OpenRouter {
  readonly router: Router;
  readonly applicationOf: () => string;
}

/**
 * The node's routers, one for each version that it runs: names mean in each what they mean in its version. What they count
 * is told together for each application, and outlives them.
 */
export class VersionRouters {
  readonly counters = new CallCounters();
  readonly #make: (counters: CallCounters) => Router;
  readonly #routers: OpenRouter[] = [];
  #ended: RoutersCounts = { waiting: 0, stalls: 0, deployments: [] };

  constructor(make: (counters: CallCounters) => Router) {
    this.#make = make;
  }

  /** @param applicationOf whose calls it carries; asked when counts are. */
  open(applicationOf: () => string): Router {
    const router = this.#make(this.counters);
    this.#routers.push({ router, applicationOf });
    return router;
  }

  close(router: Router): void {
    const at = this.#routers.findIndex((one) => one.router === router);
    const open = this.#routers[at];
    if (open === undefined) return;
    this.#routers.splice(at, 1);
    this.#ended = sum([this.#ended, countsOf(open)], 0);
    router.close();
  }

  closeAll(): void {
    for (const { router } of [...this.#routers]) this.close(router);
  }

  laneClosed(executorId: string): void {
    for (const { router } of this.#routers) router.laneClosed(executorId);
  }

  report(executorId: string, load: LoadReport, nowMs: number): void {
    for (const { router } of this.#routers) router.lane(executorId)?.report(load, nowMs);
  }

  get outstandingCalls(): number {
    return this.#routers.reduce((calls, { router }) => calls + router.outstandingCalls, 0);
  }

  counts(): RoutersCounts {
    return sum([this.#ended, ...this.#routers.map(countsOf)], undefined);
  }
}

function countsOf({ router, applicationOf }: OpenRouter): RoutersCounts {
  const application = applicationOf();
  const counts = router.counts();
  return { ...counts, deployments: counts.deployments.map((one) => ({ ...one, application })) };
}

/** @param outstanding default the sum of what is outstanding; else that. */
function sum(all: readonly RoutersCounts[], outstanding: number | undefined): RoutersCounts {
  const byName = new Map<string, RoutedCounts & OfApplication>();
  for (const { deployments } of all) {
    for (const counts of deployments) {
      const name = JSON.stringify([counts.application, counts.deployment]);
      const known = byName.get(name);
      byName.set(name, known === undefined ? counts : { ...counts, ...add(known, counts) });
    }
  }
  const deployments = [...byName.values()];
  return {
    waiting: outstanding ?? all.reduce((waiting, counts) => waiting + counts.waiting, 0),
    stalls: all.reduce((stalls, counts) => stalls + counts.stalls, 0),
    deployments:
      outstanding === undefined
        ? deployments
        : deployments.map((counts) => ({ ...counts, ejected: 0, outstanding })),
  };
}

function add(a: RoutedCounts, b: RoutedCounts): RoutedCounts {
  return {
    deployment: a.deployment,
    calls: a.calls + b.calls,
    failures: a.failures + b.failures,
    retries: a.retries + b.retries,
    moves: a.moves + b.moves,
    hedges: a.hedges + b.hedges,
    rescues: a.rescues + b.rescues,
    ejections: a.ejections + b.ejections,
    ejected: a.ejected + b.ejected,
    outstanding: a.outstanding + b.outstanding,
  };
}
