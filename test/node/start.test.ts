import { describe, expect, it } from "vitest";
import type { ApplicationDefinition } from "../../src/policy/desired-state.ts";
import { HttpClient } from "../support/http-client.ts";
import { PrometheusText } from "../support/prometheus-text.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { tutti } from "../support/tutti-command.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";
import { writeShop } from "./shop.ts";

const SMALL = ["--port", "0", "--lanes", "1", "--code-executors", "1"];

/** `tutti start` in a folder, again and again. */
class Shop implements AsyncDisposable {
  readonly folder = TempFolder.withTutti();
  readonly module = writeShop(this.folder);
  #process: TuttiProcess | undefined;
  #clients: HttpClient[] = [];

  async start(...args: readonly string[]): Promise<TuttiProcess> {
    const flags = ["--state-dir", this.folder.at("state"), "--modules-dir", this.folder.path];
    this.#process = await TuttiProcess.ready(undefined, {
      command: "start",
      args: [...SMALL, ...flags, ...args],
    });
    this.#clients = [new HttpClient(this.#process.port), new HttpClient(this.#process.adminPort)];
    return this.#process;
  }

  get edge(): HttpClient {
    return this.#clients[0]!;
  }

  get admin(): HttpClient {
    return this.#clients[1]!;
  }

  async put(version: string, more: Partial<ApplicationDefinition> = {}): Promise<void> {
    const body = { applications: [{ name: "shop", module: this.module, version, ...more }] };
    const answer = await this.admin.send("/api/applications", {
      method: "PUT",
      body,
      headers: { "if-match": "*" },
    });
    expect(answer.status, answer.text).toBe(200);
  }

  /** As the status tells it. */
  async seen() {
    const { json } = await this.admin.get("/api/status?format=json");
    return json.applications.find(({ name }: { readonly name: string }) => name === "shop");
  }

  serves(version: string): Promise<unknown> {
    const serves = async () => {
      const shop = await this.seen();
      return shop?.status === "RUNNING" && shop.version === version && shop.versions.length === 1;
    };
    return waitFor(serves, { what: `${version} to be all there is`, timeoutMs: 30_000 });
  }

  async killed(): Promise<void> {
    this.#process!.signal("SIGKILL");
    await this.#process!.ended;
    for (const client of this.#clients) client[Symbol.dispose]();
    await waitFor(() => this.#process!.executorPids.length === 0, { what: "its executors to end" });
    await this.#process![Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client[Symbol.dispose]();
    await this.#process?.[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
  }
}

describe("tutti start", () => {
  it("runs nothing at first, then what is deployed, and stops in order", async () => {
    await using shop = new Shop();
    const node = await shop.start();
    expect(node.stderr).toContain("the node is ready: nothing is deployed yet");
    expect((await shop.edge.get("/readyz")).status).toBe(200);
    expect((await shop.edge.get("/buy")).status).toBe(404);
    await shop.put("v1");
    await shop.serves("v1");
    expect((await shop.edge.get("/buy")).json).toMatchObject({ version: "v1" });
    await node.stopped();
    expect(node.stderr).toContain("shop v1: ready");
  });

  it("runs at first what its config file says, and later what was deployed", async () => {
    await using shop = new Shop();
    shop.folder.write(
      "tutti.yaml",
      "applications:\n  - name: shop\n    module: ./shop.js\n    version: v1\n",
    );
    const config = ["--config", shop.folder.at("tutti.yaml")];
    await shop.start(...config);
    await shop.serves("v1");
    await shop.put("v2");
    await shop.serves("v2");
    await shop.killed();
    const again = await shop.start(...config);
    await shop.serves("v2");
    expect(again.stderr).toContain("which are what runs: tutti deploy makes them so");
  });

  it("says every fault of its config file, and ends with 2", async () => {
    await using shop = new Shop();
    shop.folder.write("tutti.yaml", "http:\n  prot: 8000\n");
    const node = new TuttiProcess(undefined, {
      command: "start",
      args: ["--config", shop.folder.at("tutti.yaml"), "--state-dir", shop.folder.at("state")],
    });
    await using _ = node;
    expect(await node.endedByItself()).toBe(2);
    expect(node.stderr).toContain("tutti.yaml:2");
  });

  it("that another node has the state directory of ends with 1, naming it", async () => {
    await using shop = new Shop();
    await shop.start();
    await using second = new TuttiProcess(undefined, {
      command: "start",
      args: ["--port", "0", "--state-dir", shop.folder.at("state")],
    });
    expect(await second.endedByItself()).toBe(1);
    expect(second.stderr).toContain("state directory of another node");
  });
});

describe("the commands for a running node", () => {
  it("scale it, roll it back and shut it down, and say what is wrong by their exit codes", async () => {
    await using shop = new Shop();
    const node = await shop.start();
    await shop.put("v1");
    await shop.serves("v1");
    await shop.put("v2");
    await shop.serves("v2");
    const at = ["--url", `http://127.0.0.1:${node.adminPort}`];
    expect(await tutti(["scale", "shop/Shop", "2", ...at])).toMatchObject({
      code: 0,
      stdout: "shop: Shop is to have 2 replicas\n",
    });
    const replicas = async () =>
      (await shop.seen()).deployments.find(({ name }: { readonly name: string }) => name === "Shop").ready;
    await waitFor(async () => (await replicas()) === 2, { what: "two replicas" });
    const unknown = await tutti(["scale", "shop/Shep", "2", ...at]);
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      "tutti: the node answered 404: shop has no deployment Shep; deployments: Stock, model, Shop\n",
    ]);
    expect((await tutti(["scale", "shop/Shop", "many", ...at])).code).toBe(2);
    expect(await tutti(["scale", "shop/Shop", "0", ...at])).toMatchObject({
      code: 2,
      stderr: "tutti: the node answered 400: replicas: expected a number at least 1, got 0\n",
    });
    expect((await tutti(["scale", "shop/Shop", "4..1", ...at])).stderr).toBe(
      "tutti: the node answered 400: replicas: expected a min that is at most its max, got 4 to 1\n",
    );
    expect((await tutti(["rollback", "shop", "--to", "v9", ...at])).stderr).toContain("earlier ones: v1");
    const back = await tutti(["rollback", "shop", "--reason", "it is ugly", "--json", ...at]);
    expect(JSON.parse(back.stdout)).toEqual({
      application: "shop",
      rollback: { to: "previous", reason: "it is ugly" },
    });
    await shop.serves("v1");
    expect((await shop.seen()).reason).toBe("rolled back: it is ugly");
    expect((await tutti(["shutdown", ...at])).code).toBe(0);
    expect(await node.endedByItself()).toBe(0);
    // Whoever looks at it is not told the same twice.
    const told = node.stderr.split("\n").filter((line) => line.includes("requests go to"));
    expect(told.filter((line, i) => line === told[i + 1])).toEqual([]);
    expect(told.at(-1)).toBe("tutti: shop: requests go to v1 100 %");
    expect((await tutti(["shutdown", ...at])).code).toBe(7);
  });
});

