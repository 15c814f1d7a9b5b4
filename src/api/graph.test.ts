import { describe, expect, it } from "vitest";
import { MODEL_DEFAULTS, resolveDeploymentOptions } from "../config/deployment-options.ts";
import { application } from "./application.ts";
import { bindDeployment } from "./binding.ts";
import { deployment } from "./deployment.ts";
import { readGraph } from "./graph.ts";

class Store {
  async read() {}
}
class Features {
  readonly store: unknown;
  constructor(store: unknown) {
    this.store = store;
  }
  async get() {}
}
class Offers {
  readonly parts: unknown;
  constructor(parts: unknown) {
    this.parts = parts;
  }
  async offer() {}
}

const model = (name: string) =>
  bindDeployment<{ predict(): Promise<number> }>({
    kind: "model",
    name,
    options: resolveDeploymentOptions(name, { replicas: 2 }, MODEL_DEFAULTS),
    path: `/models/${name}.onnx`,
    maxBatchRows: 128,
    session: { intraOpThreads: 1 },
  });

function build() {
  const store = deployment(Store).bind();
  const features = deployment(Features, { replicas: 2 }).bind(store);
  const models = [model("m1"), model("m2")];
  const ingress = deployment(Offers).bind({ features, models, store });
  const fallback = { body: { reason: "$reason" } };
  return application({
    name: "offers",
    route: "/offers",
    version: "2",
    deadlineMs: 500,
    ingress,
    http: { "POST /:game": { method: "offer", fallback } },
  });
}

describe("readGraph", () => {
  it("tells an application as data: what is called comes before its callers, each once", () => {
    const { graph, bindings } = readGraph(build());
    expect(graph.deployments.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      "class Store",
      "class Features",
      "model m1",
      "model m2",
      "class Offers",
    ]);
    expect([...bindings.keys()].sort()).toEqual(["Features", "Offers", "Store", "m1", "m2"]);
    expect(graph).toMatchObject({
      name: "offers",
      route: "/offers",
      version: "2",
      deadlineMs: 500,
      ingress: "Offers",
    });
  });

  it("names what each class is given, and nothing that those are given themselves", () => {
    const uses = readGraph(build()).graph.deployments.map((spec) =>
      spec.kind === "class" ? spec.uses : "file",
    );
    expect(uses).toEqual([[], ["Store"], "file", "file", ["Features", "m1", "m2", "Store"]]);
  });

  it("has routes without their schemas, which cannot travel", () => {
    expect(readGraph(build()).graph.routes).toEqual([
      {
        httpMethod: "POST",
        path: "/:game",
        method: "offer",
        fallback: { body: { reason: "$reason" } },
        isStream: false,
        priority: "high",
      },
    ]);
  });

  it("has models with all that an executor needs", () => {
    const spec = readGraph(build()).graph.deployments.find(({ name }) => name === "m1");
    expect(spec).toMatchObject({
      path: "/models/m1.onnx",
      maxBatchRows: 128,
      session: { intraOpThreads: 1 },
      options: { replicas: { min: 2, max: 2, initial: 2 }, maxOngoingRequests: 4096, idempotent: true },
    });
  });

  it("is the same each time, also after a trip through JSON", () => {
    const one = build();
    expect(readGraph(one).graph).toEqual(readGraph(one).graph);
    expect(JSON.stringify(readGraph(build()).graph)).toBe(JSON.stringify(readGraph(one).graph));
  });

  it("refuses a copy of a handle among the arguments, which would never be running", () => {
    const ingress = deployment(Offers).bind([deployment(Store).bind().with({ deadlineMs: 5 })]);
    const made = application({ name: "offers", ingress, http: { "GET /": "offer" } });
    expect(() => readGraph(made)).toThrow(
      "Store: bind the deployment itself, and use with(...) where its handle is called",
    );
  });

  it("refuses two deployments of one name, naming it and the way out", () => {
    const ingress = deployment(Offers).bind([deployment(Store).bind(), deployment(Store).bind()]);
    const made = application({ name: "offers", ingress, http: { "GET /": "offer" } });
    expect(() => readGraph(made)).toThrow(
      expect.objectContaining({
        code: "DuplicateName",
        message: "application offers: two deployments are named Store; give one the option name",
      }),
    );
  });

  it("takes two deployments of one class under two names", () => {
    const stores = [deployment(Store).bind(), deployment(Store, { name: "Archive" }).bind()];
    const made = application({
      name: "offers",
      ingress: deployment(Offers).bind(stores),
      http: { "GET /": "offer" },
    });
    expect(readGraph(made).graph.deployments.map(({ name }) => name)).toEqual(["Store", "Archive", "Offers"]);
  });

  it("refuses a deployment that has its ingress's name", () => {
    const inner = deployment(Store, { name: "Offers" }).bind();
    const made = application({
      name: "offers",
      ingress: deployment(Offers).bind(inner),
      http: { "GET /": "offer" },
    });
    expect(() => readGraph(made)).toThrow(/two deployments are named Offers/);
  });
});
