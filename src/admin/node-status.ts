import type { CallCounts } from "../observe/call-counters.ts";

/** A node as it is now. */
export interface NodeStatus {
  readonly pid: number;
  readonly uptimeMs: number;
  readonly ready: boolean;
  /** Why it is not ready; empty when it is. */
  readonly reason: string;
  /** Undefined until the application's module has been read. */
  readonly application: ApplicationStatus | undefined;
  readonly executors: readonly ExecutorReport[];
  /** Of all processes together: calls that ended otherwise than by an answer that was used. */
  readonly calls: CallCounts;
  /** What the HTTP edge has counted. */
  readonly ingress: Readonly<Record<string, number>>;
}

export interface ApplicationStatus {
  readonly name: string;
  readonly version: string;
  readonly route: string;
  readonly deadlineMs: number;
  readonly deployments: readonly DeploymentStatus[];
}

export interface DeploymentStatus {
  readonly name: string;
  readonly kind: "class" | "model";
  /** How many are ready, of how many are wanted. */
  readonly ready: number;
  readonly wanted: number;
  readonly replicas: readonly { readonly index: number; readonly executor: string }[];
}

export interface ExecutorReport {
  /** Its place, which outlives the process, e.g. `lane 0`. */
  readonly name: string;
  /** Empty while the place is not filled. */
  readonly id: string;
  readonly kind: "model" | "code";
  readonly state: "filling" | "ready" | "waiting" | "stopped";
  readonly pid: number | undefined;
  readonly replicas: number;
  /** What it last said of itself; undefined until it has. */
  readonly rssMb: number | undefined;
  readonly ongoing: number | undefined;
  /** Predicted time until its lane has done all it was given. */
  readonly backlogMs: number | undefined;
  readonly longestRunMs: number | undefined;
  readonly unhealthy: number | undefined;
  readonly calls: CallCounts | undefined;
}
