import type { ApplicationGraph } from "../api/graph.ts";
import type { ResolvedDeploymentOptions } from "../config/deployment-options.ts";
import type { CallCounts } from "../observe/call-counters.ts";
import type { FeatureCounts, MethodCounts, ProcessUsage, RouterCounts } from "../observe/node-metrics.ts";
import type { PackedCalls } from "../observe/pack-calls.ts";
import type { LongWait } from "../observe/recorded-call.ts";
import type { RoutingSnapshot } from "../router/snapshot.ts";
import type { BatchingStatus } from "./batch-decisions.ts";

/** Calls to this target are to the executor itself, and only its node may make them. */
export const CONTROL_TARGET = 0;

/** What an executor is told at its start, as one line of JSON on its standard input. */
export interface ExecutorBoot {
  readonly id: string;
  /** Where its node listens. */
  readonly nodeSocket: string;
  /** Where it is to listen for other executors. */
  readonly socketPath: string;
  readonly token: string;
  /** A directory of this node alone, where its executors share compact forms of models. */
  readonly modelCacheDirectory: string;
  /** Added to the niceness of an executor that computes, so that processes which only wait run first. */
  readonly laneNiceness: number;
  /** Of the node. */
  readonly nodeNiceness: number;
}

export interface ModelSpecToHost {
  readonly kind: "model";
  readonly target: number;
  readonly deployment: string;
  readonly index: number;
  readonly path: string;
  readonly sha256: string;
  readonly maxBatchRows: number;
  readonly maxOngoing: number;
  readonly maxQueueMs: number | undefined;
  readonly gracefulShutdownMs: number;
  readonly session: Readonly<Record<string, unknown>>;
}

export interface ClassSpecToHost {
  readonly kind: "class";
  readonly target: number;
  readonly deployment: string;
  readonly index: number;
  /** As the node has resolved them: what its configuration says goes before what the module says. */
  readonly options: ResolvedDeploymentOptions;
}

export type SpecToHost = ModelSpecToHost | ClassSpecToHost;

/** What is to be hosted, before it has a number. */
export type ReplicaSpec = Omit<ModelSpecToHost, "target"> | Omit<ClassSpecToHost, "target">;

export interface HostResult {
  readonly target: number;
  /** The error of its constructor or of its model, or nothing when it is ready. */
  readonly error?: { readonly code: string; readonly message: string };
  readonly loadMs: number;
  /** Growth of the process while it was loaded: an estimate. */
  readonly memoryMb: number;
}

export interface ImportRequest {
  readonly type: "import";
  readonly module: string;
  /** For a module whose default export is a function. */
  readonly args: object;
  /** What it is called here, where that is not what the module says. */
  readonly identity: ApplicationIdentity;
  /** The file of the version's code: written by the first that imports it, read by those that come later. Absent: as it is then. */
  readonly codeCopy?: string;
}

export interface ApplicationIdentity {
  readonly name?: string;
  readonly route?: string;
  readonly version?: string;
}

/** What the node asks of an executor. */
export type ControlRequest =
  /** Imports the application module and answers with its graph. */
  | ImportRequest
  /** Answers with the SHA-256 of model files: a process that serves has no time to read them. */
  | { readonly type: "hash"; readonly paths: readonly string[] }
  | { readonly type: "host"; readonly replicas: readonly SpecToHost[] }
  /** Gives a class other options while it serves; its `reconfigure` is called when its `userConfig` is another. */
  | {
      readonly type: "configure";
      readonly replicas: readonly { readonly target: number; readonly options: ResolvedDeploymentOptions }[];
    }
  /** The files of the user's own that it has imported. */
  | { readonly type: "files" }
  /** Ends when they have finished what they have, each within its own `gracefulShutdownMs`. */
  | { readonly type: "drop"; readonly targets: readonly number[] }
  | { readonly type: "route"; readonly snapshot: RoutingSnapshot }
  | { readonly type: "ping" }
  /** What it has recorded of its calls. */
  | { readonly type: "requests" }
  /** What it has counted. */
  | { readonly type: "metrics" }
  /** Ends when what is ongoing has ended, or after so long. */
  | { readonly type: "drain"; readonly deadlineMs: number };

export interface ExecutorStatus {
  readonly ongoing: number;
  readonly backlogUs: number;
  readonly rssMb: number;
  /** The longest that a batch of a model, or a call of a class that computes, takes: so long it may well be silent. */
  readonly longestRunMs: number;
  /** Targets whose health check failed three times in a row, with the reason. */
  readonly unhealthy: readonly { readonly target: number; readonly reason: string }[];
  /** Calls that ended otherwise than by an answer that was used, since the process began. */
  readonly counts: CallCounts;
  /** What the batchers here have decided, since their replicas began. */
  readonly batching: readonly BatchingStatus[];
}

/** What one executor has counted since it began, and what it uses. */
export interface ExecutorMetrics {
  readonly status: ExecutorStatus;
  readonly usage: ProcessUsage;
  readonly router: RouterCounts;
  readonly methods: readonly MethodCounts[];
  readonly features: FeatureCounts;
}

/** What one executor has recorded: of the calls that its classes served, and of those that its lane kept waiting. */
export interface RecordedByExecutor {
  /** The slow, degraded, failed and refused ones. */
  readonly kept: PackedCalls;
  /** Drawn at random, each list with the number that it was drawn from. */
  readonly sample: readonly { readonly calls: PackedCalls; readonly offered: number }[];
  readonly waits: readonly LongWait[];
}

export interface ControlAnswers {
  readonly import: ApplicationGraph;
  readonly hash: readonly string[];
  readonly host: readonly HostResult[];
  readonly drop: undefined;
  readonly configure: undefined;
  readonly files: readonly string[];
  readonly route: undefined;
  readonly ping: ExecutorStatus;
  readonly requests: RecordedByExecutor;
  readonly metrics: ExecutorMetrics;
  readonly drain: undefined;
}
