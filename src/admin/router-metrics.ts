import { ENDINGS, STAGES } from "../observe/call-counters.ts";
import type { RoutedCounts } from "../observe/node-metrics.ts";
import type { MetricDefinition } from "./metric-definition.ts";

const LABELS = ["process", "application", "deployment"];

/** A series for each process that calls a deployment, from its first call on. */
function routed(
  type: "counter" | "gauge",
  name: string,
  help: string,
  read: (counts: RoutedCounts) => number,
): MetricDefinition {
  return {
    type,
    name,
    labels: LABELS,
    help,
    read: ({ processes }) =>
      processes.flatMap(({ process, router }) =>
        router.deployments.map((counts) => {
          const { application, deployment } = counts;
          return [{ process, application, deployment }, read(counts)] as const;
        }),
      ),
  };
}

/** What routers count: one in the node, one in each code executor. */
export const ROUTER_METRICS: readonly MetricDefinition[] = [
  routed(
    "counter",
    "tutti_router_calls_total",
    "Calls of a deployment, each member of an ensemble one.",
    ({ calls }) => calls,
  ),
  routed(
    "counter",
    "tutti_router_failures_total",
    "Attempts that ended by an error; streams are left out.",
    ({ failures }) => failures,
  ),
  routed(
    "counter",
    "tutti_router_retries_total",
    "Calls made again after an attempt had failed.",
    ({ retries }) => retries,
  ),
  routed(
    "counter",
    "tutti_router_moves_total",
    "Calls asked back before they had started, and sent elsewhere.",
    ({ moves }) => moves,
  ),
  routed(
    "counter",
    "tutti_router_hedges_total",
    "Second attempts at calls that were slow.",
    ({ hedges }) => hedges,
  ),
  routed(
    "counter",
    "tutti_router_rescues_total",
    "Second attempts at calls whose executor had stalled.",
    ({ rescues }) => rescues,
  ),
  routed(
    "counter",
    "tutti_router_ejections_total",
    "Replicas left out since they failed or were late and others were not.",
    ({ ejections }) => ejections,
  ),
  routed(
    "gauge",
    "tutti_router_ejected_replicas",
    "Replicas left out now, by themselves or with their executor.",
    ({ ejected }) => ejected,
  ),
  routed(
    "gauge",
    "tutti_router_outstanding_calls",
    "Calls sent, or about to be, that have not ended.",
    ({ outstanding }) => outstanding,
  ),
  {
    type: "gauge",
    name: "tutti_router_waiting_calls",
    labels: ["process"],
    help: "Calls that wait for a replica to be there.",
    read: ({ processes }) => processes.map(({ process, router }) => [{ process }, router.waiting]),
  },
  {
    type: "counter",
    name: "tutti_router_stalls_total",
    labels: ["process"],
    help: "How often an executor was found to have stalled.",
    read: ({ processes }) => processes.map(({ process, router }) => [{ process }, router.stalls]),
  },
  {
    type: "counter",
    name: "tutti_calls_ended_total",
    labels: ["process", "stage", "ending"],
    help: "Calls that ended otherwise than by an answer that was used, by where they were and why.",
    read: ({ processes }) =>
      processes.flatMap(({ process, calls }) =>
        STAGES.flatMap((stage) =>
          ENDINGS.flatMap((ending) => {
            const count = calls[stage]?.[ending];
            return count === undefined ? [] : [[{ process, stage, ending }, count] as const];
          }),
        ),
      ),
  },
];
