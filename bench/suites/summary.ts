import { median, ratioSpread, type Spread, spread } from "../measure/statistics.ts";
import type {
  BenchResult,
  Counts,
  FloorVisit,
  HopSample,
  ProbeRecord,
  RatioResult,
  SystemResult,
  Visit,
} from "../schema.ts";

/** From the visits of a run to its figures: medians over rounds, and ratios taken round by round. Pure. */

export function summariseSystems(
  visits: readonly Visit[],
  configurationOf: (system: string) => string,
): SystemResult[] {
  const groups = Map.groupBy(visits, (visit) => `${visit.case} ${visit.system}`);
  return [...groups.values()].map((rounds) => {
    const first = rounds[0];
    if (first === undefined) throw new Error("summariseSystems: an empty group");
    const capacities = rounds.flatMap(({ capacity }) => capacity ?? []);
    const middle = (of: (probe: ProbeRecord) => number | null): number | null => medianOf(capacities.map(of));
    return {
      name: first.system,
      case: first.case,
      configuration: configurationOf(first.system),
      rounds: rounds.length,
      capacityRps: middle((probe) => probe.throughputRps),
      capacityConnections: middle((probe) => probe.level),
      p50Ms: middle((probe) => probe.latency.p50Ms),
      p95Ms: middle((probe) => probe.latency.p95Ms),
      p99Ms: middle((probe) => probe.latency.p99Ms),
      pssMb: medianOf(rounds.map(({ pssMb }) => pssMb)),
      cpuSecondsPer1k: middle((probe) => probe.cpuSecondsPer1k),
      generatorCpuSecondsPer1k: middle((probe) => probe.generatorCpuSecondsPer1k),
      coldStartMs: medianOf(rounds.map(({ coldStartMs }) => coldStartMs)),
      latencies: latenciesByRate(rounds),
      counts: total(rounds),
    };
  });
}

function latenciesByRate(rounds: readonly Visit[]): SystemResult["latencies"] {
  const stated = Map.groupBy(
    rounds.flatMap(({ latencies }) => latencies),
    ({ level }) => level,
  );
  // Each round has its own: one row for all of them.
  const atStoryRate = rounds.flatMap(({ atStoryRate: probe }) => probe ?? []);
  return [...stated.values(), ...(atStoryRate.length === 0 ? [] : [atStoryRate])]
    .map((at) => ({ rateRps: median(at.map(({ level }) => level)), at }))
    .sort((a, b) => a.rateRps - b.rateRps)
    .map(({ rateRps, at }) => {
      const middle = (of: (probe: ProbeRecord) => number): number => median(at.map(of));
      return {
        rateRps,
        p50Ms: middle(({ latency }) => latency.p50Ms),
        p95Ms: middle(({ latency }) => latency.p95Ms),
        p99Ms: middle(({ latency }) => latency.p99Ms),
        p999Ms: middle(({ latency }) => latency.p999Ms),
        maxMs: middle(({ latency }) => latency.maxMs),
        rounds: at.length,
      };
    });
}

function total(rounds: readonly Visit[]): Counts {
  const sum = { requests: 0, right: 0, degraded: 0, fallback: 0, wrong: 0, failed: 0 };
  for (const { capacityProbes, latencies, atStoryRate } of rounds) {
    for (const probe of [...capacityProbes, ...latencies, ...(atStoryRate ? [atStoryRate] : [])]) {
      sum.requests += probe.requests;
      sum.right += probe.right;
      sum.degraded += probe.degraded;
      sum.fallback += probe.fallback;
      sum.wrong += probe.wrong;
      sum.failed += probe.failed;
    }
  }
  return sum;
}

export function summariseFloor(visits: readonly FloorVisit[]): BenchResult["floor"] {
  const samples = visits.flatMap(({ family, batches }) => batches.map((batch) => ({ family, ...batch })));
  return [...Map.groupBy(samples, ({ family, batch }) => `${family} ${batch}`).values()].map((rounds) => ({
    family: rounds[0]?.family ?? "",
    batch: rounds[0]?.batch ?? 0,
    ensemblesPerSecond: median(rounds.map(({ ensemblesPerSecond }) => ensemblesPerSecond)),
    cpuSecondsPer1k: median(rounds.map(({ cpuSecondsPer1k }) => cpuSecondsPer1k)),
    rounds: rounds.length,
  }));
}

export function summariseHops(samples: readonly HopSample[]): BenchResult["hops"] {
  return [...Map.groupBy(samples, ({ subject, payloadBytes }) => `${subject} ${payloadBytes}`).values()].map(
    (rounds) => ({
      subject: rounds[0]?.subject ?? "",
      payloadBytes: rounds[0]?.payloadBytes ?? 0,
      p50Ms: median(rounds.map(({ latency }) => latency.p50Ms)),
      p95Ms: median(rounds.map(({ latency }) => latency.p95Ms)),
      p99Ms: median(rounds.map(({ latency }) => latency.p99Ms)),
      callsPerSecond: medianOf(rounds.map(({ callsPerSecond }) => callsPerSecond)),
      rounds: rounds.length,
    }),
  );
}

