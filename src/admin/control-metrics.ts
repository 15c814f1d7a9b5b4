import type { ExecutorPlaceMetrics, ProcessUsage } from "../observe/node-metrics.ts";
import { APPLICATION_STATUSES } from "../policy/application-status.ts";
import { type MetricDefinition, single } from "./metric-definition.ts";

const STATES = ["filling", "ready", "waiting", "stopped"];

/** A series for each place whose value is known. */
function places(
  type: "counter" | "gauge",
  name: string,
  help: string,
  read: (place: ExecutorPlaceMetrics) => number | undefined,
): MetricDefinition {
  return {
    type,
    name,
    labels: ["executor"],
    help,
    read: ({ executors }) =>
      executors.flatMap((place) => {
        const value = read(place);
        return value === undefined ? [] : [[{ executor: place.executor }, value] as const];
      }),
  };
}

function usage(
  type: "counter" | "gauge",
  name: string,
  help: string,
  read: (usage: ProcessUsage) => number,
): MetricDefinition {
  return {
    type,
    name,
    labels: ["process"],
    help,
    read: ({ processes }) => processes.map((one) => [{ process: one.process }, read(one.usage)]),
  };
}

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

/** What the controller keeps running, the executors, and what all processes use. */
export const CONTROL_METRICS: readonly MetricDefinition[] = [
  single(
    "gauge",
    "tutti_ready",
    "1 when every deployment has its minimum of replicas, else 0.",
    ({ ready }) => (ready ? 1 : 0),
  ),
  single("gauge", "tutti_uptime_seconds", "Since the node was started.", ({ uptimeMs }) => uptimeMs / 1000),
  {
    type: "gauge",
    name: "tutti_application_info",
    labels: ["application", "version"],
    help: "1 for each version that gets requests.",
    read: ({ versions }) => versions.map(({ application, version }) => [{ application, version }, 1]),
  },
  {
    type: "gauge",
    name: "tutti_version_traffic_fraction",
    labels: ["application", "version"],
    help: "Share of its application's requests that a version gets.",
    read: ({ versions }) =>
      versions.map(({ application, version, weight }) => [{ application, version }, weight]),
  },
  {
    type: "gauge",
    name: "tutti_application_status",
    labels: ["application", "status"],
    help: "1 for the status that an application has, 0 for the others.",
    read: ({ applications }) =>
      applications.flatMap(({ application, status }) =>
        APPLICATION_STATUSES.map((one) => [{ application, status: one }, one === status ? 1 : 0] as const),
      ),
  },
  {
    type: "gauge",
    name: "tutti_deployment_replicas_wanted",
    labels: ["application", "deployment"],
    help: "Replicas that there are to be.",
    read: ({ deployments }) =>
      deployments.map(({ application, deployment, wanted }) => [{ application, deployment }, wanted]),
  },
  {
    type: "gauge",
    name: "tutti_deployment_replicas_ready",
    labels: ["application", "deployment"],
    help: "Replicas that take calls.",
    read: ({ deployments }) =>
      deployments.map(({ application, deployment, ready }) => [{ application, deployment }, ready]),
  },
  {
    type: "gauge",
    name: "tutti_executor_state",
    labels: ["executor", "kind", "state"],
    help: "1 for the state that a place is in, 0 for the others: filling, ready, waiting (for its next try) or stopped.",
    read: ({ executors }) =>
      executors.flatMap(({ executor, kind, state }) =>
        STATES.map((one) => [{ executor, kind, state: one }, one === state ? 1 : 0] as const),
      ),
  },
  places("counter", "tutti_executor_starts_total", "How often a place was filled.", ({ starts }) => starts),
  places(
    "counter",
    "tutti_executor_losses_total",
    "How often what filled it ended, unasked.",
    ({ losses }) => losses,
  ),
  places(
    "counter",
    "tutti_executor_retirements_total",
    "How often what filled it was replaced while it still served.",
    ({ retirements }) => retirements,
  ),
  places(
    "counter",
    "tutti_executor_unhealthy_total",
    "How often replicas in it were replaced since their health checks had failed.",
    ({ unhealthy }) => unhealthy,
  ),
  places(
    "counter",
    "tutti_executor_start_failures_total",
    "How often it could not be filled.",
    ({ startFailures }) => startFailures,
  ),
  places(
    "gauge",
    "tutti_executor_start_seconds",
    "How long its last filling took, loading and importing included.",
    ({ startMs }) => seconds(startMs),
  ),
  places("gauge", "tutti_executor_replicas", "Replicas it hosts.", ({ replicas }) => replicas),
  places(
    "gauge",
    "tutti_executor_unhealthy_replicas",
    "Those whose health checks failed.",
    ({ status }) => status?.unhealthy.length,
  ),
  places(
    "gauge",
    "tutti_executor_ongoing_calls",
    "Calls accepted and not answered.",
    ({ status }) => status?.ongoing,
  ),
  places(
    "gauge",
    "tutti_executor_backlog_seconds",
    "Predicted time until its lane has done all it was given.",
    ({ status }) => seconds(status === undefined ? undefined : status.backlogUs / 1000),
  ),
  places(
    "gauge",
    "tutti_executor_longest_run_seconds",
    "For how long it may be busy with one piece of work.",
    ({ status }) => seconds(status?.longestRunMs),
  ),
  places(
    "gauge",
    "tutti_executor_answer_seconds",
    "How long it took to answer this scrape: its event loop's delay, and the connection's.",
    ({ answerMs }) => seconds(answerMs),
  ),
  single(
    "gauge",
    "tutti_executors_silent",
    "Executors that did not answer this scrape: what they counted is missing.",
    ({ executors }) =>
      executors.filter(({ state, answerMs }) => state === "ready" && answerMs === undefined).length,
  ),
  usage(
    "counter",
    "tutti_process_cpu_seconds_total",
    "Processor time, all threads.",
    ({ cpuSeconds }) => cpuSeconds,
  ),
  usage(
    "gauge",
    "tutti_process_resident_bytes",
    "Resident memory; what processes share is counted for each.",
    ({ residentBytes }) => residentBytes,
  ),
  usage(
    "gauge",
    "tutti_process_heap_used_bytes",
    "JavaScript objects.",
    ({ heapUsedBytes }) => heapUsedBytes,
  ),
  usage(
    "counter",
    "tutti_process_loop_active_seconds_total",
    "How long the event loop was busy.",
    ({ loopActiveSeconds }) => loopActiveSeconds,
  ),
  usage(
    "counter",
    "tutti_process_loop_idle_seconds_total",
    "How long it waited for something to do.",
    ({ loopIdleSeconds }) => loopIdleSeconds,
  ),
];
