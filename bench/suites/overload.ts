import { mkdirSync } from "node:fs";
import { GeneratorProcess } from "../load/generator-process.ts";
import type { LoadResult } from "../load/messages.ts";
import type { CellStore } from "../measure/cells.ts";
import { missingModels } from "../reference/model-files.ts";
import { CACHE, type Family, GAME, MODEL_DIRECTORY } from "../reference/paths.ts";
import { copyPlayers, ensurePlayersDb } from "../reference/players-db.ts";
import { ensureReference } from "../reference/reference.ts";
import { type OverloadStep, type OverloadVisit, overloadVisitSchema, type ProbeRecord } from "../schema.ts";
import { RunningSystem } from "../systems/running-system.ts";
import { tutti } from "../systems/typescript.ts";
import { Meter, search, toProbe } from "./offers-visit.ts";
import { firstConnections, type OverloadPlan } from "./overload-plan.ts";

const MAX_CONNECTIONS = 1024;
const SOUND_TRIES = 4;

/** More arrives than can be answered: capacity first, then multiples of it, on one system in one visit. */
export async function runOverload(options: {
  readonly plan: OverloadPlan;
  readonly cells: CellStore;
  readonly port: number;
  readonly say: (line: string) => void;
}): Promise<{ readonly visits: readonly OverloadVisit[]; readonly skipped: readonly string[] }> {
  const { plan, cells, say } = options;
  const visits: OverloadVisit[] = [];
  const skipped: string[] = [];
  const missing = tutti.missing({
    family: "trees",
    modelsDir: "",
    playersDb: "",
    lookupDelayMs: 0,
    port: options.port,
    processes: plan.processes,
  });
  if (missing !== undefined) return { visits, skipped: [`tutti: ${missing}`] };
  for (let round = 1; round <= plan.rounds; round += 1) {
    for (const family of plan.families) {
      const name = `${family}/0ms`;
      const absent = missingModels(MODEL_DIRECTORY[family]);
      if (absent !== undefined) {
        if (round === 1) skipped.push(`${name}: ${absent}`);
        continue;
      }
      try {
        visits.push(
          await cells.cell(`${name}-${round}`, overloadVisitSchema, async () => ({
            case: name,
            system: tutti.name,
            round,
            ...(await visit({ plan, family, round, port: options.port, say })),
          })),
        );
      } catch (error) {
        skipped.push(`${name}, round ${round}: ${error instanceof Error ? error.message : String(error)}`);
        say(`SKIPPED ${skipped.at(-1)}`);
      }
    }
  }
  return { visits, skipped };
}

async function visit(options: {
  readonly plan: OverloadPlan;
  readonly family: Family;
  readonly round: number;
  readonly port: number;
  readonly say: (line: string) => void;
}): Promise<Pick<OverloadVisit, "capacityRps" | "capacityConnections" | "steps">> {
  const { plan, family, round, port } = options;
  const say = (line: string): void => options.say(`${family}, round ${round}: ${line}`);
  const modelsDir = MODEL_DIRECTORY[family];
  const players = ensurePlayersDb();
  const referenceFile = await ensureReference(modelsDir, players, tutti.weighting?.() ?? "manifest");
  mkdirSync(CACHE, { recursive: true });
  const playersDb = `${CACHE}overload-players.sqlite`;
  copyPlayers(players, playersDb);
  const setting = { family, modelsDir, playersDb, lookupDelayMs: 0, port, processes: plan.processes };
  await using system = await RunningSystem.start(tutti, setting, `${CACHE}overload.log`);
  await using generator = await GeneratorProcess.start({
    target: { host: "127.0.0.1", port, path: `/offers/${GAME}` },
    referenceFile,
    seed: round,
    isBackground: true,
  });
  const startConnections = firstConnections(family);
  const meter = new Meter({ plan, system, generator, startConnections });
  await meter.warmUp();
  const probes: ProbeRecord[] = [];
  const { limitMs, searchPrecision: precision, probes: maxProbes } = plan;
  const capacity = await search(
    {
      limitMs,
      startLevel: startConnections,
      minLevel: 1,
      maxLevel: MAX_CONNECTIONS,
      growth: 1.5,
      precision,
      maxProbes,
      whole: true,
    },
    probes,
    (connections) => meter.probe({ kind: "closed", connections }),
  );
  if (capacity === undefined) throw new Error(`no level meets the limit of ${limitMs} ms`);
  say(`capacity ${capacity.throughputRps.toFixed(0)}/s with ${capacity.level} connections`);
  const carried = async (): Promise<number> => {
    const { carriedRampMs: rampMs, carriedWindowMs: windowMs, drainMs } = plan;
    const beside = new Meter({
      plan: { ...plan, rampMs, windowMs, drainMs },
      system,
      generator,
      startConnections,
    });
    for (let tries = 0; tries < SOUND_TRIES; tries += 1) {
      const record = await beside.probe({ kind: "closed", connections: capacity.level });
      if (toProbe(record).sound) return record.throughputRps;
    }
    // Refusals left over from the overload would make it less than it is.
    throw new Error(
      `the closed loop with ${capacity.level} connections has refusals ${SOUND_TRIES} times in a row`,
    );
  };
  const steps: OverloadStep[] = [];
  let before = await carried();
  for (const multiple of plan.multiples) {
    const rateRps = multiple * before;
    const taken = await overload(plan, { system, generator }, rateRps, round);
    const after = await carried();
    const step: OverloadStep = { multiple, carriedRps: (before + after) / 2, rateRps, ...taken };
    before = after;
    steps.push(step);
    say(
      `${multiple}x: ${step.goodputRps.toFixed(0)} good answers/s of ${step.carriedRps?.toFixed(0)}, p95 ${step.admitted.p95Ms.toFixed(0)} ms, ` +
        `${step.refused} of ${step.requests} refused, p95 of that ${step.refusals.p95Ms.toFixed(1)} ms`,
    );
  }
  return { capacityRps: capacity.throughputRps, capacityConnections: capacity.level, steps };
}

async function overload(
  plan: OverloadPlan,
  { system, generator }: { readonly system: RunningSystem; readonly generator: GeneratorProcess },
  rateRps: number,
  seed: number,
): Promise<Omit<OverloadStep, "multiple" | "carriedRps" | "rateRps">> {
  let cpuAtOpen = 0;
  let cpuSeconds = 0;
  const result: LoadResult = await generator.run(
    {
      shape: {
        kind: "open",
        ratePerSecond: rateRps,
        seed,
        maxConnections: plan.maxConnections,
        grainMs: plan.grainMs,
        reuse: "latest",
        risingMs: plan.overloadRampMs / 2,
      },
      rampMs: plan.overloadRampMs,
      windowMs: plan.overloadWindowMs,
      drainMs: plan.drainMs,
      inTimeMs: plan.admittedLimitMs,
    },
    (edge) => {
      if (edge === "open") cpuAtOpen = system.cpuSeconds();
      else cpuSeconds = system.cpuSeconds() - cpuAtOpen;
    },
  );
  const { requests, right, degraded, fallback, wrong, failed, refused, shed, admitted, refusals } = result;
  return {
    requests,
    right,
    degraded,
    fallback,
    wrong,
    failed,
    refused,
    shed,
    admitted,
    refusals,
    answeredRps: result.throughputRps,
    goodputRps: result.rightInTime / result.windowSeconds,
    cpuSeconds,
    generatorCpuSeconds: result.generatorCpuSeconds,
    windowSeconds: result.windowSeconds,
    sendLagP99Ms: result.sendLag?.p99Ms ?? null,
    failures: [...result.failures],
  };
}
