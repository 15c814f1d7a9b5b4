import { LATENCY_BOUNDS_MS } from "../observe/latency-counts.ts";
import type { BatchMetrics, FeatureCounts } from "../observe/node-metrics.ts";
import type { Labels, MetricDefinition } from "./metric-definition.ts";

const SECONDS = LATENCY_BOUNDS_MS.map((ms) => ms / 1000);
const METHOD = ["process", "application", "deployment", "method"];
const BATCHER = ["application", "deployment", "method", "replica"];

const labelsOf = ({ application, deployment, method, replica }: BatchMetrics): Labels => ({
  application,
  deployment,
  method,
  replica: String(replica),
});

function batches(
  type: "counter" | "gauge",
  name: string,
  help: string,
  read: (batcher: BatchMetrics) => number,
): MetricDefinition {
  return {
    type,
    name,
    labels: BATCHER,
    help,
    read: (metrics) => metrics.batches.map((batcher) => [labelsOf(batcher), read(batcher)]),
  };
}

function features(name: string, help: string, read: (counts: FeatureCounts) => number): MetricDefinition {
  return {
    type: "counter",
    name,
    labels: ["process"],
    help,
    read: ({ processes }) => processes.map((one) => [{ process: one.process }, read(one.features)]),
  };
}

/** What executors count: calls of classes, batches, and the feature stores that classes have opened. */
export const SERVING_METRICS: readonly MetricDefinition[] = [
  {
    type: "counter",
    name: "tutti_method_calls_total",
    labels: [...METHOD, "outcome"],
    help: "Calls that classes have served; http: stands before methods that answer routes. Outcome failed is a bug or a deadline, not a client's mistake.",
    read: ({ processes }) =>
      processes.flatMap(({ process, methods }) =>
        methods.flatMap(({ application, deployment, method, ok, failed }) => [
          [{ process, application, deployment, method, outcome: "ok" }, ok] as const,
          [{ process, application, deployment, method, outcome: "failed" }, failed] as const,
        ]),
      ),
  },
  {
    type: "histogram",
    name: "tutti_method_seconds",
    labels: METHOD,
    help: "How long they took, from when the call was accepted.",
    read: ({ processes }) =>
      processes.flatMap(({ process, methods }) =>
        methods.map(({ application, deployment, method, latency }) => ({
          labels: { process, application, deployment, method },
          bounds: SECONDS,
          counts: latency.counts,
          sum: latency.sumMs / 1000,
        })),
      ),
  },
  {
    type: "histogram",
    name: "tutti_batch_rows",
    labels: BATCHER,
    help: "Rows in each batch that was run, of models and of batched methods.",
    read: (metrics) => metrics.batches.map(sizesOf),
  },
  {
    type: "counter",
    name: "tutti_batches_total",
    labels: [...BATCHER, "reason"],
    help: "Batches by why they were run as they were.",
    read: (metrics) =>
      metrics.batches.flatMap((batcher) =>
        Object.entries(batcher.reasons).map(
          ([reason, count]) => [{ ...labelsOf(batcher), reason }, count] as const,
        ),
      ),
  },
  batches("counter", "tutti_batch_calls_total", "Calls in those batches.", ({ calls }) => calls),
  batches(
    "counter",
    "tutti_batch_wait_seconds_total",
    "How long those calls had waited for their batch.",
    ({ waitedMs }) => waitedMs / 1000,
  ),
  batches(
    "counter",
    "tutti_batch_run_seconds_total",
    "How long the batches ran that did not fail.",
    ({ runMs }) => runMs / 1000,
  ),
  batches(
    "counter",
    "tutti_batch_waits_total",
    "How often company was awaited although a slot was free.",
    ({ waits }) => waits,
  ),
  {
    type: "counter",
    name: "tutti_batch_given_up_total",
    labels: [...BATCHER, "reason"],
    help: "Calls ended early: hopeless, they could not have been on time; for-others, they would have made more of the others late.",
    read: (metrics) =>
      metrics.batches.flatMap((batcher) => [
        [{ ...labelsOf(batcher), reason: "hopeless" }, batcher.hopeless] as const,
        [{ ...labelsOf(batcher), reason: "for-others" }, batcher.givenUp] as const,
      ]),
  },
  batches(
    "gauge",
    "tutti_batch_queued_calls",
    "Calls that wait for their batch.",
    ({ queuedCalls }) => queuedCalls,
  ),
  batches("gauge", "tutti_batch_cap_rows", "Most rows in one batch as of now.", ({ capRows }) => capRows),
  features(
    "tutti_feature_store_gets_total",
    "Reads of feature stores, those answered by a cache left out.",
    ({ storeGets }) => storeGets,
  ),
  features("tutti_feature_store_keys_total", "Keys asked for in those reads.", ({ storeKeys }) => storeKeys),
  features(
    "tutti_feature_store_failures_total",
    "Reads, or attempts at one, that failed.",
    ({ storeFailures }) => storeFailures,
  ),
  features("tutti_feature_cache_hits_total", "Keys answered from a cache.", ({ cacheHits }) => cacheHits),
  features("tutti_feature_cache_misses_total", "Keys that were not there.", ({ cacheMisses }) => cacheMisses),
  features(
    "tutti_feature_cache_evictions_total",
    "Rows that left a cache for want of space.",
    ({ cacheEvictions }) => cacheEvictions,
  ),
  features(
    "tutti_feature_keys_joined_total",
    "Keys that joined another request's look-up.",
    ({ keysJoined }) => keysJoined,
  ),
  features(
    "tutti_feature_gets_refused_total",
    "Gets refused since too many keys waited.",
    ({ getsRefused }) => getsRefused,
  ),
  features(
    "tutti_feature_rows_defaulted_total",
    "Rows that a default stood in for.",
    ({ rowsDefaulted }) => rowsDefaulted,
  ),
];

/** Every class up to the largest that occurred, as Prometheus wants them all. */
function sizesOf(batcher: BatchMetrics) {
  const largest = batcher.sizes.at(-1)?.upToRows ?? 1;
  const bounds: number[] = [];
  for (let rows = 1; rows <= largest; rows *= 2) bounds.push(rows);
  const counts = bounds.map(
    (bound) => batcher.sizes.find(({ upToRows }) => upToRows === bound)?.batches ?? 0,
  );
  return { labels: labelsOf(batcher), bounds, counts: [...counts, 0], sum: batcher.rows };
}
