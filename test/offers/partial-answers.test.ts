/** What a player gets when models, features or the supervisor do not answer: on virtual time, with planted faults. */
import type { Application } from "tutti";
import { simulate, type World } from "tutti/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TempFolder } from "../support/temp-folder.ts";
import { bestOffer, catalogueFile, meanOf, modelNames, players, writePlayers } from "./offers-fixture.ts";

/** Of the route; the ensemble keeps 25 ms of it for what comes after. */
const DEADLINE_MS = 1500;
const RESERVE_MS = 25;

const folder = new TempFolder();
let app: Application;

beforeAll(async () => {
  process.env["TUTTI_PLAYERS_DB"] = await writePlayers(folder.at("players.db"), players(20));
  app = (await import("../../examples/dynamic-offers/app.ts")).default;
});
afterAll(() => folder[Symbol.dispose]());

/** The example with models that say, for any player, what this says of their place in the manifest. */
const outputOf = (model: number) => 0.01 + model / 50;

function world(): Promise<World> {
  const model = (index: number) => ({
    costMs: () => 1,
    inputs: [{ name: "features", type: "float32" as const, shape: [null, 19] }],
    outputs: [{ name: "probability", type: "float32" as const, shape: [null, 1] }],
    predict: () => outputOf(index),
  });
  const models = Object.fromEntries(modelNames.map((name, index) => [`tower.${name}`, model(index)]));
  return simulate(app, { models });
}

const request = { path: "/offers/tower?explain=1", body: { playerId: "player-00007" } };

interface Offered {
  readonly offer: unknown;
  readonly propensity: number | null;
  readonly personalised: boolean;
  readonly degraded: boolean;
  readonly members: Readonly<Record<string, number>>;
  readonly reason: string | null;
  readonly explain?: {
    readonly members: readonly { readonly name: string; readonly output: number | null }[];
  };
}

async function ask(to: World, fields: object = {}) {
  const { status, degraded, latencyMs, body } = await to.request({ ...request, ...fields });
  const answer = body as Offered;
  // Labelled is labelled everywhere.
  expect(degraded).toBe(answer.degraded);
  return { status, latencyMs, answer };
}

const { sku, price, discountPercent, expiresInSeconds } = catalogueFile.games["tower"]!.defaultOffer;
const fallback = (reason: string, members: object) => ({
  offer: { sku, price, discountPercent, expiresInSeconds },
  propensity: null,
  personalised: false,
  degraded: true,
  members: { ok: 0, late: 0, failed: 0, shed: 0, cancelled: 0, ...members },
  reason,
});