/** `subject` against each other system of each case; above 1 is in favour of `subject`, save for `cpu` and `p50`. */
export function offerRatios(
  subject: string,
  visits: readonly Visit[],
  floorVisits: readonly FloorVisit[],
): RatioResult[] {
  const ratios: RatioResult[] = [];
  const add = (
    name: RatioResult["name"],
    against: string,
    inCase: string,
    found: Spread | undefined,
  ): void => {
    if (found !== undefined) ratios.push({ ...found, name, of: subject, against, case: inCase });
  };
  for (const [inCase, ofCase] of Map.groupBy(visits, (visit) => visit.case)) {
    const bySystem = Map.groupBy(ofCase, ({ system }) => system);
    const own = bySystem.get(subject);
    if (own === undefined) continue;
    for (const [against, theirs] of bySystem) {
      if (against === subject) continue;
      add("capacity", against, inCase, ratioSpread(values(own, capacityRps), values(theirs, capacityRps)));
      add("p95AtStoryRate", against, inCase, ratioSpread(values(theirs, storyP95), values(own, storyP95)));
      if (against === BASELINE) {
        add("p50", against, inCase, ratioSpread(values(own, p50AtRate), values(theirs, p50AtRate)));
      }
      add("pss", against, inCase, ratioSpread(values(theirs, pss), values(own, pss)));
    }
    const floors = floorVisits.filter(({ family }) => inCase.startsWith(`${family}/`));
    add("cpu", "floor, batch 64", inCase, ratioSpread(values(own, cpuPer1k), floorValues(floors, cpuAt64)));
    add(
      "shareOfFloor",
      "floor, best batch",
      inCase,
      ratioSpread(values(own, capacityRps), floorValues(floors, bestRate)),
    );
  }
  return ratios;
}

/** A fan-out is compared with one call made the same way. */
const FAN_OUTS_AGAINST = new Map([
  ["fan-out-15", "processes"],
  ["ensemble-15", "handle"],
]);

/** Each subject's round trip as a multiple of the bare socket's; a fan-out as a multiple of one call. */
export function hopRatios(samples: readonly HopSample[]): RatioResult[] {
  const ratios: RatioResult[] = [];
  const p50 = (subject: string, payloadBytes: number): Map<number, number> =>
    new Map(
      samples
        .filter((sample) => sample.subject === subject && sample.payloadBytes === payloadBytes)
        .map((sample) => [sample.round, sample.latency.p50Ms]),
    );
  for (const payloadBytes of new Set(samples.map((sample) => sample.payloadBytes))) {
    for (const subject of new Set(samples.map((sample) => sample.subject))) {
      const against = FAN_OUTS_AGAINST.get(subject) ?? "bare-socket";
      if (subject === against) continue;
      const found = ratioSpread(p50(subject, payloadBytes), p50(against, payloadBytes));
      if (found)
        ratios.push({ ...found, name: "roundTrip", of: subject, against, case: `${payloadBytes} bytes` });
    }
  }
  return ratios;
}

/** The same program from another commit: of it alone the latency at a rate that both carry easily is of interest. */
const BASELINE = "tutti-baseline";

/** At the highest arrival rate that was measured. */
const p50AtRate = (visit: Visit): number | null =>
  visit.latencies.toSorted((a, b) => b.level - a.level)[0]?.latency.p50Ms ?? null;
const capacityRps = (visit: Visit): number | null => visit.capacity?.throughputRps ?? null;
const cpuPer1k = (visit: Visit): number | null => visit.capacity?.cpuSecondsPer1k ?? null;
const storyP95 = (visit: Visit): number | null => visit.atStoryRate?.latency.p95Ms ?? null;
const pss = (visit: Visit): number | null => visit.pssMb;
const cpuAt64 = (visit: FloorVisit): number | null =>
  visit.batches.find(({ batch }) => batch === 64)?.cpuSecondsPer1k ?? null;
const bestRate = (visit: FloorVisit): number | null =>
  Math.max(0, ...visit.batches.map(({ ensemblesPerSecond }) => ensemblesPerSecond));

function values(visits: readonly Visit[], of: (visit: Visit) => number | null): Map<number, number> {
  return new Map(visits.flatMap((visit) => pair(visit.round, of(visit))));
}

function floorValues(
  visits: readonly FloorVisit[],
  of: (visit: FloorVisit) => number | null,
): Map<number, number> {
  return new Map(visits.flatMap((visit) => pair(visit.round, of(visit))));
}

function pair(round: number, value: number | null): [number, number][] {
  return value === null ? [] : [[round, value]];
}

function medianOf(values: readonly (number | null)[]): number | null {
  return spread(values.filter((value) => value !== null))?.median ?? null;
}
