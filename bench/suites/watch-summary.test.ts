import { expect, test } from "vitest";
import type { WatchChange, WatchVisit } from "../schema.ts";
import { checkWatch } from "./checks.ts";
import { summariseWatch } from "./watch-summary.ts";

const latency = { p50Ms: 2, p95Ms: 4, p99Ms: 5, p999Ms: 9, maxMs: 9, meanMs: 3, count: 100 };

const change = (
  changed: WatchChange["changed"],
  servedMs: number,
  fields: Partial<WatchChange> = {},
): WatchChange => ({
  changed,
  way: "in-place",
  servedMs,
  requests: 100,
  failed: 0,
  wrong: 0,
  latency,
  failures: [],
  ...fields,
});

const visit = (round: number, changes: readonly WatchChange[]): WatchVisit => ({
  round,
  steady: { requests: 100, failed: 0, wrong: 0, latency, failures: [] },
  changes: [...changes],
  cpuSeconds: 5,
  benchCpuSeconds: 1,
  otherCpuSeconds: 0,
  windowSeconds: 10,
});

test("changes of all rounds are put together by what was changed and how", () => {
  const results = summariseWatch([
    visit(1, [change("module", 300), change("model", 200, { way: "renamed" }), change("module", 500)]),
    visit(2, [change("module", 1100, { failed: 2, latency: { ...latency, maxMs: 80 } })]),
  ]);
  expect(results).toMatchObject([
    {
      changed: "module",
      way: "in-place",
      rounds: 2,
      changes: 3,
      servedMs: { median: 500, min: 300, max: 1100 },
      p95Ms: 1100,
      soonShare: 2 / 3,
      requests: 300,
      failed: 2,
      wrong: 0,
      slowestRequestMs: 80,
    },
    { changed: "model", way: "renamed", changes: 1, soonShare: 1 },
  ]);
});

test("one change that took a second, or one wrong answer, is enough not to reach it", () => {
  const reached = (changes: readonly WatchChange[]) =>
    checkWatch(summariseWatch([visit(1, changes)])).map((check) => check.reached);
  const quick = [change("module", 999), change("model", 200)];
  expect(reached(quick)).toEqual([true, true, true]);
  expect(reached([...quick, change("module", 1000)])).toEqual([false, true, true]);
  expect(reached([change("module", 300), change("model", 200, { wrong: 1 })])).toEqual([true, true, false]);
  expect(checkWatch([]).map((check) => check.reached)).toEqual([null, null, null]);
});
