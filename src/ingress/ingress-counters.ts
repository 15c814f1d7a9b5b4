import type { EdgeCounts } from "../observe/node-metrics.ts";

/** What the edge has counted since it was made, its answers by status among it. Plain numbers, to be read by the metrics. */
export interface IngressCounts extends EdgeCounts {
  /** Requests whose headers arrived whole. */
  readonly requests: number;
  /** Answers by class of status, the edge's own among them. */
  readonly status2xx: number;
  readonly status3xx: number;
  readonly status4xx: number;
  readonly status5xx: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
/** What is known only when it is asked for. */
type Gauges = "admittedInFlight" | "inFlightLimit" | "queueMs";
export type IngressCounters = Mutable<Omit<IngressCounts, Gauges>>;

export function createCounters(): IngressCounters {
  return {
    requests: 0,
    inFlight: 0,
    status2xx: 0,
    status3xx: 0,
    status4xx: 0,
    status5xx: 0,
    admitted: 0,
    admittedLow: 0,
    lean: 0,
    refusedHigh: 0,
    refusedLow: 0,
    refusedLowHeld: 0,
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
}

export function countStatus(counters: IngressCounters, status: number): void {
  if (status < 300) counters.status2xx++;
  else if (status < 400) counters.status3xx++;
  else if (status < 500) counters.status4xx++;
  else counters.status5xx++;
}
