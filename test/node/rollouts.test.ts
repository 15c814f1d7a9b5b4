import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rollBack } from "../../src/controller/note-rollback.ts";
import { DEFAULT_TRAFFIC, type Traffic } from "../../src/policy/desired-state.ts";
import { OpenLoopLoad } from "../support/open-loop-load.ts";
import { definition, StateNode } from "../support/state-node.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { waitFor } from "../support/wait-for.ts";
import { writeShop } from "./shop.ts";

const folder = TempFolder.withTutti();
let module = "";

beforeAll(() => {
  module = writeShop(folder);
});
afterAll(() => folder[Symbol.dispose]());

const version = (name: string, more: Parameters<typeof definition>[2] = {}) => definition(module, name, more);
const buy = async (node: StateNode) => (await node.client.get("/buy")).json;

describe("a version that takes over from another", () => {
  it("takes every request within a second, and none is lost, mixed or served twice (D9)", async () => {
    await using node = await StateNode.start();
    await node.deploy(version("v1"));
    await node.serves("v1");
    const load = new OpenLoopLoad({ ratePerSecond: 60, send: () => node.client.get("/buy") });
    await waitFor(() => load.answered >= 20, { what: "load on v1" });
    await node.deploy(version("v2", { traffic: DEFAULT_TRAFFIC }));
    await node.serves("v2");
    const answeredBefore = load.answered;
    await waitFor(() => load.answered >= answeredBefore + 20, { what: "load on v2" });
    const results = await load.stop();
    const answers = results.map((result) => ("answer" in result ? result.answer : result.error));
    for (const answer of answers) expect(answer).toMatchObject({ status: 200 });
    const versions = results
      .toSorted((a, b) => a.index - b.index)
      .map((result) => ("answer" in result ? result.answer.json : undefined));
    for (const { version: outer, stock } of versions) expect(stock.version).toBe(outer);
    const told = versions.map(({ version: outer }) => outer);
    expect(new Set(told)).toEqual(new Set(["v1", "v2"]));
    expect(told.at(-1)).toBe("v2");
  });

  it("shares the models whose files are the same, and loads those that are not into the same lane", async () => {
    await using node = await StateNode.start();
    await node.deploy(version("v1"));
    await node.serves("v1");
    const lane = () => node.node.placements().find(({ slot }) => slot === "lane0");
    const before = lane();
    expect(before?.replicas).toBe(1);
    await node.deploy(version("v2"));
    await node.serves("v2");
    expect(lane()).toEqual(before);
    await node.deploy(version("v3", { args: { model: "other.onnx" } }));
    await node.serves("v3");
    // The one that nobody wants any more is gone.
    await waitFor(() => lane()?.replicas === 1, { what: "the old model to be unloaded" });
    expect(lane()?.pid).toBe(before?.pid);
    expect(await buy(node)).toMatchObject({ version: "v3", y: [1, 2] });
  });

  it("lets a stream of the version before go on to its end", async () => {
    await using node = await StateNode.start();
    await node.deploy(version("v1"));
    await node.serves("v1");
    const stream = node.client.get("/watch?n=60");
    await waitFor(() => node.view()?.versions[0]?.openRequests === 1, { what: "the stream to be open" });
    await node.deploy(version("v2"));
    const phaseOfV1 = () => node.view()?.versions.find((one) => one.version === "v1")?.phase.kind;
    await waitFor(() => phaseOfV1() === "draining", { what: "v1 to drain", timeoutMs: 20_000 });
    expect(await buy(node)).toMatchObject({ version: "v2" });
    const { status, text } = await stream;
    expect(status).toBe(200);
    expect(text).toContain('"i":59');
    expect(text).not.toContain('"v2"');
    await node.serves("v2");
  });

  it("ends one that does not end when its time to drain is over", async () => {
    await using node = await StateNode.start({ drainTimeoutMs: 300 });
    await node.deploy(version("v1"));
    await node.serves("v1");
    const stream = node.client.get("/watch?n=1000");
    stream.catch(() => {});
    await waitFor(() => node.view()?.versions[0]?.openRequests === 1, { what: "the stream to be open" });
    await node.deploy(version("v2"));
    await node.serves("v2");
    const text = await stream.then(
      (answer) => answer.text,
      () => "cut off",
    );
    expect(text).not.toContain('"i":999');
  });
});

