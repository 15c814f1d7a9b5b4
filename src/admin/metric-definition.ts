import type { NodeMetrics } from "../observe/node-metrics.ts";

export type Labels = Readonly<Record<string, string>>;

export type Value = readonly [labels: Labels, value: number];

/** Counts by class, those above the last bound at the end. */
export interface CountedValues {
  readonly labels: Labels;
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

interface Described {
  /** As Prometheus gets it, with `_total` where it only rises. */
  readonly name: string;
  readonly labels: readonly string[];
  /** One line, which is also what the documents say. */
  readonly help: string;
}

/** One name that `/metrics` has, and where its values come from. */
export type MetricDefinition =
  | (Described & {
      readonly type: "counter" | "gauge";
      readonly read: (metrics: NodeMetrics) => readonly Value[];
    })
  | (Described & {
      readonly type: "histogram";
      readonly read: (metrics: NodeMetrics) => readonly CountedValues[];
    });

export const NO_LABELS: Labels = {};

/** A metric without labels. */
export function single(
  type: "counter" | "gauge",
  name: string,
  help: string,
  read: (metrics: NodeMetrics) => number,
): MetricDefinition {
  return { type, name, labels: [], help, read: (metrics) => [[NO_LABELS, read(metrics)]] };
}
