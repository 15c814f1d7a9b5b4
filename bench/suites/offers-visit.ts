import type { GeneratorProcess } from "../load/generator-process.ts";
import type { ClosedLoop, LoadResult, OpenLoop } from "../load/messages.ts";
import { nextStep, type Probe, type SearchOptions } from "../measure/capacity-search.ts";
import type { Counts, ProbeRecord, Visit } from "../schema.ts";
import type { RunningSystem } from "../systems/running-system.ts";
import type { OffersPlan } from "./offers-plan.ts";

/** Past this share of a system's capacity the queue of an open loop grows for as long as the run lasts. */
const CARRIED_SHARE = 0.9;
/** Share of failed, degraded or default answers that a level may have and still count. */
const UNSOUND_SHARE = 0.001;
const MAX_CONNECTIONS = 1024;

export interface VisitOptions {
  readonly plan: OffersPlan;
  readonly system: RunningSystem;
  readonly generator: GeneratorProcess;
  readonly startConnections: number;
  readonly maxProbes: number;
  /** From one level of the search for the capacity to the next, until the limit is met and missed. */
  readonly growth: number;
  readonly ratesRps: readonly number[];
  /** `find`: this system's highest rate within the limit is looked for first. A number: measured at it. */
  readonly storyRate: "find" | number | undefined;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export type Measured = Omit<Visit, "case" | "system" | "round">;

const WARM_WINDOW_MS = 1_000;
const LONGEST_WARM_UP = 5;
/** A system that still answers more than this times its best is not warm. */
const RISING = 1.02;
/** One second that brings no more may be chance. */
const STEADY_SECONDS = 3;

/** Everything that is measured of one running system in one round. */
export async function measureVisit(options: VisitOptions): Promise<Measured> {
  const { plan, system, say } = options;
  const visit = new Meter(options);
  await visit.warmUp();

  const capacityProbes: ProbeRecord[] = [];
  const capacity = await search(
    {
      limitMs: plan.limitMs,
      startLevel: options.startConnections,
      minLevel: 1,
      maxLevel: MAX_CONNECTIONS,
      growth: options.growth,
      precision: plan.searchPrecision,
      maxProbes: options.maxProbes,
      whole: true,
    },
    capacityProbes,
    (connections) => visit.probe({ kind: "closed", connections }),
  );
  say(
    capacity === undefined
      ? "no level meets the limit"
      : `capacity ${capacity.throughputRps.toFixed(0)}/s with ${capacity.level} connections`,
  );

  let storyRateRps: number | null = null;
  if (options.storyRate === "find" && capacity !== undefined) {
    const highest = await search(
      {
        limitMs: plan.limitMs,
        startLevel: capacity.throughputRps * 0.7,
        minLevel: 1,
        maxLevel: capacity.throughputRps,
        growth: 1.5,
        precision: 1.12,
        maxProbes: options.maxProbes + 1,
        whole: false,
      },
      [],
      (rate) => visit.probe(openLoop(rate, options.seed)),
    );
    storyRateRps = highest?.level ?? null;
    say(`highest rate within the limit: ${storyRateRps?.toFixed(1) ?? "none"}/s`);
  }
  const storyRate = options.storyRate === "find" ? storyRateRps : (options.storyRate ?? null);
  const carried = (rate: number): boolean => rate <= (capacity?.throughputRps ?? 0) * CARRIED_SHARE;
  const atStoryRate = storyRate === null ? null : await visit.probe(openLoop(storyRate, options.seed));
  const latencies: ProbeRecord[] = [];
  for (const rate of options.ratesRps.filter(carried)) {
    latencies.push(await visit.probe(openLoop(rate, options.seed)));
  }
  return {
    coldStartMs: system.coldStartMs,
    processes: system.processes,
    pssMb: visit.highestPssMb,
    capacity: capacity ?? null,
    capacityProbes,
    storyRateRps,
    latencies,
    atStoryRate,
  };
}

function openLoop(ratePerSecond: number, seed: number): OpenLoop {
  return { kind: "open", ratePerSecond, seed, maxConnections: MAX_CONNECTIONS };
}

function windowFor(shape: ClosedLoop | OpenLoop, { windowMs, arrivalsWanted = 0 }: MeterPlan): number {
  if (shape.kind === "closed") return windowMs;
  const wantedMs = (arrivalsWanted / shape.ratePerSecond) * 1000;
  return Math.round(Math.min(3 * windowMs, Math.max(windowMs, wantedMs)));
}

/** Without `arrivalsWanted` all windows are equally long. */
type MeterPlan = Pick<OffersPlan, "warmUpMs" | "rampMs" | "windowMs" | "drainMs"> &
  Partial<Pick<OffersPlan, "arrivalsWanted">>;

export interface MeterOptions {
  readonly plan: MeterPlan;
  readonly system: RunningSystem;
  readonly generator: GeneratorProcess;
  readonly startConnections: number;
}

/** Runs loads against one system and samples its processes at the window's edges. */
export class Meter {
  readonly #options: MeterOptions;
  highestPssMb = 0;

