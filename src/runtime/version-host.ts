import type { NodeRunner } from "../controller/node-runner.ts";
import type { VersionSource } from "../controller/version-runner.ts";
import type { Ingress } from "../ingress/ingress.ts";
import type { RequestStats } from "../ingress/ingress-target.ts";
import type { Router } from "../router/router.ts";
import { toApplicationSpec } from "./edge-target.ts";
import { HostedVersion } from "./hosted-version.ts";
import type { VersionRouters } from "./version-routers.ts";

export interface VersionHostParts {
  readonly runner: NodeRunner;
  readonly routers: VersionRouters;
  /** @param applicationOf whose calls it carries, as soon as that is known. */
  readonly openRouter: (applicationOf: () => string) => Router;
  readonly ingress: Ingress;
}

/** A version's share of the requests at its route. */
export interface ServedVersion {
  readonly version: HostedVersion;
  readonly weight: number;
  readonly stats?: RequestStats;
}

/** Joins versions to the edge: each has a router of its own, and takes the requests that it is given. */
export class VersionHost {
  readonly #parts: VersionHostParts;

  constructor(parts: VersionHostParts) {
    this.#parts = parts;
  }

  /** A version that is not started yet. */
  open(source: VersionSource): HostedVersion {
    const router = this.#parts.openRouter(() => runner.graph?.name ?? "");
    const runner = this.#parts.runner.add(source, (snapshot) => router.apply(snapshot));
    return new HostedVersion(runner, router);
  }

  /**
   * Has requests go to these versions and no others, from the next request on.
   *
   * @throws TuttiError `DuplicateName` or `InvalidOptions`; everything goes on as it was then.
   */
  serve(served: readonly ServedVersion[]): void {
    this.#parts.ingress.setApplications(
      served.map(({ version: { runner, target }, weight, stats }) => ({
        ...toApplicationSpec(runner.graph!),
        serving: { target, weight, ...(stats === undefined ? {} : { stats }) },
      })),
    );
  }

  /** Requests that came to it and have not ended. */
  openRequests(version: HostedVersion): number {
    return version.runner.graph === undefined ? 0 : this.#parts.ingress.openRequestsOf(version.target);
  }

  /** Ends a version that gets no requests any more; what it still works on after so long is lost. */
  async close({ runner, router }: HostedVersion, drainMs: number, reason: string): Promise<void> {
    await this.#parts.runner.remove(runner, drainMs, reason);
    this.#parts.routers.close(router);
  }
}
