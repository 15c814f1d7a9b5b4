import { describe, expect, it } from "vitest";
import type { Decision } from "./decision.ts";
import {
  QUICK,
  QUICK_MODEL,
  SCORE_OF,
  type ScoresKnobs,
  score,
  scoresApplication,
} from "./scores-application.fake.ts";
import { simulate } from "./simulate.ts";
import type { SimulationOptions } from "./simulation-options.ts";
import type { World } from "./world.ts";

async function open(knobs: ScoresKnobs = {}, options: SimulationOptions = QUICK) {
  const scores = scoresApplication(knobs);
  return { ...scores, world: await simulate(scores.app, options) };
}

const runsOf = (world: World, deployment: string) =>
  world.decisions.filter(
    (one): one is Decision & { kind: "run" } => one.kind === "run" && one.deployment === deployment,
  );

const executorOf = (world: World, slot: string) =>
  world.placements().find((one) => one.slot === slot)?.executor;

describe("requests of a world", () => {
  it("begin when they are made, and time passes when one is awaited", async () => {
    const { world, lookedUp } = await open();
    const answers = [1, 2, 3].map((x) => world.request(score(x)));
    const beganAtMs = world.nowMs;
    expect(lookedUp).toEqual([]);
    const all = await Promise.all(answers);
    expect(all.map(({ startedAtMs }) => startedAtMs)).toEqual([beganAtMs, beganAtMs, beganAtMs]);
    expect(all.map(({ body }) => (body as { value: number }).value)).toEqual([1, 2, 3].map(SCORE_OF));
    await world.close();
  });

  it("have their deadline, and the edge's answers to what is wrong with them", async () => {
    const { world } = await open({ lookUpMs: 50 });
    expect(await world.request({ ...score(1), deadlineMs: 20 })).toMatchObject({
      status: 504,
      body: { error: { code: "DeadlineExceeded" } },
    });
    expect(await world.request({ path: "/nothing" })).toMatchObject({ status: 404 });
    expect(await world.request({ path: "/score", method: "DELETE" })).toMatchObject({ status: 405 });
    await world.close();
  });

  it("are given up when their client hangs up", async () => {
    const { world } = await open({ lookUpMs: 50 });
    const client = new AbortController();
    const beganAtMs = world.nowMs;
    const answer = world.request({ ...score(1), signal: client.signal });
    await world.advance(20);
    client.abort();
    expect(await answer).toMatchObject({ status: 0, latencyMs: 20 });
    await world.runUntilIdle();
    expect(runsOf(world, "m0").filter(({ atMs }) => atMs > beganAtMs)).toHaveLength(0);
    await world.close();
  });

  it("come at the rate of a load, from one seed at the same moments", async () => {
    const startsOf = async (seed: number) => {
      const { world } = await open();
      const { answers } = await world.load({ ratePerSecond: 100, durationMs: 1000, seed, make: score });
      await world.close();
      return answers.map(({ startedAtMs }) => startedAtMs);
    };
    const starts = await startsOf(3);
    expect(starts.length).toBeGreaterThan(70);
    expect(starts.length).toBeLessThan(130);
    expect(await startsOf(3)).toEqual(starts);
    expect(await startsOf(4)).not.toEqual(starts);
  });

  it("are counted in a load's result", async () => {
    const { world } = await open({ lookUpMs: 10 });
    world.plant({ deployment: "Features", every: 2, throws: "no such row" });
    const result = await world.load({ ratePerSecond: 50, durationMs: 1000, make: score });
    const failed = Math.floor(result.answers.length / 2);
    expect(result.statuses).toEqual({ 200: result.answers.length - failed, 500: failed });
    expect(result.degraded).toBe(0);
    expect(result.latencyMs(0)).toBeLessThan(result.latencyMs(1));
    expect(result.latencyMs(1)).toBe(Math.max(...result.answers.map(({ latencyMs }) => latencyMs)));
    await world.close();
  });

  it("may go past the edge, through a handle", async () => {
    const { world, features } = await open();
    const row = await world.until(world.handle(features).get(7));
    expect(row.data).toEqual(Float32Array.of(7));
    await world.close();
  });
});