describe("a version that cannot be started", () => {
  it.each([
    ["whose constructor throws", "throws", /Stock could not be built: no such table/],
    ["that is not healthy from its beginning", "sick", /Stock is not healthy: the disk is full/],
  ])("%s never takes a request, is tried again, then given up by name", async (_, fault, reason) => {
    await using node = await StateNode.start();
    await node.deploy(version("v1"));
    await node.serves("v1");
    await node.deploy(version("v2", { args: { fault } }));
    const failed = await waitFor(
      () => node.view()?.versions.find((one) => one.version === "v2" && one.phase.kind === "failed"),
      { what: "v2 to fail" },
    );
    expect(failed.phase).toMatchObject({ attempts: 1, reason: expect.stringMatching(reason) });
    await waitFor(async () => (await node.desired())?.rollback, { what: "the rollback", timeoutMs: 30_000 });
    expect((await node.desired())?.rollback).toEqual({
      to: "previous",
      reason: expect.stringMatching(reason),
    });
    await node.serves("v1");
    expect(node.view()?.reason).toMatch(/^rolled back: v2 was given up: /);
    expect(node.events.filter((event) => event.type === "traffic")).toHaveLength(1);
    expect(await buy(node)).toMatchObject({ version: "v1" });
    // People may know better: deployed again, it is tried again.
    await node.deploy(version("v2", { args: {} }));
    await node.serves("v2");
  });

  // Nearly all of their time is that of three time-outs.
  it.concurrent.each([
    ["never ends", "hangs"],
    ["blocks its process", "loops"],
  ])("since its constructor %s never takes a request, and is given up by name", async (_, fault) => {
    await using node = await StateNode.start({ loadingTimeoutMs: 3000 });
    await node.deploy(version("v1"));
    await node.serves("v1");
    await node.deploy(version("v2", { args: { fault } }));
    const failed = await waitFor(
      () => node.view()?.versions.find((one) => one.version === "v2" && one.phase.kind === "failed"),
      { what: "v2 to fail", timeoutMs: 20_000 },
    );
    // The process does not say which of those that it was to host has kept it.
    expect(failed.phase).toMatchObject({ reason: expect.stringContaining("which was to host") });
    expect(failed.phase).toMatchObject({ reason: expect.stringContaining("Stock") });
    expect(await buy(node)).toMatchObject({ version: "v1" });
    const noted = async () => (await node.desired())?.rollback;
    const rollback = await waitFor(noted, { what: "the rollback", timeoutMs: 40_000 });
    expect(rollback.reason).toMatch(/^v2 was given up: .*Stock/);
    await node.serves("v1");
    expect(node.events.filter((event) => event.type === "traffic")).toHaveLength(1);
  });

  it("with nothing before it says so, and is tried for ever", async () => {
    await using node = await StateNode.start();
    await node.deploy(version("v1", { args: { fault: "throws" } }));
    await waitFor(() => node.view()?.status === "DEPLOY_FAILED", {
      what: "it to be failed",
      timeoutMs: 30_000,
    });
    expect(node.view()?.reason).toContain("no such table");
    expect((await node.client.get("/readyz")).status).toBe(503);
    expect((await node.client.get("/buy")).status).toBe(503);
    await node.deploy(version("v1", { args: {} }));
    await node.serves("v1");
    expect((await node.client.get("/readyz")).status).toBe(200);
  });
});

