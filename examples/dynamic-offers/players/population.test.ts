import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { drawPlayers, type Player, type PopulationSummary } from "./population.ts";

const summary: PopulationSummary = JSON.parse(
  readFileSync(new URL("./population.json", import.meta.url), "utf8"),
);
const count = 10_000;
const players = [...drawPlayers(summary, { count, seed: 1 })];

function valuesOf(featureName: string, of: Player[] = players): number[] {
  const place = summary.features.findIndex(({ name }) => name === featureName);
  return of.map(({ features }) => features[place] ?? Number.NaN);
}

function ranks(values: number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const result = values.map(() => 0);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && values[order[end] ?? 0] === values[order[start] ?? 0]) end++;
    for (const i of order.slice(start, end)) result[i] = (start + end - 1) / 2;
    start = end;
  }
  return result;
}

function correlation(a: number[], b: number[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  const product = (x: number[], mx: number, y: number[], my: number) =>
    x.reduce((sum, value, i) => sum + (value - mx) * ((y[i] ?? 0) - my), 0);
  return product(a, meanA, b, meanB) / Math.sqrt(product(a, meanA, a, meanA) * product(b, meanB, b, meanB));
}

test("the same seed draws the same players, another seed others", () => {
  expect([...drawPlayers(summary, { count: 100, seed: 1 })]).toEqual(players.slice(0, 100));
  const others = [...drawPlayers(summary, { count: 100, seed: 2 })];
  expect(others.map(({ features }) => features)).not.toEqual(
    players.slice(0, 100).map(({ features }) => features),
  );
});

test("ids run from player-00001 to player-10000", () => {
  expect(players.length).toBe(count);
  expect(players[0]?.playerId).toBe("player-00001");
  expect(players[41]?.playerId).toBe("player-00042");
  expect(players[count - 1]?.playerId).toBe("player-10000");
  expect(new Set(players.map(({ playerId }) => playerId)).size).toBe(count);
});

test("every value is a finite number >= 0, and hardly any two players are the same", () => {
  expect(
    players.every(({ features }) => features.every((value) => Number.isFinite(value) && value >= 0)),
  ).toBe(true);
  expect(new Set(players.map(({ features }) => features.join())).size).toBeGreaterThan(count * 0.9);
});

test("features come in the order that the models' manifest has", () => {
  const path = new URL("../models/tower/v1/manifest.json", import.meta.url);
  const manifest: { features: { name: string }[] } = JSON.parse(readFileSync(path, "utf8"));
  expect(summary.features.map(({ name }) => name)).toEqual(manifest.features.map(({ name }) => name));
  expect(players[0]?.features.length).toBe(manifest.features.length);
});

test("categories have only the values of the summary, in about the summary's shares", () => {
  for (const column of summary.columns) {
    if (column.kind !== "category" || column.name === "visitorType") continue;
    const drawn = valuesOf(column.name);
    const known = column.values.map(Math.fround);
    expect(drawn.every((value) => known.includes(value))).toBe(true);
    known.forEach((value, i) => {
      const share = drawn.filter((one) => one === value).length / count;
      expect(Math.abs(share - (column.fractions[i] ?? 0)), `${column.name} = ${value}`).toBeLessThan(0.02);
    });
  }
});

test("each player is exactly one kind of visitor", () => {
  const kinds = ["visitorReturning", "visitorNew", "visitorOther"].map((name) => valuesOf(name));
  players.forEach((_, i) => {
    expect(kinds.map((kind) => kind[i]).sort()).toEqual([0, 0, 1]);
  });
});

test("numbers have the summary's share of zeros and quantiles", () => {
  for (const column of summary.columns) {
    if (column.kind !== "number") continue;
    const drawn = valuesOf(column.name);
    const rest = drawn.filter((value) => value > 0).sort((a, b) => a - b);
    // Zeros that another column forces come on top of the column's own, and take more of its small values than of its large.
    const tolerance = column.zeroWith === undefined ? 0.03 : 0.08;
    expect(Math.abs(1 - rest.length / count - column.zeroFraction), column.name).toBeLessThan(tolerance);
    column.probabilities.forEach((probability, i) => {
      if (probability < 0.1 || probability > 0.9) return;
      // Compared as shares: how many of those drawn lie below the quantile and how many at or below it. Counts have ties.
      const quantile = column.quantiles[i] ?? Number.NaN;
      const below = rest.filter((value) => value < quantile * 0.999).length / rest.length;
      const upTo = rest.filter((value) => value <= quantile * 1.001).length / rest.length;
      expect(below, `${column.name}: quantile ${probability}`).toBeLessThan(probability + tolerance);
      expect(upTo, `${column.name}: quantile ${probability}`).toBeGreaterThan(probability - tolerance);
    });
  }
});

test("no time is spent on pages of a kind that was not seen", () => {
  for (const kind of ["administrative", "informational", "productRelated"]) {
    const time = valuesOf(`${kind}Duration`);
    expect(valuesOf(kind).every((pages, i) => pages > 0 || time[i] === 0)).toBe(true);
  }
});

test("columns rank together as in the summary", () => {
  const place = (name: string) => summary.columns.findIndex((column) => column.name === name);
  for (const [a, b] of [
    ["productRelated", "productRelatedDuration"],
    ["bounceRates", "exitRates"],
    ["administrative", "productRelated"],
    ["exitRates", "pageValues"],
  ] as const) {
    const wanted = summary.rankCorrelation[place(a)]?.[place(b)] ?? Number.NaN;
    expect(Math.abs(correlation(ranks(valuesOf(a)), ranks(valuesOf(b))) - wanted), `${a}, ${b}`).toBeLessThan(
      0.12,
    );
  }
});
