import { LATENCY_BOUNDS_MS } from "../observe/latency-counts.ts";
import { type MetricDefinition, single } from "./metric-definition.ts";

const SECONDS = LATENCY_BOUNDS_MS.map((ms) => ms / 1000);

/** What the HTTP edge counts. */
export const EDGE_METRICS: readonly MetricDefinition[] = [
  {
    type: "counter",
    name: "tutti_requests_total",
    labels: ["route", "status"],
    help: "Requests by declared route (none: probes and what is not found) and status; 499 is a client that went away.",
    read: ({ routes }) =>
      routes.flatMap(({ route, statuses }) =>
        statuses.map(({ status, requests }) => [{ route, status: String(status) }, requests] as const),
      ),
  },
  {
    type: "histogram",
    name: "tutti_request_seconds",
    labels: ["route"],
    help: "How long requests took that were let in, from their head to the end of the answer.",
    read: ({ routes }) =>
      routes.map(({ route, latency }) => ({
        labels: { route },
        bounds: SECONDS,
        counts: latency.counts,
        sum: latency.sumMs / 1000,
      })),
  },
  single(
    "gauge",
    "tutti_requests_in_flight",
    "Requests that are not answered yet.",
    ({ edge }) => edge.inFlight,
  ),
  {
    type: "counter",
    name: "tutti_requests_admitted_total",
    labels: ["priority"],
    help: "Requests that were let in.",
    read: ({ edge }) => [
      [{ priority: "high" }, edge.admitted - edge.admittedLow],
      [{ priority: "low" }, edge.admittedLow],
    ],
  },
  {
    type: "counter",
    name: "tutti_requests_refused_total",
    labels: ["priority", "reason"],
    help: "Requests refused at the door: full, as many were under way as may be; held, low priority had to stand back for high.",
    read: ({ edge }) => [
      [{ priority: "high", reason: "full" }, edge.refusedHigh],
      [{ priority: "low", reason: "full" }, edge.refusedLow],
      [{ priority: "low", reason: "held" }, edge.refusedLowHeld],
    ],
  },
  single(
    "counter",
    "tutti_requests_lean_total",
    "Requests let in without optional members.",
    ({ edge }) => edge.lean,
  ),
  single(
    "counter",
    "tutti_requests_degraded_total",
    "Answers labelled as degraded, fallbacks among them.",
    ({ edge }) => edge.degraded,
  ),
  single(
    "counter",
    "tutti_requests_fallback_total",
    "Answers that were the route's fallback.",
    ({ edge }) => edge.fallbacks,
  ),
  single(
    "counter",
    "tutti_requests_deadline_exceeded_total",
    "Requests whose deadline the edge itself had to enforce.",
    ({ edge }) => edge.deadlineExceeded,
  ),
  single(
    "counter",
    "tutti_requests_cancelled_total",
    "Requests whose client went away.",
    ({ edge }) => edge.cancelled,
  ),
  single(
    "gauge",
    "tutti_admission_in_flight",
    "Requests let in that are not answered yet.",
    ({ edge }) => edge.admittedInFlight,
  ),
  single(
    "gauge",
    "tutti_admission_limit",
    "How many of them there may be now; +Inf when admission is off.",
    ({ edge }) => edge.inFlightLimit,
  ),
  single(
    "gauge",
    "tutti_admission_wait_seconds",
    "How long requests waited for others' work lately, median.",
    ({ edge }) => edge.queueMs / 1000,
  ),
  single("gauge", "tutti_connections", "Open connections of clients.", ({ edge }) => edge.connections),
  single(
    "counter",
    "tutti_connections_refused_total",
    "Connections beyond the limit.",
    ({ edge }) => edge.connectionsRefused,
  ),
  {
    type: "counter",
    name: "tutti_slow_clients_total",
    labels: ["when"],
    help: "Clients that were too slow in sending their request or in reading their answer.",
    read: ({ edge }) => [
      [{ when: "sending" }, edge.requestTimeouts],
      [{ when: "reading" }, edge.writeTimeouts],
    ],
  },
  single(
    "counter",
    "tutti_protocol_errors_total",
    "What came and was not HTTP, or had too large a head.",
    ({ edge }) => edge.protocolErrors,
  ),
];