describe("a planted fault", () => {
  it("holds calls in one replica's queue, and is told as time in the queue", async () => {
    const { world } = await open();
    const before = await world.request(score(1));
    const takeOut = world.plant({ deployment: "m3", queueMs: 30 });
    const during = await world.request(score(2));
    expect(during).toMatchObject({ status: 200, degraded: false, body: { value: SCORE_OF(2) } });
    expect(during.latencyMs).toBeGreaterThan(30);
    expect(during.latencyMs).toBeLessThan(before.latencyMs + 32);
    takeOut();
    expect((await world.request(score(3))).latencyMs).toBeLessThan(before.latencyMs + 2);
    await world.close();
  });

  it("holds answers back, while the lane is free for others", async () => {
    const { world } = await open();
    world.plant({ deployment: "m3", answerMs: 100, times: 1 });
    const late = world.request(score(1));
    await world.advance(20);
    expect((await world.request(score(2))).latencyMs).toBeLessThan(20);
    expect(await late).toMatchObject({ status: 200, degraded: false });
    expect((await late).latencyMs).toBeGreaterThan(100);
    await world.close();
  });

  it("makes the runs of one lane slower, and what waits for that lane with them", async () => {
    const { world } = await open({ replicas: 1 });
    const before = await world.request(score(1));
    world.plant({ executor: "lane0", slowerBy: 10 });
    const slow = await world.request(score(2));
    const runs = runsOf(world, "m0").length + runsOf(world, "m2").length + runsOf(world, "m4").length;
    expect(runs).toBe(2 * 3 + 3 * 6); // both requests, and three models' six runs of warm-up
    expect(slow.latencyMs).toBeGreaterThan(before.latencyMs + 3 * 9);
    await world.close();
  });

  it("throws in place of a method, each time or each nth time", async () => {
    const { world } = await open();
    world.plant({ deployment: "Features", method: "get", every: 2, throws: "no such row" });
    const statuses: number[] = [];
    for (let x = 0; x < 4; x++) statuses.push((await world.request(score(x))).status);
    expect(statuses).toEqual([200, 500, 200, 500]);
    await world.close();
  });

  it("keeps a member from ever answering, which costs the ensemble its deadline and no more", async () => {
    const { world } = await open();
    world.plant({ deployment: "m2", neverResolves: true });
    const answer = await world.request({ ...score(1), deadlineMs: 200 });
    expect(answer).toMatchObject({ status: 200, degraded: true, body: { value: SCORE_OF(1) } });
    expect(answer.body).toMatchObject({ statuses: ["ok", "ok", "late", "ok", "ok"] });
    expect(answer.latencyMs).toBeGreaterThan(170);
    expect(answer.latencyMs).toBeLessThan(200);
    await world.close();
  });

  it("holds an executor's thread, and with it all that is in the executor", async () => {
    const { world } = await open({ replicas: 1 });
    world.plant({ deployment: "m0", blockMs: 100, times: 1 });
    const answer = await world.request(score(1));
    expect(answer).toMatchObject({ status: 200, degraded: false });
    expect(answer.latencyMs).toBeGreaterThan(100);
    await world.close();
  });

  it("has its time", async () => {
    const { world } = await open();
    const fromMs = world.nowMs + 100;
    world.plant({ deployment: "Features", throws: "down", fromMs, untilMs: fromMs + 100 });
    const { answers } = await world.load({ ratePerSecond: 200, durationMs: 300, make: score });
    for (const { status, startedAtMs } of answers) {
      const isDown = startedAtMs > fromMs && startedAtMs < fromMs + 99;
      if (isDown) expect(status).toBe(500);
      else if (startedAtMs < fromMs - 1 || startedAtMs > fromMs + 100) expect(status).toBe(200);
    }
    await world.close();
  });

  it("must say what it is", async () => {
    const { world } = await open();
    expect(() => world.plant({ deployment: "m0" })).toThrow("expected one of queueMs");
    expect(() => world.plant({ delay: 3 } as object)).toThrow("unknown option delay");
    await world.close();
  });
});