describe("two applications with deployments of one name", () => {
  it("have series of their own, but for a model that they share", async () => {
    await using shop = new Shop();
    const node = await shop.start();
    const at = (name: string, model: string) => ({
      name,
      module: shop.module,
      route: `/${name}`,
      args: { model },
    });
    const applications = [at("east", "model.onnx"), at("north", "model.onnx"), at("west", "other.onnx")];
    const headers = { "if-match": "*" };
    const put = await shop.admin.send("/api/applications", {
      method: "PUT",
      body: { applications },
      headers,
    });
    expect(put.status, put.text).toBe(200);
    const requests = { east: 1, north: 2, west: 4 };
    for (const [name, count] of Object.entries(requests)) {
      const answers = async () => (await shop.edge.get(`/${name}/buy`)).status === 200;
      await waitFor(answers, { what: `${name} to be served`, timeoutMs: 30_000 });
      for (let i = 1; i < count; i++) expect(await answers()).toBe(true);
    }
    const metrics = new PrometheusText((await shop.admin.get("/metrics")).text);
    for (const [application, count] of Object.entries(requests)) {
      for (const deployment of ["Stock", "model", "Shop"])
        expect(metrics.sum("tutti_router_calls_total", { application, deployment }), deployment).toBe(count);
      const served = { application, deployment: "Shop", method: "http:buy" };
      expect(metrics.sum("tutti_method_calls_total", { ...served, outcome: "ok" })).toBe(count);
      expect(metrics.sum("tutti_deployment_replicas_ready", { application, deployment: "Shop" })).toBe(1);
    }
    const batched = (application: string) =>
      metrics.sum("tutti_batch_calls_total", { application, deployment: "model" });
    expect([batched("east+north"), batched("west")]).toEqual([3, 4]);
    expect(new Set(metrics.samples.map(({ labels }) => labels["application"] ?? "none"))).toEqual(
      new Set(["none", "east", "north", "west", "east+north"]),
    );
    const keys = metrics.samples.map(({ name, labels }) => `${name}${JSON.stringify(labels)}`);
    expect(new Set(keys).size).toBe(keys.length);
    await node.stopped();
  });
});

