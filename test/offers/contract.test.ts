import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { TempFolder } from "../support/temp-folder.ts";
import type { TuttiProcess } from "../support/tutti-process.ts";
import {
  bestOffer,
  catalogueFile,
  directOutputs,
  launchOffers,
  meanOf,
  modelNames,
  players,
  reference,
  startOffers,
  type Vectors,
  writePlayers,
} from "./offers-fixture.ts";

const TOLERANCE = 1e-5;
const population = players(200);
const referenceRows: Vectors[] = reference.cases.map(({ features }, index) => ({
  key: `reference-${index}`,
  vector: Float32Array.from(features),
}));

const folder = new TempFolder();
let offers: TuttiProcess;
let client: HttpClient;

beforeAll(async () => {
  const file = await writePlayers(folder.at("players.db"), [
    ...population,
    ...referenceRows,
    { key: "short", vector: Float32Array.of(1, 2, 3) },
  ]);
  damageRow(file, "damaged");
  offers = await startOffers(file);
  client = new HttpClient(offers.port);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await offers.stopped();
  await offers[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** A row whose vector is not a whole number of floats. */
function damageRow(file: string, key: string): void {
  const database = new DatabaseSync(file);
  database.prepare("INSERT INTO features(key, vector) VALUES (?, ?)").run(key, new Uint8Array(7));
  database.close();
}

const offerFor = (playerId: string, query = "", headers: Record<string, string> = {}) =>
  client.post(`/offers/tower${query}`, { playerId }, { headers });

const { sku, price, discountPercent, expiresInSeconds } = catalogueFile.games["tower"]!.defaultOffer;
const defaultOffer = { sku, price, discountPercent, expiresInSeconds };
const nobody = { ok: 0, late: 0, failed: 0, shed: 0, cancelled: 0 };

describe("a personal offer", () => {
  test("has every field of the contract and no other", async () => {
    const { status, json, headers } = await offerFor("player-00042");
    expect(status).toBe(200);
    expect(json).toEqual({
      requestId: headers["x-request-id"],
      game: "tower",
      version: "v1",
      playerId: "player-00042",
      offer: {
        sku: expect.any(String),
        price: expect.any(Number),
        discountPercent: expect.any(Number),
        expiresInSeconds: expect.any(Number),
      },
      propensity: expect.any(Number),
      personalised: true,
      degraded: false,
      members: { ...nobody, ok: 15 },
      reason: null,
      latencyMs: expect.any(Number),
    });
    expect(json.latencyMs).toBeGreaterThan(0);
  });

  test("is the mean of what the 15 models say when they are run directly, by their weights, and the best offer for it", async () => {
    const expected = (await directOutputs(population)).map(meanOf);
    const answers = await Promise.all(population.map(({ key }) => offerFor(key)));
    answers.forEach(({ json }, index) => {
      expect(json.playerId).toBe(population[index]!.key);
      expect(json.personalised, json.playerId).toBe(true);
      expect(Math.abs(json.propensity - expected[index]!), json.playerId).toBeLessThan(TOLERANCE);
      expect(json.offer).toEqual(bestOffer(json.propensity).offer);
    });
    expect(new Set(expected).size).toBeGreaterThan(150);
  });

  test("equals what the training library said of its 40 reference vectors, model by model", async () => {
    const answers = await Promise.all(referenceRows.map(({ key }) => offerFor(key, "?explain=1")));
    expect(answers.length).toBe(40);
    answers.forEach(({ json }, index) => {
      const { propensity, offer, margin, outputs } = reference.cases[index]!;
      expect(Math.abs(json.propensity - propensity)).toBeLessThan(TOLERANCE);
      if (margin > TOLERANCE) expect(json.offer).toEqual(offer);
      json.explain.members.forEach(({ output }: { output: number }, member: number) => {
        expect(Math.abs(output - outputs[member]!), modelNames[member]).toBeLessThan(TOLERANCE);
      });
    });
  });

  test("with explain=1 says which vector the models got and what each of them made of it", async () => {
    const { json } = await offerFor("player-00007", "?explain=1");
    const { vector } = population[6]!;
    expect(json.explain.features).toEqual([...vector]);
    expect(json.explain.members.map(({ name }: { name: string }) => name)).toEqual(modelNames);
    for (const member of json.explain.members) {
      expect(member).toEqual({
        name: expect.any(String),
        status: "ok",
        output: expect.any(Number),
        latencyMs: expect.any(Number),
      });
    }
    expect(meanOf(json.explain.members.map(({ output }: { output: number }) => output))).toBeCloseTo(
      json.propensity,
      12,
    );
  });

  test("is explained only when explain is exactly 1", async () => {
    for (const query of ["", "?explain=0", "?explain=true", "?explain"]) {
      expect((await offerFor("player-00001", query)).json, query).not.toHaveProperty("explain");
    }
  });
});

describe("the default offer is given, and why", () => {
  const expectFallback = (json: unknown, game: string, playerId: string, reason: string, members: object) =>
    expect(json).toMatchObject({
      game,
      version: "v1",
      playerId,
      propensity: null,
      personalised: false,
      degraded: true,
      members,
      reason,
    });

  test("to a player whom nobody knows", async () => {
    const { status, json, headers } = await offerFor("player-99999");
    expect(status).toBe(200);
    expectFallback(json, "tower", "player-99999", "unknown-player", nobody);
    expect(json.offer).toEqual(defaultOffer);
    expect(headers["x-tutti-degraded"]).toBe("1");
  });

  test("in a game whose models are not loaded", async () => {
    for (const game of ["racer", "puzzle", "tennis"]) {
      const { status, json } = await client.post(`/offers/${game}`, { playerId: "player-00001" });
      expect(status).toBe(200);
      expectFallback(json, game, "player-00001", "model-unavailable", nobody);
      expect(json.offer.sku).toBe(catalogueFile.games[game]!.defaultOffer.sku);
    }
  });

  test("to a player whose stored vector is damaged, while the next one is served", async () => {
    expectFallback((await offerFor("damaged")).json, "tower", "damaged", "features-unavailable", nobody);
    expect((await offerFor("player-00001")).json.personalised).toBe(true);
  });

  test("to a player whose vector does not fit the models, while the next one is served", async () => {
    const { status, json } = await offerFor("short", "?explain=1");
    expect(status).toBe(200);
    expect(json).toMatchObject({ playerId: "short", propensity: null, personalised: false, degraded: true });
    expect(["features-unavailable", "below-quorum", "model-unavailable"]).toContain(json.reason);
    expect(json.offer).toEqual(defaultOffer);
    expect(json.members.ok).toBe(0);
    expect(json.explain.features).toEqual([1, 2, 3]);
    expect((await offerFor("player-00001")).json.personalised).toBe(true);
  });

  test("by its deadline, when the look-up takes longer", async () => {
    const { status, json, headers } = await offerFor("player-00001", "", { "x-request-timeout-ms": "0.01" });
    expect(status).toBe(200);
    expectFallback(json, "tower", "player-00001", "deadline", {});
    expect(json.offer).toEqual(defaultOffer);
    expect(json.requestId).toBe(headers["x-request-id"]);
  });
});

describe("what cannot be answered is refused by name", () => {
  const refusal = (code: string, path?: string) => ({
    error: {
      code,
      message: expect.stringMatching(/.{8}/),
      requestId: expect.any(String),
      ...(path === undefined ? {} : { path }),
    },
  });

  test("an unknown game with 404", async () => {
    const { status, json } = await client.post("/offers/chess", { playerId: "player-00001" });
    expect(status).toBe(404);
    expect(json).toEqual(refusal("unknown-game", "game"));
    expect(json.error.message).toContain("chess");
  });

  test.each([
    ["no playerId", {}, "body.playerId"],
    ["a playerId that is a number", { playerId: 42 }, "body.playerId"],
    ["an empty playerId", { playerId: "" }, "body.playerId"],
    ["an endless playerId", { playerId: "x".repeat(65) }, "body.playerId"],
    ["a list", ["player-00001"], "body.playerId"],
  ])("a body with %s with 400 and its path", async (_, body, path) => {
    const { status, json } = await client.post("/offers/tower", body);
    expect(status).toBe(400);
    expect(json).toEqual(refusal("InvalidArgument", path));
  });

  test("a request without a body with 400", async () => {
    const { status, json } = await client.send("/offers/tower", { method: "POST" });
    expect(status).toBe(400);
    expect(json).toEqual(refusal("InvalidArgument", "body"));
  });

  test("a body that is not JSON with 400", async () => {
    const headers = { "content-type": "application/json" };
    const { status, json } = await client.post("/offers/tower", '{"playerId": player}', { headers });
    expect(status).toBe(400);
    expect(json).toEqual(refusal("MalformedJson", "body"));
  });

  test("another method with 405 and what is allowed", async () => {
    const { status, headers } = await client.get("/offers/tower");
    expect(status).toBe(405);
    expect(headers["allow"]).toContain("POST");
  });

  test("another path with 404", async () => {
    expect((await client.post("/offers", {})).status).toBe(404);
    expect((await client.post("/offers/tower/more", {})).status).toBe(404);
  });
});

describe("the headers of an answer", () => {
  test("echo the client's request id, in the body too", async () => {
    const { headers, json } = await offerFor("player-00002", "", { "x-request-id": "my-own-id.1" });
    expect(headers["x-request-id"]).toBe("my-own-id.1");
    expect(json.requestId).toBe("my-own-id.1");
  });

  test("name a request that came without an id, each differently", async () => {
    const ids = await Promise.all(
      [1, 2, 3].map(async () => (await offerFor("player-00002")).headers["x-request-id"]),
    );
    expect(new Set(ids).size).toBe(3);
  });

  test("say with server-timing how long the stages took", async () => {
    const { headers } = await offerFor("player-00003");
    expect(headers["server-timing"]).toMatch(/^app;dur=[\d.]+,features;dur=[\d.]+,total;dur=[\d.]+$/);
    expect(headers["x-tutti-degraded"]).toBe("0");
  });
});

describe("the example does not start, and says what is missing,", () => {
  test("without the models of a game that was asked for", async () => {
    const env = { OFFERS_GAMES: "towre" };
    await using launched = launchOffers(folder.at("players.db"), { env });
    expect(await launched.endedByItself()).toBe(4);
    expect(launched.stderr).toMatch(/models\/towre\/v1: there is no such folder/);
  });

  test("without its feature file", async () => {
    const missing = folder.at("nowhere", "players.db");
    await using launched = launchOffers(missing);
    expect(await launched.endedByItself()).toBe(1);
    expect(launched.stderr).toContain("Features could not be built");
    expect(launched.stderr).toContain(missing);
    expect(launched.stderr).not.toContain("    at ");
  });
});
