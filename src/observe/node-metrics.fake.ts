import type { EdgeCounts, NodeMetrics, ProcessMetrics } from "./node-metrics.ts";

const EDGE: EdgeCounts = {
  inFlight: 0,
  admitted: 0,
  admittedLow: 0,
  lean: 0,
  refusedHigh: 0,
  refusedLow: 0,
  refusedLowHeld: 0,
  admittedInFlight: 0,
  inFlightLimit: Number.POSITIVE_INFINITY,
  queueMs: 0,
  degraded: 0,
  fallbacks: 0,
  deadlineExceeded: 0,
  cancelled: 0,
  requestTimeouts: 0,
  protocolErrors: 0,
  connections: 0,
  connectionsRefused: 0,
  writeTimeouts: 0,
};

/** A node that has done nothing yet, and has no executors. */
export const nothingCounted = (): NodeMetrics => ({
  uptimeMs: 0,
  ready: true,
  applications: [],
  versions: [],
  deployments: [],
  edge: EDGE,
  routes: [],
  processes: [],
  batches: [],
  executors: [],
});

/** A process that has done nothing yet. */
export const idleProcess = (process: string): ProcessMetrics => ({
  process,
  calls: {},
  usage: { cpuSeconds: 0, residentBytes: 0, heapUsedBytes: 0, loopActiveSeconds: 0, loopIdleSeconds: 0 },
  router: { waiting: 0, stalls: 0, deployments: [] },
  methods: [],
  features: {
    storeGets: 0,
    storeKeys: 0,
    storeFailures: 0,
    cacheHits: 0,
    cacheMisses: 0,
    cacheEvictions: 0,
    keysJoined: 0,
    getsRefused: 0,
    rowsDefaulted: 0,
  },
});