describe("a canary", () => {
  const traffic: Traffic = {
    steps: [
      { weight: 0.3, durationMs: 600 },
      { weight: 0.6, durationMs: 600 },
    ],
    // A bound of its own: of ten requests that take 2 ms one easily takes 8 beside other tests.
    gates: { maxErrorFraction: 0.1, minRequests: 10, maxP95Ms: 5_000 },
  };
  /** It stays for longer than it takes for latencies to count: those of the first requests do not. */
  const watched: Traffic = {
    steps: [{ weight: 0.3, durationMs: 30_000 }],
    gates: { maxErrorFraction: 0.1, minRequests: 10, maxP95Factor: 4 },
  };
  const loaded = (node: StateNode) =>
    new OpenLoopLoad({ ratePerSecond: 60, maxOutstanding: 500, send: () => node.client.get("/buy") });

  it("gets its share by steps, then all", async () => {
    await using node = await StateNode.start();
    await node.deploy(version("v1"));
    await node.serves("v1");
    const load = loaded(node);
    await node.deploy(version("v2", { traffic }));
    await node.serves("v2");
    const results = await load.stop();
    const shares = node.events.flatMap((event) => (event.type === "traffic" ? [event.shares] : []));
    expect(shares.slice(1)).toEqual([
      [
        { version: "v1", weight: 0.7 },
        { version: "v2", weight: 0.3 },
      ],
      [
        { version: "v1", weight: 0.4 },
        { version: "v2", weight: 0.6 },
      ],
      [{ version: "v2", weight: 1 }],
      [{ version: "v2", weight: 1 }],
    ]);
    for (const result of results) expect(result).toMatchObject({ answer: { status: 200 } });
  });

  it.each([
    ["whose requests fail", "fails", /requests failed/],
    ["that is slow", "slow", /its p95 was/],
  ])("%s is taken back, with the reason", async (_, fault, reason) => {
    await using node = await StateNode.start();
    await node.deploy(version("v1"));
    await node.serves("v1");
    const load = loaded(node);
    await waitFor(() => load.answered > 60, { what: "v1 to be warm" });
    await node.deploy(version("v2", { traffic: watched, args: { fault } }));
    await waitFor(async () => (await node.desired())?.rollback, { what: "the rollback", timeoutMs: 30_000 });
    expect((await node.desired())?.rollback).toEqual({
      to: "previous",
      reason: expect.stringMatching(reason),
    });
    await node.serves("v1");
    await load.stop();
    expect(await buy(node)).toMatchObject({ version: "v1" });
  });
});

describe("a change of options", () => {
  const options = (deployments: Parameters<typeof version>[1]) => version("v1", deployments);

  it("reaches reconfigure() and the number of replicas without another start of anything", async () => {
    await using node = await StateNode.start({ codeExecutors: 2 });
    await node.deploy(options({ deployments: { Stock: { userConfig: { shelf: "oak" } } } }));
    await node.serves("v1");
    const { pid, stock } = await buy(node);
    expect(stock.shelf).toBe("oak");
    await node.deploy(options({ deployments: { Stock: { userConfig: { shelf: "pine" } } } }));
    await waitFor(async () => (await buy(node)).stock.shelf === "pine", { what: "the other userConfig" });
    expect(await buy(node)).toMatchObject({ pid, stock: { pid: stock.pid } });
    await node.deploy(
      options({
        deployments: {
          Stock: { userConfig: { shelf: "pine" } },
          Shop: { replicas: 3 },
          model: { replicas: 2 },
        },
      }),
    );
    const ready = (name: string) =>
      node
        .view()
        ?.versions[0]?.runner?.deployments()
        .find((one) => one.name === name)?.readyReplicas;
    await waitFor(() => ready("Shop") === 3 && ready("model") === 2, { what: "more replicas" });
    expect(node.node.pids()).toContain(pid);
    await node.deploy(options({ deployments: { Stock: { userConfig: { shelf: "pine" } } } }));
    await waitFor(() => ready("Shop") === 1 && ready("model") === 1, { what: "fewer replicas" });
    expect(await buy(node)).toMatchObject({ stock: { shelf: "pine" } });
  });

  it("that is not taken leaves what is served, and says why", async () => {
    await using node = await StateNode.start();
    await node.deploy(options({ deployments: { Stock: { userConfig: { shelf: "oak" } } } }));
    await node.serves("v1");
    await node.deploy(options({ deployments: { Stock: { userConfig: { shelf: "broken" } } } }));
    await waitFor(() => node.view()?.reason.includes("a shelf that is broken"), { what: "the reason" });
    expect((await buy(node)).stock.shelf).toBe("oak");
    await node.deploy(options({ deployments: { Stock: { userConfig: { shelf: "elm" } } } }));
    await waitFor(async () => (await buy(node)).stock.shelf === "elm", { what: "the next one" });
  });
});

