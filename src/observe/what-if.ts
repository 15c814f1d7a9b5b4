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
 */
export class WhatIfEstimate {
  readonly #deployment: string;
  readonly #replicas: number;
  readonly #asIs: WeightedValue[] = [];
  readonly #without: WeightedValue[] = [];
  readonly #withReplica: WeightedValue[] = [];

  /** @param replicas how many the deployment has. */
  constructor(deployment: string, replicas: number) {
    this.#deployment = deployment;
    this.#replicas = replicas;
  }

  /** @param weight how many requests it stands for. */
  add({ root, latencyMs }: RequestTree, weight: number): void {
    if (!calls(root, this.#deployment)) return;
    this.#asIs.push({ value: latencyMs, weight });
    this.#without.push({ value: latencyWithout(root, this.#deployment), weight });
    this.#withReplica.push({ value: latencyWithReplica(root, this.#deployment, this.#replicas), weight });
  }

  /** Undefined when no request that was added calls the deployment. */
  result(): WhatIf | undefined {
    if (this.#asIs.length === 0) return undefined;
    return {
      deployment: this.#deployment,
      replicas: this.#replicas,
      sampled: this.#asIs.length,
      p95Ms: weightedQuantile(this.#asIs, 0.95),
      withoutP95Ms: weightedQuantile(this.#without, 0.95),
      withReplicaP95Ms: weightedQuantile(this.#withReplica, 0.95),
    };
  }
}

export interface WeightedValue {
  readonly value: number;
  readonly weight: number;
}

function calls(root: RequestTree["root"], deployment: string): boolean {
  for (const { name } of callsOf(root)) if (name === deployment) return true;
  return false;
}

/** The value at or below which a fraction of all weight lies. */
export function weightedQuantile(values: readonly WeightedValue[], fraction: number): number {
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
