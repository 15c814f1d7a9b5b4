import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { treeCpuSeconds } from "../../bench/measure/process-tree.ts";
import { ForeignCpu } from "../../chaos/foreign-cpu.ts";
import { HttpClient } from "../support/http-client.ts";
import { type ExecutorKind, kindOf, type SeenExecutor } from "../support/processes.ts";
import { TempFolder } from "../support/temp-folder.ts";
import type { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";
import { directOutputs, meanOf, players, startOffers, writePlayers } from "./offers-fixture.ts";
import { allRight, OffersLoad, type Tally } from "./offers-load.ts";

const RATE = 200;
/**
 * From every kill: that it comes back by itself and not by a time-out. How fast it is, is measured by the fault campaign:
 * about 350 ms on an idle machine.
 */
const FULL_STRENGTH_WITHIN_MS = 5000;
/** A process that is ready to run waits this long only where others take all of the processor. */
const STARVED_LAG_MS = 75;
/** Of all cores, what others than Tutti and this process use. */
const STARVED_CPU_FRACTION = 0.2;
const MAX_RUNS = 3;
const KILLS_OF_EACH_KIND = Number(process.env["TUTTI_TEST_KILLS"] ?? 2);
/** Two lanes, two code executors and one spare. */
const ALL_EXECUTORS = { lane: 2, code: 2, spare: 1 };

const population = players(100);
const folder = new TempFolder();
let expected: number[];
let playersFile: string;
let offers: TuttiProcess;
let client: HttpClient;
let probe: HttpClient;

beforeAll(async () => {
  playersFile = await writePlayers(folder.at("players.db"), population);
  expected = (await directOutputs(population)).map(meanOf);
  offers = await startOffers(playersFile, { args: ["--port", "0", "--lanes", "2"] });
  client = new HttpClient(offers.port);
  probe = new HttpClient(offers.port, 1);
  await waitFor(allConnected, { what: "all executors to be there" });
});

afterAll(async () => {
  client[Symbol.dispose]();
  probe[Symbol.dispose]();
  await offers.stopped();
  await offers[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const kinds: readonly ExecutorKind[] = ["lane", "code", "spare"];
const kind = (executor: SeenExecutor) => kindOf(executor, offers.socketFolder, playersFile);

function allConnected(): boolean {
  const seen = offers.executors.map(kind);
  return kinds.every((one) => seen.filter((other) => other === one).length === ALL_EXECUTORS[one]);
}

interface Recovery {
  /** From the kill until every replica is ready again. */
  readonly replicasMs: number;
  /** From the kill until a new spare waits, too. */
  readonly fullMs: number;
}

/** Kills one executor of the kind, and waits until all is as before. */
async function killAndRecover(victimKind: ExecutorKind): Promise<Recovery> {
  const before = offers.executors;
  const victim = before.find((executor) => kind(executor) === victimKind)!;
  const lossesBefore = losses().length;
  process.kill(victim.pid, "SIGKILL");
  const killedAtMs = performance.now();
  const rest = before.filter(({ pid }) => pid !== victim.pid);
  let replicasMs = 0;
  await waitFor(
    async () => {
      // The node must have noticed, or it is still ready with the one that is dead.
      if (victimKind !== "spare" && losses().length === lossesBefore) return false;
      const { status } = await probe.get("/readyz");
      if (status === 200 && replicasMs === 0) replicasMs = performance.now() - killedAtMs;
      const now = offers.executors.filter(({ pid }) => pid !== victim.pid);
      return (
        status === 200 &&
        now.length === before.length &&
        rest.every(({ pid }) => now.some((one) => one.pid === pid))
      );
    },
    { what: `full strength after the death of a ${victimKind}`, timeoutMs: 20_000, everyMs: 5 },
  );
  return { replicasMs, fullMs: performance.now() - killedAtMs };
}

const losses = (): string[] => offers.stderr.split("\n").filter((line) => line.includes("was lost"));

interface Run {
  readonly tally: Tally;
  readonly recoveries: readonly Recovery[];
  readonly worstLagMs: number;
  readonly foreignCpuFraction: number;
}

/** A load, and one kill after the other in the middle of it. */
async function runWithKills(which: ExecutorKind): Promise<Run> {
  const cpu = new ForeignCpu(() => treeCpuSeconds(offers.pid));
  const load = new OffersLoad(client, population, expected, RATE);
  await waitFor(() => load.answered >= RATE / 2, { what: "the load to run" });
  const recoveries: Recovery[] = [];
  for (let i = 0; i < KILLS_OF_EACH_KIND; i++) {
    recoveries.push(await killAndRecover(which));
    const answered = load.answered;
    await waitFor(() => load.answered >= answered + RATE / 2, { what: "the load to go on" });
    await waitFor(allConnected, { what: "everybody to be connected again" });
  }
  const tally = await load.stop();
  return { tally, recoveries, worstLagMs: load.worstLagMs, foreignCpuFraction: cpu.fraction() };
}

const isStarved = ({ worstLagMs, foreignCpuFraction }: Run): boolean =>
  worstLagMs > STARVED_LAG_MS || foreignCpuFraction > STARVED_CPU_FRACTION;

const slowestMs = ({ recoveries }: Run): number => Math.max(...recoveries.map(({ fullMs }) => fullMs));

/**
 * What is degraded or refused because other programs had the processor says nothing of Tutti: a run that was starved, and
 * did not pass, is made anew, and if none was better, this is not judged. Wrong and failed answers have no such excuse.
 */
async function fairRun(which: ExecutorKind): Promise<Run> {
  for (let attempt = 1; ; attempt++) {
    const run = await runWithKills(which);
    report(which, run);
    const { sent, right, wrong, failed } = run.tally;
    const isExcused = isStarved(run) && wrong === 0 && failed === 0;
    if (right === sent || !isExcused || attempt === MAX_RUNS) return run;
  }
}

function report(which: ExecutorKind, { tally, recoveries, worstLagMs, foreignCpuFraction }: Run): void {
  const { sent, right, wrong, degraded, refused, failed } = tally;
  const list = (times: number[]) => times.map(Math.round).join(", ");
  console.log(
    `${which} killed ${recoveries.length} times under ${RATE} requests/s: sent ${sent}, right ${right}, wrong ${wrong}, ` +
      `degraded ${degraded}, refused ${refused}, failed ${failed}, slowest ${tally.slowestMs} ms, own lag ${Math.round(worstLagMs)} ms, others had ${Math.round(100 * foreignCpuFraction)} % of the processor; ` +
      `replicas ready after ${list(recoveries.map(({ replicasMs }) => replicasMs))} ms, ` +
      `full strength after ${list(recoveries.map(({ fullMs }) => fullMs))} ms`,
  );
}

describe("kill -9 of an executor under load", () => {
  test.each(kinds)(
    "costs no offer and gives no wrong answer when it is a %s, and full strength is soon back",
    async (which) => {
      const run = await fairRun(which);
      const { tally } = run;
      expect([tally.wrong, tally.failed], tally.examples.join("\n")).toEqual([0, 0]);
      if (!isStarved(run)) expect(tally).toEqual(allRight(tally));
      else if (tally.right < tally.sent) console.log(`NOT JUDGED: ${which}: the machine had no time for it`);
      expect(tally.sent).toBeGreaterThan(RATE);
      expect(slowestMs(run)).toBeLessThan(FULL_STRENGTH_WITHIN_MS);
    },
  );

  test("is told on stderr by the name of what was lost and how, and of a spare nothing is told", () => {
    const slots = losses().map(
      (line) => /tutti: (\w+?)\d+: executor x\d+ was lost: it was ended by SIGKILL/.exec(line)?.[1],
    );
    const of = (slot: string) => slots.filter((one) => one === slot).length;
    expect(of("lane")).toBeGreaterThanOrEqual(KILLS_OF_EACH_KIND);
    expect(of("code")).toBeGreaterThanOrEqual(KILLS_OF_EACH_KIND);
    expect(of("lane") + of("code")).toBe(slots.length);
  });
});
