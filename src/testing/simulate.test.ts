import { describe, expect, it } from "vitest";
import { application } from "../api/application.ts";
import { deployment } from "../api/deployment.ts";
import { QUICK, QUICK_MODEL, SCORE_OF, score, scoresApplication } from "./scores-application.fake.ts";
import { simulate } from "./simulate.ts";

describe("simulate", () => {
  it("answers a request as production does, in virtual time", async () => {
    await using world = await simulate(scoresApplication().app, QUICK);
    const answer = await world.request(score(21));
    expect(answer).toMatchObject({ status: 200, degraded: false, body: { value: SCORE_OF(21) } });
    expect(answer.headers["x-request-id"]).toBe(answer.requestId);
    // Two milliseconds of look-up; five members on two lanes are at least three runs one after the other.
    expect(answer.latencyMs).toBeGreaterThan(2 + 3 * 1.1);
    expect(answer.latencyMs).toBeLessThan(10);
  });

  it("places what production places, each executor with connections to those it needs", async () => {
    await using world = await simulate(scoresApplication().app, QUICK);
    const placements = world.placements();
    expect(placements.map(({ slot }) => slot)).toEqual(["lane0", "lane1", "code0", "code1"]);
    expect(new Set(placements.map(({ executor }) => executor)).size).toBe(4);
    await world.load({ ratePerSecond: 500, durationMs: 200, make: score });
    const answering = new Set(world.decisions.flatMap((one) => (one.kind === "run" ? [one.executor] : [])));
    expect(answering.size).toBe(2);
  });

  const decisionsOf = async (seed: number) => {
    await using world = await simulate(scoresApplication({ idempotent: true }).app, { ...QUICK, seed });
    world.plant({ deployment: "m1", every: 3, queueMs: 7 });
    world.plant({ executor: "lane0", every: 5, slowerBy: 4 });
    world.after(100, () => world.kill("lane1"));
    world.after(200, () => world.kill("code0"));
    const { statuses } = await world.load({ ratePerSecond: 200, durationMs: 400, seed: 5, make: score });
    expect(Object.keys(statuses)).toEqual(["200"]);
    return world.decisions;
  };

  it("decides the same for the same seed, and otherwise for another", async () => {
    const first = await decisionsOf(1);
    expect(first.length).toBeGreaterThan(500);
    expect(await decisionsOf(1)).toEqual(first);
    expect(await decisionsOf(2)).not.toEqual(first);
  });

  const retryAfters = async (seed: number) => {
    const { app } = scoresApplication({ members: 1, lookUpMs: 40 });
    const http = { admission: { maxInFlight: 2, minInFlight: 2 } };
    await using world = await simulate(app, { ...QUICK, http, seed });
    const { answers } = await world.load({ ratePerSecond: 400, durationMs: 1000, seed: 5, make: score });
    return answers.flatMap(({ headers }) => headers["retry-after"] ?? []);
  };

  it("tells refused clients to come back at the same times for the same seed", async () => {
    const first = await retryAfters(1);
    expect(new Set(first).size).toBeGreaterThan(2);
    expect(await retryAfters(1)).toEqual(first);
    expect(await retryAfters(2)).not.toEqual(first);
  });

  it("counts what ends at the edge", async () => {
    const { app } = scoresApplication({ members: 1, lookUpMs: 40 });
    const http = { admission: { maxInFlight: 2, minInFlight: 2 } };
    await using world = await simulate(app, { ...QUICK, http });
    const { statuses } = await world.load({ ratePerSecond: 400, durationMs: 100, make: score });
    expect(statuses[503]).toBeGreaterThan(0);
    expect(world.counts()).toEqual({ edge: { refused: statuses[503] } });
  });

  it("refuses options that it does not know, and models without a cost", async () => {
    const { app } = scoresApplication();
    await expect(simulate(app, { ...QUICK, lanes: 2 } as object)).rejects.toThrow("unknown option lanes");
    await expect(simulate(app, { models: { "*": {} as never } })).rejects.toThrow("costMs");
    await expect(simulate(app, { models: { m0: QUICK_MODEL } })).rejects.toThrow('neither m1 nor "*"');
  });

  it("says what keeps an application from starting, as production does", async () => {
    class Broken {
      constructor() {
        throw new Error("no such table");
      }
      get(): number {
        return 1;
      }
    }
    const app = application({
      name: "broken",
      ingress: deployment(Broken).bind(),
      http: { "GET /": "get" },
    });
    await expect(simulate(app)).rejects.toMatchObject({
      code: "StartFailed",
      message: expect.stringContaining("no such table"),
    });
  });
});
