import { describe, expect, test } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { OpenLoopLoad } from "../support/open-loop-load.ts";
import { commandOf } from "../support/processes.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";

const FAULTS = `${import.meta.dirname}/apps/faults.ts`;
const RATE = 200;

describe("SIGTERM", () => {
  test("under load lets every request that was accepted be answered, then exits with 0", async () => {
    await using node = await TuttiProcess.ready(FAULTS);
    using client = new HttpClient(node.port);
    const load = new OpenLoopLoad({ ratePerSecond: RATE, send: () => client.get("/sleep?ms=300") });
    await waitFor(() => load.answered >= RATE, { what: "the load to run" });
    const sentBefore = load.sent;
    node.signal("SIGTERM");
    const { code } = await node.ended;
    const results = await load.stop();
    expect(code, node.stderr).toBe(0);
    node.expectNothingLeft();
    // A port that nobody listens on any more has accepted nothing.
    const accepted = results.filter(
      (one) => !("error" in one && "code" in one.error && one.error.code === "ECONNREFUSED"),
    );
    const notAnswered = accepted.filter((one) => !("answer" in one) || one.answer.status !== 200);
    expect(notAnswered).toEqual([]);
    expect(accepted.length).toBeGreaterThanOrEqual(sentBefore);
    expect(sentBefore).toBeGreaterThan(RATE);
  });

  test("is answered on stderr, and twice does not wait: exit code 1, at once, and nothing is left", async () => {
    await using node = await TuttiProcess.ready(FAULTS);
    using client = new HttpClient(node.port);
    const waiting = client.get("/sleep?ms=14000").catch((error: Error) => error);
    await client.get("/who");
    node.signal("SIGTERM");
    await waitFor(() => node.stderr.includes("SIGTERM: finishing what was accepted"), {
      what: "the drain to begin",
    });
    const secondAtMs = performance.now();
    node.signal("SIGTERM");
    expect(await node.endedByItself()).toBe(1);
    // Long before the request that it does not wait for would have ended.
    expect(performance.now() - secondAtMs).toBeLessThan(10_000);
    expect(await waiting).toBeInstanceOf(Error);
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "or SIGINT during the start leaves nothing behind: %s",
    async (signal) => {
      await using node = new TuttiProcess(FAULTS);
      await waitFor(() => node.executorPids.length >= 2, { what: "the first executors", everyMs: 1 });
      node.signal(signal);
      await node.endedByItself();
      expect(node.stderr).not.toContain("is ready");
    },
  );
});

describe("SIGKILL of the node", () => {
  test("ends its executors within two seconds, also those that work on a request", async () => {
    await using node = await TuttiProcess.ready(FAULTS);
    using client = new HttpClient(node.port);
    const waiting = client.get("/sleep?ms=14000").catch((error: Error) => error);
    await waitFor(() => node.executors.length === 3, { what: "two replicas and a spare" });
    const killedAtMs = performance.now();
    node.signal("SIGKILL");
    await waitFor(() => node.executorPids.length === 0, { what: "the executors to end", timeoutMs: 2000 });
    console.log(
      `executors ended ${Math.round(performance.now() - killedAtMs)} ms after their node was killed`,
    );
    expect(await waiting).toBeInstanceOf(Error);
  });

  test("ends those too that could not notice: one whose thread is blocked, and one that is stopped", async () => {
    await using node = await TuttiProcess.ready(FAULTS, {
      args: ["--port", "0", "--heartbeat-timeout-ms", "60000"],
    });
    using client = new HttpClient(node.port);
    const waiting = client.get("/block").catch((error: Error) => error);
    const line = await waitFor(() => /blocking (\d+)/.exec(node.stdout), { what: "the loop to begin" });
    const blocked = Number(line[1]);
    const stopped = node.executors.find(({ pid }) => pid !== blocked)!.pid;
    process.kill(stopped, "SIGSTOP");
    node.signal("SIGKILL");
    await waitFor(() => node.executorPids.length === 0, { what: "the executors to end", timeoutMs: 2000 });
    expect(await waiting).toBeInstanceOf(Error);
  });

  test("leaves it to another reaper when the first one was killed", async () => {
    await using node = await TuttiProcess.ready(FAULTS);
    const reaper = () => node.executorPids.find((pid) => commandOf(pid).includes("tutti-reaper"));
    const first = reaper()!;
    process.kill(first, "SIGKILL");
    await waitFor(() => reaper() !== undefined && reaper() !== first, { what: "another reaper" });
    for (const { pid } of node.executors) process.kill(pid, "SIGSTOP");
    node.signal("SIGKILL");
    await waitFor(() => node.executorPids.length === 0, { what: "the executors to end", timeoutMs: 2000 });
  });
});
