import fc from "fast-check";
import { expect, test } from "vitest";
import { bestProbe, nextStep, type Probe, type SearchOptions } from "./capacity-search.ts";

const options: SearchOptions = {
  limitMs: 50,
  startLevel: 8,
  minLevel: 1,
  maxLevel: 1024,
  growth: 2,
  precision: 1.2,
  maxProbes: 30,
  whole: true,
};

/** A closed loop on a server that answers `rate` a second: by Little's law the latency is connections / rate. */
function server(rate: number): (level: number) => Probe {
  return (level) => {
    const throughputRps = Math.min(rate, level * 100);
    return { level, throughputRps, p95Ms: (1.3 * level * 1000) / throughputRps, sound: true };
  };
}

function search(
  measure: (level: number) => Probe,
  with_: SearchOptions = options,
): { probes: Probe[]; best: Probe | undefined } {
  const probes: Probe[] = [];
  for (;;) {
    const step = nextStep(probes, with_);
    if ("done" in step) return { probes, best: step.done };
    expect(probes.length).toBeLessThan(with_.maxProbes);
    probes.push(measure(step.next));
  }
}

test("the bracket around the limit is as narrow as asked, from wherever the search begins", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 20_000 }),
      fc.integer({ min: 1, max: 1024 }),
      (rate, startLevel) => {
        const { probes, best } = search(server(rate), { ...options, startLevel });
        const limitLevel = (50 * rate) / 1300;
        expect(best?.p95Ms).toBeLessThanOrEqual(50);
        const highestGood = Math.max(...probes.filter((p) => p.p95Ms <= 50).map((p) => p.level));
        expect(highestGood).toBeGreaterThanOrEqual(Math.min(1024, Math.floor(limitLevel / 1.2) - 1));
      },
    ),
  );
});

test("the capacity is the highest throughput within the limit, not that of the most connections", () => {
  const probes: Probe[] = [
    { level: 8, throughputRps: 900, p95Ms: 10, sound: true },
    { level: 16, throughputRps: 1_000, p95Ms: 20, sound: true },
    { level: 32, throughputRps: 980, p95Ms: 40, sound: true },
    { level: 64, throughputRps: 1_100, p95Ms: 80, sound: true },
  ];
  expect(bestProbe(probes, 50)?.level).toBe(16);
});

test("a level with wrong or failed answers never counts, however fast", () => {
  const { best } = search((level) => ({ ...server(1_000)(level), sound: level <= 4 }));
  expect(best?.level).toBeLessThanOrEqual(4);
});

test("a system that is too slow for a single connection has no capacity", () => {
  const { probes, best } = search((level) => ({ level, throughputRps: 5, p95Ms: 200 * level, sound: true }));
  expect(best).toBeUndefined();
  expect(probes.map(({ level }) => level)).toEqual([8, 4, 2, 1]);
});

test("a system that never reaches the limit is probed up to the most connections", () => {
  const { probes, best } = search((level) => ({ level, throughputRps: level, p95Ms: 1, sound: true }));
  expect(best?.level).toBe(1024);
  expect(probes.length).toBeLessThan(10);
});

test("the number of probes is bounded", () => {
  expect(nextStep([server(1_000)(8)], { ...options, maxProbes: 1 })).toHaveProperty("done");
});

test("rates need not be whole numbers", () => {
  const { best } = search(
    (level) => ({ level, throughputRps: level, p95Ms: level < 77 ? 20 : 90, sound: true }),
    {
      ...options,
      whole: false,
      startLevel: 50.5,
      growth: 1.3,
      precision: 1.1,
    },
  );
  expect(best?.level).toBeGreaterThan(70);
  expect(best?.level).toBeLessThan(77);
});
