import type { ResolvedRoutingOptions } from "../config/routing-options.ts";

/** Where every replica of an application is: made by the node, given whole to each router, never changed. */
export interface RoutingSnapshot {
  /** Grows with every change; a router ignores a snapshot that is not newer. */
  readonly version: number;
  readonly executors: readonly ExecutorAddress[];
  readonly deployments: readonly DeploymentRoute[];
  /** Default: that of `RoutingOptions`. */
  readonly routing?: ResolvedRoutingOptions;
}

export interface ExecutorAddress {
  readonly id: string;
  readonly socketPath: string;
  /** It does not answer its node as it should: whoever has a choice asks elsewhere. */
  readonly isSilent?: boolean;
}

export interface DeploymentRoute {
  readonly name: string;
  readonly idempotent: boolean | readonly string[];
  /** Its replicas only wait for others: calls of one tick are worth more together than apart (see `ReplicaSet`). */
  readonly waits: boolean;
  /** Calls one replica takes at a time. */
  readonly maxOngoing: number;
  readonly replicas: readonly ReplicaAddress[];
}

export interface ReplicaAddress {
  /** Number of the replica, unique in the node's life. */
  readonly target: number;
  readonly executor: string;
}

export const EMPTY_SNAPSHOT: RoutingSnapshot = Object.freeze({ version: 0, executors: [], deployments: [] });
