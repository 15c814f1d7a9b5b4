import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HttpAnswer, HttpClient } from "../support/http-client.ts";
import { isRunning } from "../support/processes.ts";
import { REPOSITORY, TempFolder } from "../support/temp-folder.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";

const FAULTS = `${import.meta.dirname}/apps/faults.ts`;
const PROGRAM = `${REPOSITORY}/test/support/node-program.ts`;

const losses = (node: TuttiProcess) => node.stderr.split("\n").filter((line) => line.includes("was lost"));

/** Nine tenths of the 256 calls that a replica may work on at a time go to the first one before the other has any. */
const MORE_THAN_ONE_TAKES = 250;

/** Both replicas are ready, and answer. */
async function expectFullStrength(node: TuttiProcess, client: HttpClient): Promise<void> {
  await waitFor(async () => (await client.get("/readyz")).status === 200 && node.executors.length === 3, {
    what: "two replicas and a spare",
  });
  // Calls that only wait are packed on one executor as long as it has room: as many as it may not take alone, and each
  // long enough that all are under way together, however slowly they come.
  await waitFor(
    async () => {
      const many = Array.from({ length: MORE_THAN_ONE_TAKES }, () => client.get("/sleep?ms=500"));
      return new Set((await Promise.all(many)).map(({ json }) => json)).size === 2;
    },
    { what: "both executors to answer" },
  );
}

describe("user code that harms its process", () => {
  let node: TuttiProcess;
  let client: HttpClient;

  beforeAll(async () => {
    node = await TuttiProcess.ready(FAULTS);
    client = new HttpClient(node.port);
  });

  afterAll(async () => {
    client[Symbol.dispose]();
    await node.stopped();
    await node[Symbol.asyncDispose]();
  });

  test("a rejection that nobody catches is said aloud and ends nothing", async () => {
    const pid = (await client.get("/forget")).json;
    await waitFor(() => (node.stderr + node.stdout).includes("nobody caught me"), {
      what: "the rejection to be told",
    });
    expect(isRunning(pid)).toBe(true);
    expect(losses(node)).toEqual([]);
  });

  test("an endless loop is ended by the heartbeat, while the other replica answers every other request", async () => {
    await expectFullStrength(node, client);
    const blocked = client.get("/block");
    const line = await waitFor(() => /blocking (\d+)/.exec(node.stdout), { what: "the loop to begin" });
    const victim = Number(line[1]);
    const asked: Promise<HttpAnswer>[] = [];
    let answeredMeanwhile = 0;
    while (losses(node).length === 0) {
      const answer = client.get("/who");
      asked.push(answer);
      void answer.then(() => {
        if (losses(node).length === 0) answeredMeanwhile += 1;
      });
      await delay(5);
    }
    for (const { status, json } of await Promise.all(asked)) {
      expect(status).toBe(200);
      expect(json).not.toBe(victim);
    }
    expect(answeredMeanwhile).toBeGreaterThan(20);
    expect(losses(node)[0]).toMatch(
      /code\d: executor x\d+ was lost: it did not answer for \d+ ms: its event loop is blocked/,
    );
    // It had begun and may not be repeated: only this one request fails.
    const { status, json } = await blocked;
    expect(status).toBe(503);
    expect(json.error.code).toBe("PeerClosed");
    await waitFor(() => !isRunning(victim), { what: "it to be gone" });
    await expectFullStrength(node, client);
  });

  test("a replica whose health checks fail is replaced in its executor, and no request fails", async () => {
    await expectFullStrength(node, client);
    const before = losses(node).length;
    const told = /code\d: executor x\d+ has replicas replaced: the disk is full/;
    const { json: pid } = await client.get("/sicken");
    while (!told.test(node.stderr)) expect((await client.get("/who")).status).toBe(200);
    await expectFullStrength(node, client);
    expect(isRunning(pid)).toBe(true);
    expect(losses(node)).toHaveLength(before);
  });

  test("an input that ends two executors is given up by name, and both are replaced (D10)", async () => {
    const before = losses(node).length;
    const { status, json } = await client.get("/poison");
    expect(status).toBe(500);
    expect(json.error.code).toBe("PoisonInput");
    // What an executor prints comes by way of its node, later than the answer may.
    const poisoned = () => node.stdout.match(/poisoned \d+/g) ?? [];
    await waitFor(() => poisoned().length >= 2, { what: "both executors to have said it" });
    expect(poisoned()).toHaveLength(2);
    await expectFullStrength(node, client);
    const told = losses(node).slice(before);
    expect(told).toHaveLength(2);
    for (const line of told) expect(line).toContain("it exited with code 9");
  });
});

describe("limits of a node", () => {
  test("an executor that grows beyond the memory limit is replaced, and it is said how large it was", async () => {
    await using node = await TuttiProcess.ready(FAULTS, {
      program: PROGRAM,
      args: [JSON.stringify({ executorMemoryLimitMb: 300, lanes: 1 })],
    });
    using client = new HttpClient(node.port);
    await expectFullStrength(node, client);
    const { json: pid } = await client.get("/swell?mb=320");
    // It goes on to answer until another has taken over, and finishes what it has.
    const open = client.get("/sleep?ms=1500");
    const told = await waitFor(() => /is being replaced: .*/.exec(node.stderr)?.[0], {
      what: "the executor to be replaced",
    });
    expect(told).toMatch(/it uses [34]\d\d MB, more than its limit of 300 MB/);
    while (isRunning(pid)) expect((await client.get("/who")).status).toBe(200);
    expect((await open).status).toBe(200);
    expect((await client.get("/who")).status).toBe(200);
    expect(losses(node)).toEqual([]);
    await expectFullStrength(node, client);
    await node.stopped();
  });

  test.each([
    ["waits for ever", "await new Promise(() => {});"],
    ["blocks its thread", "for (;;);"],
  ])("a constructor that %s fails the start by the loading time-out, naming the class", async (_, body) => {
    using folder = TempFolder.withTutti();
    const module = folder.write(
      "hanging.ts",
      `import { application, deployment } from "tutti";
       class Hanging {
         static async create() { setInterval(() => {}, 1000); ${body} return new Hanging(); }
         get() { return 1; }
       }
       export default application({ name: "h", ingress: deployment(Hanging).bind(), http: { "GET /": "get" } });`,
    );
    await using node = new TuttiProcess(module, {
      program: PROGRAM,
      args: [JSON.stringify({ loadingTimeoutMs: 1000 })],
    });
    expect(await node.endedByItself()).toBe(1);
    expect(node.stderr).toContain("Hanging");
    expect(node.stderr).toMatch(/\b\d{4,} ms/);
  });
});
