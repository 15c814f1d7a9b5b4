import type { NodeEvent } from "../observe/event-log.ts";
import type { Observed } from "../policy/rollout.ts";
import type { VersionRunner, VersionSource } from "./version-runner.ts";

/** What a node does with versions, as who decides about them sees it: it is joined to the edge elsewhere. */
export interface VersionPort<V extends HostedRunner> {
  /** A version that is not started yet. */
  open(source: VersionSource): V;
  /**
   * Has requests go to these versions and no others, from the next request on.
   *
   * @throws TuttiError when they cannot be served together; everything goes on as it was then.
   */
  serve(served: readonly ServedShare<V>[]): void;
  /** Requests that came to it and have not ended. */
  openRequests(version: V): number;
  /** Ends a version that gets no requests any more; what it still works on after so long is lost. */
  close(version: V, drainMs: number, reason: string): Promise<void>;
}

export interface HostedRunner {
  readonly runner: VersionRunner;
}

/** A version's share of the requests at its route. */
export interface ServedShare<V extends HostedRunner> {
  readonly version: V;
  readonly weight: number;
  /** Told of each of its requests that ended. */
  readonly stats?: { ended(latencyMs: number, failed: boolean): void; observed(): Observed };
}

/** What happens to applications and their versions, for those who watch. */
export type ControllerEvent = Extract<
  NodeEvent,
  { readonly type: "version" | "traffic" | "application" | "controller-failed" | "controller-recovered" }
>;