describe("a node that is killed", () => {
  it("comes back by itself to what was deployed, its options included", async () => {
    await using shop = new Shop();
    await shop.start();
    await shop.put("v1", { deployments: { Stock: { userConfig: { shelf: "oak" } }, Shop: { replicas: 2 } } });
    await shop.serves("v1");
    await shop.killed();
    await shop.start();
    await shop.serves("v1");
    expect((await shop.edge.get("/buy")).json).toMatchObject({ version: "v1", stock: { shelf: "oak" } });
    const { deployments } = await shop.seen();
    expect(deployments.find(({ name }: { readonly name: string }) => name === "Shop").ready).toBe(2);
  });

  it("in the middle of a rollout serves what it had served, and begins the rollout again", async () => {
    await using shop = new Shop();
    await shop.start();
    await shop.put("v1");
    await shop.serves("v1");
    const gates = { maxErrorFraction: 0.5, minRequests: 1000 };
    await shop.put("v2", { traffic: { steps: [{ weight: 0.5, durationMs: 60_000 }], gates } });
    const isShared = async () => (await shop.seen())?.rollout?.weight === 0.5;
    await waitFor(isShared, { what: "the rollout", timeoutMs: 20_000 });
    await shop.killed();
    const again = await shop.start();
    await waitFor(async () => (await shop.seen())?.rollout?.to === "v2", {
      what: "it again",
      timeoutMs: 20_000,
    });
    const told = again.stderr.split("\n").filter((line) => line.includes("requests go to"));
    expect(told).toEqual([
      "tutti: shop: requests go to v1 100 %",
      "tutti: shop: requests go to v1 50 %, v2 50 %",
    ]);
    // Without the steps it is over at once.
    await shop.put("v2", { traffic: { steps: [], gates } });
    await shop.serves("v2");
  });

  it("while a version is tried that cannot be started has served the one before all the time", async () => {
    await using shop = new Shop();
    await shop.start();
    await shop.put("v1");
    await shop.serves("v1");
    await shop.put("v2", { args: { fault: "throws" } });
    const isTried = async () =>
      (await shop.seen())?.versions.some(({ state }: { readonly state: string }) => state === "failed");
    await waitFor(isTried, { what: "v2 to fail" });
    await shop.killed();
    await shop.start();
    await shop.serves("v1");
    expect((await shop.edge.get("/buy")).json).toMatchObject({ version: "v1" });
    const isNoted = async () =>
      /^rolled back: v2 was given up: .*no such table/.test((await shop.seen()).reason);
    await waitFor(isNoted, { what: "the reason" });
  });
});
