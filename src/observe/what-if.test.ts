import { describe, expect, it } from "vitest";
import type { Stratum } from "../policy/uniform-sample.ts";
import { call, group, tree } from "./request-tree.fake.ts";
import type { RequestTree } from "./request-tree.ts";
import { WhatIfEstimate, weightedQuantile } from "./what-if.ts";

/** A request whose m1 takes so long, beside an m2 of 10 ms on another executor. */
const request = (m1Ms: number) => {
  const together = group(0, [
    call("m1", { latencyMs: m1Ms, queueMs: m1Ms - 4, runMs: 4 }),
    call("m2", { latencyMs: 10, queueMs: 2, runMs: 8, executor: "x2" }),
  ]);
  return tree(call("Supervisor", { latencyMs: together.endMs, groups: [together] }));
};

describe("a weighted quantile", () => {
  it("is the value below which the fraction of the weight lies", () => {
    const values = [3, 1, 2].map((value) => ({ value, weight: 1 }));
    expect([0.01, 1 / 3, 0.5, 1].map((fraction) => weightedQuantile(values, fraction))).toEqual([1, 1, 2, 3]);
    expect(
      weightedQuantile(
        [
          { value: 9, weight: 1 },
          { value: 1, weight: 19 },
        ],
        0.95,
      ),
    ).toBe(1);
    expect(
      weightedQuantile(
        [
          { value: 9, weight: 2 },
          { value: 1, weight: 19 },
        ],
        0.95,
      ),
    ).toBe(9);
  });
});

function whatIf(strata: readonly Stratum<RequestTree>[], deployment: string, replicas: number) {
  const estimate = new WhatIfEstimate(deployment, replicas);
  for (const { items, offered } of strata) for (const one of items) estimate.add(one, offered / items.length);
  return estimate.result();
}

describe("what if", () => {
  const strata = [
    { items: Array.from({ length: 19 }, () => request(12)), offered: 19 },
    { items: [request(60)], offered: 10 },
  ];

  it("tells the p95 as it is, without the deployment and with one more replica of it", () => {
    expect(whatIf(strata, "m1", 1)).toEqual({
      deployment: "m1",
      replicas: 1,
      sampled: 20,
      p95Ms: 60,
      withoutP95Ms: 10,
      withReplicaP95Ms: 10,
    });
  });

  it("lets each sampled request stand for as many as it was drawn from", () => {
    const rare = [strata[0]!, { items: [request(60)], offered: 1 }];
    expect(whatIf(rare, "m1", 1)?.p95Ms).toBe(12);
  });

  it("says nothing of a deployment that no sampled request called", () => {
    expect(whatIf(strata, "m9", 1)).toBeUndefined();
    expect(whatIf([], "m1", 1)).toBeUndefined();
  });
});
