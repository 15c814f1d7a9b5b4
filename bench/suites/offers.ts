import { mkdirSync } from "node:fs";
import { measureOnnxFloor } from "../floor/onnx-floor.ts";
import { GeneratorProcess } from "../load/generator-process.ts";
import type { CellStore } from "../measure/cells.ts";
import { missingModels } from "../reference/model-files.ts";
import { CACHE, type Family, GAME, MODEL_DIRECTORY } from "../reference/paths.ts";
import { copyPlayers, ensurePlayersDb } from "../reference/players-db.ts";
import { ensureReference } from "../reference/reference.ts";
import { type FloorVisit, floorVisitSchema, type Visit, visitSchema } from "../schema.ts";
import { systemNamed } from "../systems/registry.ts";
import { RunningSystem } from "../systems/running-system.ts";
import type { SystemDescription } from "../systems/system.ts";
import { type Case, caseName, firstConnections, type OffersPlan } from "./offers-plan.ts";
import { measureVisit } from "./offers-visit.ts";

const FIRST_GROWTH = 2;
/** From a level that is known: twice as much would be an overload, whose heaps and queues the next probes begin with. */
const LATER_GROWTH = 1.25;

export interface OffersMeasurements {
  readonly visits: readonly Visit[];
  readonly floorVisits: readonly FloorVisit[];
  readonly skipped: readonly string[];
}

/**
 * Visits every system in turn, round after round: start, warm-up, capacity, latencies, end. Only one system is alive at
 * a time, so that idle neighbours take neither its processor nor a share of its pages.
 */
export async function runOffers(options: {
  readonly plan: OffersPlan;
  readonly cells: CellStore;
  readonly port: number;
  readonly say: (line: string) => void;
}): Promise<OffersMeasurements> {
  const { plan, cells, say } = options;
  const visits: Visit[] = [];
  const floorVisits: FloorVisit[] = [];
  const skipped = new Set<string>();
  const skip = (what: string): void => {
    if (skipped.has(what)) return;
    skipped.add(what);
    say(`SKIPPED ${what}`);
  };
  const startedAt = performance.now();
  const outOfTime = (): boolean => performance.now() - startedAt > plan.budgetMs;
  const playersDb = ensurePlayersDb();
  const floorsTaken = new Set<string>();

  for (const one of plan.cases) {
    const name = caseName(one);
    const modelsDir = MODEL_DIRECTORY[one.family];
    const missing = missingModels(modelsDir);
    if (missing !== undefined) {
      skip(`${name}: ${missing}`);
      continue;
    }
    for (let round = 1; round <= one.rounds; round += 1) {
      for (const systemName of plan.systems) {
        const system = systemNamed(systemName);
        if (system === undefined) continue;
        const cell = `${name}-${systemName}-${round}`;
        const stored = cells.read(cell, visitSchema);
        if (stored === undefined && outOfTime()) {
          skip(`${name} ${systemName}, round ${round}: the time for this run is used up`);
          continue;
        }
        const setting = { family: one.family, modelsDir, playersDb, lookupDelayMs: one.lookupDelayMs };
        const missing = system.missing({ ...setting, port: options.port, processes: plan.processes });
        if (missing !== undefined) {
          skip(`${systemName}: ${missing}`);
          continue;
        }
        try {
          const weighting = system.weighting?.() ?? "manifest";
          const referenceFile = await ensureReference(modelsDir, playersDb, weighting);
          const earlier = visits.filter((visit) => visit.case === name);
          const visit = await cells.cell(cell, visitSchema, async () => ({
            case: name,
            system: systemName,
            round,
            ...(await visitSystem({
              ...options,
              system,
              one,
              round,
              earlier,
              modelsDir,
              playersDb,
              referenceFile,
            })),
          }));
          visits.push(visit);
        } catch (error) {
          skip(`${name} ${systemName}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      const floorCell = `floor-${one.family}-${round}`;
      if (floorsTaken.has(floorCell)) continue;
      floorsTaken.add(floorCell);
      floorVisits.push(
        await cells.cell(floorCell, floorVisitSchema, async () => {
          say(`floor, ${one.family}, round ${round}`);
          const batches = await measureOnnxFloor({ modelsDir, playersDb, ...plan.floor });
          return { family: one.family, round, batches };
        }),
      );
    }
  }
  return { visits, floorVisits, skipped: [...skipped] };
}

async function visitSystem(options: {
  readonly plan: OffersPlan;
  readonly system: SystemDescription;
  readonly one: Case;
  readonly round: number;
  readonly earlier: readonly Visit[];
  readonly modelsDir: string;
  readonly playersDb: string;
  readonly referenceFile: string;
  readonly port: number;
  readonly say: (line: string) => void;
}): Promise<Omit<Visit, "case" | "system" | "round">> {
  const { plan, one, round, system, earlier } = options;
  const { name } = system;
  const say = (line: string): void => options.say(`${caseName(one)} ${name}, round ${round}: ${line}`);
  const before = earlier.findLast((visit) => visit.system === name)?.capacity?.level;
  mkdirSync(CACHE, { recursive: true });
  // A copy for each visit: a system may change its file (its journal mode, say), which must not reach the others.
  const playersDb = `${CACHE}${name}-players.sqlite`;
  copyPlayers(options.playersDb, playersDb);
  const setting = {
    family: one.family satisfies Family,
    modelsDir: options.modelsDir,
    playersDb,
    lookupDelayMs: one.lookupDelayMs,
    port: options.port,
    processes: plan.processes,
  };
  await using running = await RunningSystem.start(system, setting, `${CACHE}${name}.log`);
  say(`first offer after ${running.coldStartMs.toFixed(0)} ms`);
  await using generator = await GeneratorProcess.start({
    target: { host: "127.0.0.1", port: options.port, path: `/offers/${GAME}` },
    referenceFile: options.referenceFile,
    seed: round,
  });
  // Awaited here: what is in use must outlive the measurement.
  return await measureVisit({
    plan,
    system: running,
    generator,
    startConnections: before ?? firstConnections(name, one),
    maxProbes: before === undefined ? plan.firstProbes : plan.laterProbes,
    growth: before === undefined ? FIRST_GROWTH : LATER_GROWTH,
    ratesRps: one.ratesRps,
    storyRate: storyRate(one, name, earlier),
    seed: round,
    say,
  });
}

/** Found anew in each round, in which `flask-story` is visited first: the machine is not the same an hour later. */
function storyRate(one: Case, system: string, earlier: readonly Visit[]): "find" | number | undefined {
  if (!one.atStoryRate) return undefined;
  if (system === "flask-story") return "find";
  return earlier.findLast((visit) => visit.storyRateRps !== null)?.storyRateRps ?? undefined;
}
