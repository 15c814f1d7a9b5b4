/** The examples of docs/guides/ensembles.md, run as they are written there, with planted faults. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Application } from "tutti";
import { simulate, type World } from "tutti/testing";
import { afterAll, describe, expect, test } from "vitest";
import { REPOSITORY, TempFolder } from "../support/temp-folder.ts";

const guide = readFileSync(`${REPOSITORY}/docs/guides/ensembles.md`, "utf8");
const folder = TempFolder.withTutti();
afterAll(() => folder[Symbol.dispose]());

/** An example's application, in a world where each model says its number. */
async function worldOf(file: string, outputs: Readonly<Record<string, number>>): Promise<World> {
  const source = guide.split("```ts\n").find((block) => block.startsWith(`// ${file}\n`));
  if (source === undefined) throw new Error(`the guide has no example ${file}`);
  const path = folder.write(file, source.slice(0, source.indexOf("\n```")));
  const { default: application } = (await import(pathToFileURL(path).href)) as { default: Application };
  const models = Object.entries(outputs).map(([name, output]) => [
    name,
    { costMs: () => 1, predict: () => output },
  ]);
  return simulate(application, { models: Object.fromEntries(models) });
}

const request = { path: "/", body: { features: [1, 2] } };

describe("churn.ts", () => {
  const outputs = { year: 0.5, month: 0.25, week: 0.75, weather: 0 };
  const churn = (world: World) => world.request(request);

  test("weighs its members", async () => {
    await using world = await worldOf("churn.ts", outputs);
    expect((await churn(world)).body).toEqual({
      churn: (2 * 0.5 + 0.25 + 0.75 + 0) / 5,
      degraded: false,
      members: ["year ok", "month ok", "week ok", "weather ok"],
    });
  });

  test("answers by its deadline without those that are late, and says so", async () => {
    await using world = await worldOf("churn.ts", outputs);
    for (const deployment of ["week", "weather"]) world.plant({ deployment, neverResolves: true });
    const { body, degraded, latencyMs } = await churn(world);
    expect(body).toEqual({
      churn: (2 * 0.5 + 0.25) / 3,
      degraded: true,
      members: ["year ok", "month ok", "week late", "weather late"],
    });
    expect(degraded).toBe(true);
    expect(latencyMs).toBeGreaterThanOrEqual(100);
    expect(latencyMs).toBeLessThan(120);
  });

  test("has no answer without the member that it requires, and names it at once", async () => {
    await using world = await worldOf("churn.ts", outputs);
    world.plant({ deployment: "year", throws: "planted" });
    const { body, latencyMs } = await churn(world);
    expect(body).toMatchObject({
      churn: null,
      why: expect.stringContaining("year (required) failed: planted"),
    });
    expect(latencyMs).toBeLessThan(100);
  });
});

describe("fraud.ts", () => {
  test("decides when the models that are out can no longer change it, and is not degraded", async () => {
    await using world = await worldOf("fraud.ts", { a: 0.9, b: 0.95, c: 0.9, d: 0.1, e: 0.1 });
    world.plant({ deployment: "d", neverResolves: true });
    world.plant({ deployment: "e", neverResolves: true });
    const { body, latencyMs } = await world.request(request);
    // At worst the mean of all is (0.9 + 0.95 + 0.9) / 5.
    expect(body).toEqual({ blocked: true, degraded: false, confidence: 3 / 5 });
    expect(latencyMs).toBeLessThan(100);
  });

  test("waits while they can", async () => {
    await using world = await worldOf("fraud.ts", { a: 0.6, b: 0.6, c: 0.6, d: 0, e: 0 });
    const { body } = await world.request(request);
    expect(body).toEqual({ blocked: false, degraded: false, confidence: 1 });
  });
});
