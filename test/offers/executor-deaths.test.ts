import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { type ExecutorKind, kindOf, type SeenExecutor } from "../support/processes.ts";
import { TempFolder } from "../support/temp-folder.ts";
import type { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";
import { directOutputs, meanOf, players, startOffers, writePlayers } from "./offers-fixture.ts";
import { allRight, OffersLoad } from "./offers-load.ts";

const RATE = 200;
/** The aim is 1,000 ms on an idle machine with two cores; this leaves room for a busy one. */
const FULL_STRENGTH_WITHIN_MS = 5000;
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
  await waitFor(async () => (await counted()).every(([kind, count]) => count === ALL_EXECUTORS[kind]), {
    what: "all executors to be there",
  });
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

async function counted(): Promise<[ExecutorKind, number][]> {
  const seen = offers.executors.map(kind);
  return kinds.map((one) => [one, seen.filter((other) => other === one).length]);
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
      return status === 200 && now.length === before.length && rest.every(({ pid }) => now.some((one) => one.pid === pid));
    },
    { what: `full strength after the death of a ${victimKind}`, timeoutMs: 20_000, everyMs: 5 },
  );
  return { replicasMs, fullMs: performance.now() - killedAtMs };
}

const losses = (): string[] => offers.stderr.split("\n").filter((line) => line.includes("was lost"));

describe("kill -9 of an executor under load", () => {
  test.each(kinds)("costs no offer and gives no wrong answer when it is a %s, and full strength is soon back", async (which) => {
    const load = new OffersLoad(client, population, expected, RATE);
    await waitFor(() => load.answered >= RATE / 2, { what: "the load to run" });
    const recoveries: Recovery[] = [];
    for (let i = 0; i < KILLS_OF_EACH_KIND; i++) {
      recoveries.push(await killAndRecover(which));
      const answered = load.answered;
      await waitFor(() => load.answered >= answered + RATE / 2, { what: "the load to go on" });
      await waitFor(async () => (await counted()).every(([one, count]) => count === ALL_EXECUTORS[one]), {
        what: "everybody to be connected again",
      });
    }
    const tally = await load.stop();
    console.log(
      `${which} killed ${recoveries.length} times: ${JSON.stringify({ ...tally, examples: undefined })}; replicas ready after ` +
        `${recoveries.map(({ replicasMs }) => Math.round(replicasMs)).join(", ")} ms, full strength after ` +
        `${recoveries.map(({ fullMs }) => Math.round(fullMs)).join(", ")} ms`,
    );
    expect(tally).toEqual(allRight(tally));
    expect(tally.sent).toBeGreaterThan(RATE);
    for (const { fullMs } of recoveries) expect(fullMs).toBeLessThan(FULL_STRENGTH_WITHIN_MS);
  });

  test("is told on stderr by the name of what was lost and how, and the spare's death disturbs nobody", () => {
    const slots = losses().map((line) => /tutti: (\w+?)\d+: executor x\d+ was lost: it was ended by SIGKILL/.exec(line)?.[1]);
    expect(slots).toEqual([...Array(KILLS_OF_EACH_KIND).fill("lane"), ...Array(KILLS_OF_EACH_KIND).fill("code")]);
  });
});
