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