describe("an executor of a world", () => {
  it("that is killed is replaced from the spare, within a load and not a start", async () => {
    const { world } = await open({}, { ...QUICK, startUpMs: 500 });
    await world.advance(600);
    const before = executorOf(world, "lane0");
    const killedAtMs = world.nowMs;
    world.kill("lane0");
    expect(await world.request(score(1))).toMatchObject({ status: 200, degraded: false });
    await world.runUntilIdle();
    const after = executorOf(world, "lane0");
    expect(after).toBeDefined();
    expect(after).not.toBe(before);
    // Five models to load and to warm up, no process to start.
    expect(world.nowMs - killedAtMs).toBeLessThan(500);
    await world.close();
  });

  it("that is killed without a spare costs the start of a process", async () => {
    const { world } = await open({}, { ...QUICK, startUpMs: 500, node: { spares: 0 } });
    await world.advance(600);
    const killedAtMs = world.nowMs;
    world.kill("lane0");
    await world.runUntilIdle();
    expect(world.nowMs - killedAtMs).toBeGreaterThan(500);
    await world.close();
  });

  it("that is stopped is found by its silence, and replaced within two seconds", async () => {
    const { world } = await open();
    const stoppedAtMs = world.nowMs;
    const before = executorOf(world, "lane1");
    world.pause("lane1");
    await world.advance(2000);
    expect(executorOf(world, "lane1")).not.toBe(before);
    const events = world.decisions.flatMap((one) =>
      one.kind === "executor" && one.atMs > stoppedAtMs ? [one] : [],
    );
    expect(events.map(({ event }) => event.type)).toEqual(["lost", "filled"]);
    await world.close();
  });

  it("that was stopped goes on where it was", async () => {
    const { world } = await open({ replicas: 1 });
    world.pause("lane0");
    const answer = world.request(score(1));
    world.after(50, () => world.resume("lane0"));
    expect(await answer).toMatchObject({ status: 200, degraded: false });
    expect((await answer).latencyMs).toBeGreaterThan(50);
    await world.close();
  });

  it("may be blocked from outside", async () => {
    const { world } = await open({ replicas: 1 });
    world.block("lane1", 80);
    expect((await world.request(score(1))).latencyMs).toBeGreaterThan(80);
    await world.close();
  });

  it("is named by its slot or its id", async () => {
    const { world } = await open();
    expect(() => world.kill("lane7")).toThrow("slots: lane0, lane1, code0, code1");
    world.kill(executorOf(world, "lane1")!);
    expect(() => world.kill("nobody")).toThrow("no executor nobody");
    await world.close();
  });
});

describe("the models of a world", () => {
  it("run together what waits together, and hold their lane as long as that costs", async () => {
    const model = { ...QUICK_MODEL, costMs: (rows: number) => 10 + rows };
    const { world } = await open({ members: 1, replicas: 1, lookUpMs: 1 }, { models: { "*": model } });
    const loadedAtMs = world.nowMs;
    const answers = await Promise.all([1, 2, 3, 4].map((x) => world.request(score(x))));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const runs = runsOf(world, "m0").filter(({ atMs }) => atMs > loadedAtMs);
    expect(runs.reduce((sum, { rows }) => sum + rows, 0)).toBe(4);
    expect(runs.length).toBeLessThan(4);
    await world.close();
  });

  it("may cost what chance says, the same for the same seed", async () => {
    const model = { ...QUICK_MODEL, costMs: (_: number, random: () => number) => 1 + 20 * random() };
    const latenciesOf = async (seed: number) => {
      const { world } = await open({}, { seed, models: { "*": model } });
      const { answers } = await world.load({ ratePerSecond: 20, durationMs: 500, seed: 1, make: score });
      await world.close();
      return answers.map(({ latencyMs }) => latencyMs);
    };
    expect(await latenciesOf(1)).toEqual(await latenciesOf(1));
    expect(await latenciesOf(1)).not.toEqual(await latenciesOf(2));
  });

  it("may fail", async () => {
    const model = {
      ...QUICK_MODEL,
      predict: ([x = 0]: readonly number[]) => {
        if (x === 3) throw new Error("not for three");
        return SCORE_OF(x);
      },
    };
    const { world } = await open({ members: 3 }, { models: { m0: model, "*": QUICK_MODEL } });
    const answers = await Promise.all([1, 2, 3, 4].map((x) => world.request(score(x))));
    expect(answers.map(({ degraded }) => degraded)).toEqual([false, false, true, false]);
    await world.close();
  });
});
