import type { ApplicationDefinition } from "../policy/desired-state.ts";
import type { ActualApplication } from "../policy/reconcile.ts";
import { NOTHING_OBSERVED, type Rollout } from "../policy/rollout.ts";
import type { RunningVersion } from "./running-version.ts";
import type { HostedRunner } from "./version-port.ts";

/** An application that is wanted, or was: its versions, and how its traffic goes from one to another. */
export class RunningApplication<V extends HostedRunner> {
  readonly name: string;
  readonly versions: RunningVersion<V>[] = [];
  rollout: Rollout | undefined;
  /** Versions that were given up, with the reason. */
  readonly rejected = new Map<string, string>();
  /** What it last had all traffic with; before anything is served, that of the node's run before. */
  lastServed: ApplicationDefinition | undefined;

  constructor(name: string) {
    this.name = name;
  }

  find(key: string): RunningVersion<V> | undefined {
    return this.versions.find((version) => version.key === key);
  }

  /** As people see it: of an application that is run without a definition, its module's. */
  get seenName(): string {
    const { hosted } = this.versions.find((version) => version.hosted?.runner.graph !== undefined) ?? {};
    return hosted?.runner.graph?.name ?? this.name;
  }

  get isServed(): boolean {
    return this.versions.some(({ weight }) => weight > 0);
  }

  toActual(openRequests: (version: V) => number): ActualApplication {
    const { name, versions, rollout, rejected } = this;
    const observed = (key: string | undefined) =>
      versions.find((version) => version.key === key)?.window?.observed() ?? NOTHING_OBSERVED;
    return {
      name,
      versions: versions.map((version) =>
        version.toActual(version.hosted === undefined ? 0 : openRequests(version.hosted)),
      ),
      rollout,
      seen: { from: observed(rollout?.from), to: observed(rollout?.to) },
      rejected: [...rejected.keys()],
    };
  }
}
