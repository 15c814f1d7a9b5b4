import type { DesiredApplication, Rollback } from "../policy/desired-state.ts";

/** So many copies, or within which bounds. */
export type WantedReplicas =
  | number
  | { readonly min: number; readonly max: number; readonly initial?: number };

/** What the admin API can have done to a node, besides changing all that is wanted. */
export interface NodeOperations {
  /**
   * Wants another number of replicas, in place.
   *
   * @throws TuttiError `NotFound` with the names that there are, `InvalidOptions`, or what the store throws.
   */
  scale(application: string, deployment: string, replicas: WantedReplicas): Promise<DesiredApplication>;
  /**
   * Wants an earlier version.
   *
   * @throws TuttiError `NotFound` with those that there are, or what the store throws.
   */
  rollBack(application: string, to: Rollback["to"], reason: string): Promise<DesiredApplication>;
  /** Finishes what was accepted, then ends the node. */
  shutDown(): void;
}
