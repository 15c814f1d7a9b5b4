import type { CallCounts } from "./call-counters.ts";
import type { LatencySnapshot } from "./latency-counts.ts";

/** What one process uses of its machine. Times only rise. */
export interface ProcessUsage {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  /** How long its event loop was busy, and how long it waited for something to do. */
  readonly loopActiveSeconds: number;
  readonly loopIdleSeconds: number;
}

/** Requests of one route of the edge, as they ended. */
export interface RouteCounts {
  readonly route: string;
  readonly statuses: readonly { readonly status: number; readonly requests: number }[];
  /** Of those that were let in, from their head to the answer's end. */
  readonly latency: LatencySnapshot;
}

/** Names of deployments mean something within an application. */
export interface OfApplication {
  readonly application: string;
}

/** Calls of one deployment as one process's router has seen them. */
export interface RoutedCounts {
  readonly deployment: string;
  readonly calls: number;
  /** Attempts that ended by an error; those taken back are none. */
  readonly failures: number;
  readonly retries: number;
  /** Calls that were asked back before they had started, and went elsewhere. */
  readonly moves: number;
  readonly hedges: number;
  readonly rescues: number;
  readonly ejections: number;
  /** Now: replicas left out, and calls under way. */
  readonly ejected: number;
  readonly outstanding: number;
}

export interface RouterCounts {
  /** Now: calls that wait for a replica to be there. */
  readonly waiting: number;
  /** How often an executor was found to have stalled. */
  readonly stalls: number;
  readonly deployments: readonly RoutedCounts[];
}

/** Calls of one method of a class that one process has served. */
export interface MethodCounts {
  readonly deployment: string;
  readonly method: string;
  readonly ok: number;
  readonly failed: number;
  readonly latency: LatencySnapshot;
}

/** What the feature stores of one process have done, whichever they are and were. */
export interface FeatureCounts {
  /** Reads of the store itself, the keys asked for, and reads that failed. */
  readonly storeGets: number;
  readonly storeKeys: number;
  readonly storeFailures: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  readonly cacheEvictions: number;
  /** Keys that joined another request's look-up. */
  readonly keysJoined: number;
  readonly getsRefused: number;
  readonly rowsDefaulted: number;
}

/** What the edge has counted, of all routes together; what is not marked as a gauge only rises. */
export interface EdgeCounts {
  /** Gauge: requests not yet answered, given up or abandoned. */
  readonly inFlight: number;
  /** Requests let in to the application. */
  readonly admitted: number;
  /** Those of them that were of low priority. */
  readonly admittedLow: number;
  /** Those of them that left out what is optional. */
  readonly lean: number;
  /** Refused since as many were under way as may be, by priority. */
  readonly refusedHigh: number;
  readonly refusedLow: number;
  /** Of low priority, refused although there was room: high priority had found none a moment before. */
  readonly refusedLowHeld: number;
  /** Gauge: requests let in that are not answered yet. */
  readonly admittedInFlight: number;
  /** Gauge: how many of them there may be; `Infinity` when admission is off. */
  readonly inFlightLimit: number;
  /** Gauge: how long requests waited for others' work lately, median. */
  readonly queueMs: number;
  /** Answers with `x-tutti-degraded: 1`. */
  readonly degraded: number;
  /** Those of them that were fallbacks served by the edge. */
  readonly fallbacks: number;
  /** Deadlines that the edge itself had to enforce. */
  readonly deadlineExceeded: number;
  /** Requests whose client went away (499). */
  readonly cancelled: number;
  /** Requests, or connections without one, closed because the client was too slow in sending (408). */
  readonly requestTimeouts: number;
  /** Bytes that were not HTTP, or headers over their limit. */
  readonly protocolErrors: number;
  /** Gauge. */
  readonly connections: number;
  readonly connectionsRefused: number;
  /** Connections closed because the client did not read its answer. */
  readonly writeTimeouts: number;
}

/** What one process has counted: `node`, or an executor by its place. */
export interface ProcessMetrics {
  readonly process: string;
  readonly calls: CallCounts;
  readonly usage: ProcessUsage;
  readonly router: Omit<RouterCounts, "deployments"> & {
    readonly deployments: readonly (RoutedCounts & OfApplication)[];
  };
  readonly methods: readonly (MethodCounts & OfApplication)[];
  readonly features: FeatureCounts;
}

/** What the batcher of one replica, or of one batched method of it, has decided. */
export interface BatchMetrics {
  /** Of a model that several applications share: all of them. */
  readonly application: string;
  readonly deployment: string;
  readonly method: string;
  readonly replica: number;
  readonly reasons: Readonly<Record<string, number>>;
  /** Batches of up to so many rows, and more than the entry before. */
  readonly sizes: readonly { readonly upToRows: number; readonly batches: number }[];
  readonly rows: number;
  readonly calls: number;
  readonly waitedMs: number;
  readonly runMs: number;
  readonly waits: number;
  readonly hopeless: number;
  readonly givenUp: number;
  readonly queuedCalls: number;
  readonly capRows: number;
}

/** One place of the node, and what fills it. */
export interface ExecutorPlaceMetrics {
  readonly executor: string;
  readonly kind: string;
  readonly state: string;
  readonly replicas: number;
  readonly starts: number;
  readonly losses: number;
  readonly retirements: number;
  /** How often replicas were replaced in it. */
  readonly unhealthy: number;
  readonly startFailures: number;
  /** How long the last start took; undefined before the first. */
  readonly startMs: number | undefined;
  /** Undefined until it has said so of itself. */
  readonly status:
    | {
        readonly ongoing: number;
        readonly backlogUs: number;
        readonly longestRunMs: number;
        readonly unhealthy: readonly unknown[];
      }
    | undefined;
  /** How long it took to answer just now; undefined when it did not. */
  readonly answerMs: number | undefined;
}

export interface DeploymentMetrics {
  readonly application: string;
  readonly deployment: string;
  readonly wanted: number;
  readonly ready: number;
}

/** All that a node and its executors have counted, put together for whoever asked. */
export interface NodeMetrics {
  readonly uptimeMs: number;
  readonly ready: boolean;
  readonly applications: readonly { readonly application: string; readonly status: string }[];
  /** Those that get requests, with their share. */
  readonly versions: readonly {
    readonly application: string;
    readonly version: string;
    readonly weight: number;
  }[];
  readonly deployments: readonly DeploymentMetrics[];
  readonly edge: EdgeCounts;
  readonly routes: readonly RouteCounts[];
  readonly processes: readonly ProcessMetrics[];
  readonly batches: readonly BatchMetrics[];
  readonly executors: readonly ExecutorPlaceMetrics[];
}
