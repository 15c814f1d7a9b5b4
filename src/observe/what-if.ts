import type { Stratum } from "../policy/uniform-sample.ts";
import { latencyWithout, latencyWithReplica } from "./replay.ts";
import { callsOf, type RequestTree } from "./request-tree.ts";

/** What a change to one deployment would do to the requests that call it, judged by a sample of them. */
export interface WhatIf {
  readonly deployment: string;
  readonly replicas: number;
  readonly sampled: number;
  readonly p95Ms: number;
  /** With the deployment not called at all. */
  readonly withoutP95Ms: number;
  readonly withReplicaP95Ms: number;
}

/**
 * Each sampled request is replayed with the change made, the rest as it was. What is not seen in a request's own tree
 * stays as it was: that other requests leave the lanes earlier, or that a new replica takes time from its neighbours.
 *
 * @param replicas how many the deployment has.
 */
export function whatIf(
  sample: readonly Stratum<RequestTree>[],
  deployment: string,
  replicas: number,
): WhatIf | undefined {
  const weighted = sample.flatMap(({ items, offered }) =>
    items
      .filter(({ root }) => calls(root, deployment))
      .map((tree) => ({ tree, weight: offered / items.length })),
  );
  if (weighted.length === 0) return undefined;
  const p95Of = (latencyOf: (tree: RequestTree) => number) =>
    weightedQuantile(
      weighted.map(({ tree, weight }) => ({ value: latencyOf(tree), weight })),
      0.95,
    );
  return {
    deployment,
    replicas,
    sampled: weighted.length,
    p95Ms: p95Of(({ latencyMs }) => latencyMs),
    withoutP95Ms: p95Of(({ root }) => latencyWithout(root, deployment)),
    withReplicaP95Ms: p95Of(({ root }) => latencyWithReplica(root, deployment, replicas)),
  };
}

function calls(root: RequestTree["root"], deployment: string): boolean {
  for (const { name } of callsOf(root)) if (name === deployment) return true;
  return false;
}

/** The value at or below which a fraction of all weight lies. */
export function weightedQuantile(
  values: readonly { readonly value: number; readonly weight: number }[],
  fraction: number,
): number {
  const sorted = [...values].sort((a, b) => a.value - b.value);
  const total = sorted.reduce((sum, { weight }) => sum + weight, 0);
  let below = 0;
  for (const { value, weight } of sorted) {
    below += weight;
    // A sum of fractions may fall short of their product by its rounding.
    if (below >= total * fraction * (1 - 1e-9)) return value;
  }
  return Number.NaN;
}