  constructor(options: MeterOptions) {
    this.#options = options;
  }

  /** At least for the plan's time, and until three seconds in a row bring no more answers than the best before: five times as long at most. */
  async warmUp(): Promise<void> {
    const { plan, generator, startConnections } = this.#options;
    const shape: ClosedLoop = { kind: "closed", connections: Math.max(4, startConnections) };
    let bestRps = 0;
    let steadySeconds = 0;
    for (let warmMs = WARM_WINDOW_MS; warmMs <= LONGEST_WARM_UP * plan.warmUpMs; warmMs += WARM_WINDOW_MS) {
      const load = { shape, rampMs: WARM_WINDOW_MS / 2, windowMs: WARM_WINDOW_MS / 2, drainMs: plan.drainMs };
      const { throughputRps } = await generator.run(load);
      steadySeconds = throughputRps < RISING * bestRps ? steadySeconds + 1 : 0;
      if (warmMs >= plan.warmUpMs && steadySeconds >= STEADY_SECONDS) return;
      bestRps = Math.max(bestRps, throughputRps);
    }
  }

  async probe(shape: ClosedLoop | OpenLoop): Promise<ProbeRecord> {
    const { plan, generator, system } = this.#options;
    const { rampMs, drainMs } = plan;
    const windowMs = windowFor(shape, plan);
    let cpuAtOpen = 0;
    let cpuSeconds = 0;
    const result = await generator.run({ shape, rampMs, windowMs, drainMs }, (edge) => {
      if (edge === "open") {
        cpuAtOpen = system.cpuSeconds();
      } else {
        cpuSeconds = system.cpuSeconds() - cpuAtOpen;
        this.highestPssMb = Math.max(this.highestPssMb, system.pssMb());
      }
    });
    const level = shape.kind === "closed" ? shape.connections : shape.ratePerSecond;
    return probeRecord(shape.kind, level, result, cpuSeconds);
  }
}

function probeRecord(
  shape: "closed" | "open",
  level: number,
  result: LoadResult,
  cpuSeconds: number,
): ProbeRecord {
  const answered = result.right + result.degraded + result.fallback;
  const per1k = (seconds: number): number | null => (answered === 0 ? null : (seconds / answered) * 1000);
  return {
    ...countsOf(result),
    shape,
    level,
    throughputRps: result.throughputRps,
    latency: result.latency,
    cpuSecondsPer1k: per1k(cpuSeconds),
    generatorCpuSecondsPer1k: per1k(result.generatorCpuSeconds),
    sendLagP99Ms: result.sendLag?.p99Ms ?? null,
    overloaded: result.overloaded,
    failures: [...result.failures],
  };
}

function countsOf(from: Counts): Counts {
  const { requests, right, degraded, fallback, wrong, failed } = from;
  return { requests, right, degraded, fallback, wrong, failed };
}

export function toProbe(record: ProbeRecord): Probe {
  const unsound = record.failed + record.degraded + record.fallback;
  return {
    level: record.level,
    throughputRps: record.throughputRps,
    p95Ms: record.latency.p95Ms,
    sound:
      record.wrong === 0 &&
      record.right > 0 &&
      !record.overloaded &&
      unsound <= record.requests * UNSOUND_SHARE,
  };
}

/** @returns the record of the best level; all probes are added to `records`. */
export async function search(
  options: SearchOptions,
  records: ProbeRecord[],
  measure: (level: number) => Promise<ProbeRecord>,
): Promise<ProbeRecord | undefined> {
  for (;;) {
    const step = nextStep(records.map(toProbe), options);
    if ("done" in step) return records.find(({ level }) => level === step.done?.level);
    records.push(await measure(step.next));
  }
}