describe("an offer with models missing", () => {
  test("is none of that when all answer", async () => {
    await using here = await world();
    const { answer } = await ask(here);
    expect(answer).toMatchObject({ personalised: true, degraded: false, reason: null, members: { ok: 15 } });
    expect(answer.propensity).toBeCloseTo(
      meanOf(modelNames.map((_, index) => Math.fround(outputOf(index)))),
      6,
    );
  });

  test("is of the 12 that answered by the deadline, by their weights, and labelled", async () => {
    await using here = await world();
    const silent = [modelNames[0]!, modelNames[7]!, modelNames[14]!];
    for (const name of silent) here.plant({ deployment: `tower.${name}`, neverResolves: true });
    const { status, latencyMs, answer } = await ask(here);
    expect(status).toBe(200);
    expect(answer).toMatchObject({
      personalised: true,
      degraded: true,
      reason: null,
      members: { ok: 12, late: 3, failed: 0, shed: 0, cancelled: 0 },
    });
    const outputs = answer.explain!.members.map(({ output }) => output);
    expect(outputs.filter((output) => output === null)).toHaveLength(3);
    expect(answer.propensity).toBeCloseTo(meanOf(outputs), 12);
    expect(answer.offer).toEqual(bestOffer(answer.propensity!).offer);
    expect(latencyMs).toBeGreaterThan(DEADLINE_MS - RESERVE_MS - 1);
    expect(latencyMs).toBeLessThan(DEADLINE_MS - RESERVE_MS + 20);
  });

  test("is the default one below 12, with the reports of all", async () => {
    await using here = await world();
    for (const name of modelNames.slice(0, 4))
      here.plant({ deployment: `tower.${name}`, neverResolves: true });
    const { status, latencyMs, answer } = await ask(here);
    expect(status).toBe(200);
    expect(answer).toMatchObject(fallback("below-quorum", { ok: 11, late: 4 }));
    expect(latencyMs).toBeLessThan(DEADLINE_MS - RESERVE_MS + 20);
  });

  test("is the default one at once when too many have failed, and the others are given up", async () => {
    await using here = await world();
    for (const name of modelNames.slice(0, 4)) here.plant({ deployment: `tower.${name}`, throws: "planted" });
    here.plant({ deployment: `tower.${modelNames[9]!}`, neverResolves: true });
    const { status, latencyMs, answer } = await ask(here);
    expect(status).toBe(200);
    expect(answer).toMatchObject({ ...fallback("below-quorum", {}), members: expect.any(Object) });
    expect(answer.members["failed"]).toBe(4);
    expect(answer.members["late"]).toBe(0);
    expect(answer.members["cancelled"]).toBeGreaterThan(0);
    expect(latencyMs).toBeLessThan(100);
  });
});

describe("the default offer of the edge, as data", () => {
  test("is given by the deadline when the look-up hangs", async () => {
    await using here = await world();
    here.plant({ deployment: "Features", neverResolves: true });
    const { status, latencyMs, answer } = await ask(here);
    expect(status).toBe(200);
    expect(answer).toMatchObject(fallback("deadline", {}));
    expect(latencyMs).toBeLessThan(DEADLINE_MS + 20);
  });

  test("is given by the deadline when the supervisor hangs", async () => {
    await using here = await world();
    here.plant({ deployment: "Supervisor", neverResolves: true });
    const { status, latencyMs, answer } = await ask(here);
    expect(status).toBe(200);
    expect(answer).toMatchObject(fallback("deadline", {}));
    expect(latencyMs).toBeLessThan(DEADLINE_MS + 20);
  });

  test("comes sooner for a client that allows less", async () => {
    await using here = await world();
    here.plant({ deployment: "Supervisor", neverResolves: true });
    const { status, latencyMs, answer } = await ask(here, { deadlineMs: 80 });
    expect(status).toBe(200);
    expect(answer.reason).toBe("deadline");
    expect(latencyMs).toBeLessThan(100);
  });
});

describe("a client that hangs up", () => {
  test("has the models' work given up that has not begun, each call counted where it was", async () => {
    await using here = await world();
    // On two lanes the 15 models take about a quarter of a second.
    here.plant({ slowerBy: 30 });
    const leaving = new AbortController();
    here.after(100, () => leaving.abort());
    const warmedUp = here.decisions.length;
    const { status, latencyMs } = await here.request({ ...request, signal: leaving.signal });
    expect(status).toBe(0);
    expect(latencyMs).toBeLessThan(120);
    await here.advance(1000);
    const { queue, run, ...others } = here.counts();
    expect(others).toEqual({});
    const runs = here.decisions.slice(warmedUp).filter(({ kind }) => kind === "run").length;
    expect(runs).toBeGreaterThan(3);
    expect(runs).toBeLessThan(12);
    expect(queue).toEqual({ cancelled: 15 - runs });
    // What was running on each lane, or had run and waited for company on its way back; and the supervisor's own call,
    // which had nobody to answer any more.
    expect(Object.keys(run ?? {})).toEqual(["wasted"]);
    expect(run?.wasted).toBeGreaterThanOrEqual(3);
    expect(run?.wasted).toBeLessThanOrEqual(runs + 1);
  });
});
