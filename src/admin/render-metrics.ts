import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { NodeMetrics } from "../observe/node-metrics.ts";
import type { CountedValues, MetricDefinition } from "./metric-definition.ts";
import { METRICS } from "./metric-list.ts";

export const METRICS_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/**
 * What was counted, in Prometheus's text format. Its objects are made for this one answer: whoever counts knows nothing
 * of them.
 */
export function renderMetrics(metrics: NodeMetrics): Promise<string> {
  const registry = new Registry();
  for (const definition of METRICS) addTo(registry, definition, metrics);
  return registry.metrics();
}

function addTo(registry: Registry, definition: MetricDefinition, metrics: NodeMetrics): void {
  const { name, help, labels } = definition;
  const described = { name, help, labelNames: labels, registers: [registry] };
  if (definition.type === "histogram") {
    new CountedHistogram(described, definition.read(metrics));
  } else if (definition.type === "counter") {
    const counter = new Counter(described);
    for (const [of, value] of definition.read(metrics)) counter.inc(of, value);
  } else {
    const gauge = new Gauge(described);
    for (const [of, value] of definition.read(metrics)) gauge.set(of, value);
  }
}

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly registers: Registry[];
}

/** A histogram of counts that somebody else has made. */
class CountedHistogram extends Histogram<string> {
  readonly #described: Described;
  readonly #all: readonly CountedValues[];

  constructor(described: Described, all: readonly CountedValues[]) {
    super(described);
    this.#described = described;
    this.#all = all;
  }

  /** What the library asks a histogram for, in whatever form it writes it. */
  async getForPromString() {
    const { name, help } = this.#described;
    return { name, help, type: "histogram", values: this.#all.flatMap((one) => linesOf(name, one)) };
  }
}

function linesOf(name: string, { labels, bounds, counts, sum }: CountedValues) {
  let below = 0;
  const buckets = counts.map((count, index) => {
    below += count;
    const le = bounds[index] ?? "+Inf";
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: below },
  ];
}