describe("a change of options for which replicas are made anew", () => {
  const compute = { deployments: { Shop: { compute: true } } };

  it("is another version of the same name, and can be gone back from", async () => {
    await using node = await StateNode.start();
    await node.deploy(version("v1"));
    await node.serves("v1");
    const before = await buy(node);
    expect(before.pid).toBe(before.stock.pid);
    await node.deploy(version("v1", compute));
    // An executor of its own.
    await waitFor(async () => (await buy(node)).pid !== (await buy(node)).stock.pid, { what: "the change" });
    await node.serves("v1");
    expect((await node.desired())?.history).toEqual([version("v1")]);
    await rollBack(node.store, "shop", { to: "previous", reason: "too many processes" });
    const isBack = async () => {
      const after = await buy(node);
      return after.pid === after.stock.pid && after.pid !== before.pid;
    };
    await waitFor(isBack, { what: "the way back", timeoutMs: 20_000 });
    await node.serves("v1");
    expect(node.view()?.reason).toBe("rolled back: too many processes");
  });

  it("that cannot be started is taken back by itself, with the reason, and can be tried again", async () => {
    await using node = await StateNode.start();
    await node.deploy(version("v1"));
    await node.serves("v1");
    const before = await buy(node);
    const shut = folder.write("shut", "");
    await node.deploy(version("v1", compute));
    const noted = async () => (await node.desired())?.rollback;
    expect(await waitFor(noted, { what: "the rollback", timeoutMs: 30_000 })).toEqual({
      to: "previous",
      reason: expect.stringMatching(/^v1 was given up: .*Shop could not be built: the shop is shut/),
    });
    await node.serves("v1");
    expect((await buy(node)).pid).toBe(before.pid);
    rmSync(shut);
    await node.deploy(version("v1", { deployments: { Shop: { compute: true, replicas: 2 } } }));
    const isTaken = async () => (await buy(node)).pid !== before.pid;
    await waitFor(isTaken, { what: "it to be served", timeoutMs: 20_000 });
    await node.serves("v1");
    // What was rolled back is nothing to go back to.
    expect((await node.desired())?.history).toEqual([version("v1")]);
  });
});

describe("several applications", () => {
  it("are served side by side, each at its route, and one that goes takes nothing with it", async () => {
    await using node = await StateNode.start();
    const other = version("v1", { name: "other", route: "/other" });
    await node.deploy(other, version("v1"));
    await node.serves("v1");
    await node.serves("v1", "other");
    expect((await node.client.get("/other/buy")).json).toMatchObject({ version: "v1" });
    await node.deploy(version("v1"));
    await waitFor(() => node.view("other") === undefined, { what: "it to be gone" });
    expect((await node.client.get("/other/buy")).status).toBe(404);
    expect((await node.client.get("/buy")).status).toBe(200);
  });

  it("that want one route are not both served, and the second says why", async () => {
    await using node = await StateNode.start();
    await node.deploy(version("v1"));
    await node.serves("v1");
    await node.deploy(version("v1"), version("v1", { name: "twin" }));
    await waitFor(() => node.view("twin")?.status === "DEPLOY_FAILED", { what: "the twin to fail" });
    expect(node.view("twin")?.reason).toContain('applications "shop" and "twin" have one route');
    expect((await node.client.get("/buy")).status).toBe(200);
  });
});

describe("a node that begins again", () => {
  it("in the middle of a rollout serves what it had served, then goes on with the rollout", async () => {
    const desired = [version("v2", { traffic: DEFAULT_TRAFFIC }), version("v1")] as const;
    const node = new StateNode();
    node.served = [desired[1]];
    await node.store.compareAndSet(0, [{ ...desired[0], history: [desired[1]] }]);
    await node.begin({});
    await using _ = node;
    await node.serves("v2");
    const traffic = node.events.flatMap((event) =>
      event.type === "traffic" ? [event.shares[0]?.version] : [],
    );
    expect(traffic[0]).toBe("v1");
    expect(node.served).toEqual([desired[0]]);
  });
});
