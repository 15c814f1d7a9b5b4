/** What the edge has counted since it was made; gauges are marked. Plain numbers, to be read by the metrics. */
export interface IngressCounts {
  /** Requests whose headers arrived whole. */
  readonly requests: number;
  /** Gauge: requests not yet answered, given up or abandoned. */
  readonly inFlight: number;
  /** Answers by class of status, the edge's own among them. */
  readonly status2xx: number;
  readonly status3xx: number;
  readonly status4xx: number;
  readonly status5xx: number;
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

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type IngressCounters = Mutable<IngressCounts>;

export function createCounters(): IngressCounters {
  return {
    requests: 0,
    inFlight: 0,
    status2xx: 0,
    status3xx: 0,
    status4xx: 0,
    status5xx: 0,
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
