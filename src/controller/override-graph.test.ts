import { describe, expect, it } from "vitest";
import type { ApplicationGraph } from "../api/graph.ts";
import { CODE_DEFAULTS, resolveDeploymentOptions } from "../config/deployment-options.ts";
import { resolveRoutingOptions } from "../config/routing-options.ts";
import { overrideGraph } from "./override-graph.ts";

const OPTIONS = {
  maxQueueMs: 50,
  healthCheck: { periodMs: 500, timeoutMs: 700 },
  resources: { memoryMb: 7 },
};

const GRAPH: ApplicationGraph = {
  name: "offers",
  route: "/",
  version: "1",
  deadlineMs: 1000,
  ingress: "Offers",
  routing: resolveRoutingOptions(),
  routes: [],
  deployments: ["Offers", "Stock"].map((name) => ({
    kind: "class",
    name,
    options: resolveDeploymentOptions(name, OPTIONS, CODE_DEFAULTS),
    uses: [],
  })),
};
const optionsOf = (graph: ApplicationGraph, name: string) =>
  graph.deployments.find((one) => one.name === name)?.options;

describe("the options of a definition", () => {
  it("go before those of the module, which hold for all else", () => {
    const graph = overrideGraph(GRAPH, {
      deployments: { Stock: { replicas: 3, healthCheck: { periodMs: 100 }, userConfig: { shelf: "oak" } } },
    });
    expect(optionsOf(graph, "Stock")).toEqual({
      ...optionsOf(GRAPH, "Stock"),
      replicas: { min: 3, max: 3, initial: 3 },
      healthCheckPeriodMs: 100,
      userConfig: { shelf: "oak" },
    });
    expect(optionsOf(graph, "Offers")).toBe(optionsOf(GRAPH, "Offers"));
  });

  it("that are none leave the graph as it is", () => {
    expect(overrideGraph(GRAPH, { deployments: {} })).toBe(GRAPH);
  });

  it("for what there is not are refused by name, with the names that there are", () => {
    expect(() => overrideGraph(GRAPH, { deployments: { Stok: { replicas: 2 } } })).toThrow(
      "application offers: deployments has Stok, which is none of Offers, Stock",
    );
  });

  it("that are not possible are refused as those of a module are", () => {
    expect(() => overrideGraph(GRAPH, { deployments: { Stock: { replicas: 0 } } })).toThrow(
      "deployment Stock: replicas: expected a number from 1",
    );
  });
});
