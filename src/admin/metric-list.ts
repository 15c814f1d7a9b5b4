import { CONTROL_METRICS } from "./control-metrics.ts";
import { EDGE_METRICS } from "./edge-metrics.ts";
import type { MetricDefinition } from "./metric-definition.ts";
import { ROUTER_METRICS } from "./router-metrics.ts";
import { SERVING_METRICS } from "./serving-metrics.ts";

/** Every name that `/metrics` has; the same list is in `docs/reference/metrics.md`, where a test compares them. */
export const METRICS: readonly MetricDefinition[] = [
  ...EDGE_METRICS,
  ...ROUTER_METRICS,
  ...SERVING_METRICS,
  ...CONTROL_METRICS,
];
