import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gitState, machine, versions } from "../bench/measure/machine.ts";
import { ensurePlayersDb, type PlayerRows, readPlayers } from "../bench/reference/players-db.ts";
import { DynaliteServer } from "../test/features/dynalite-server.ts";
import { FaultProxy } from "../test/features/fault-proxy.ts";
import { writeBlockingModel } from "./app/blocking-model.ts";
import { BALLOON_VARIABLE, DYNAMODB_VARIABLE, TABLE } from "./app/faulty-features.ts";
import { SWITCH_VARIABLE } from "./app/switch.ts";
import { Control } from "./control.ts";
import { brokenByMemory } from "./demands.ts";
import type { SystemKind } from "./fault.ts";
import { Load } from "./load.ts";
import { runPhase } from "./phase.ts";
import { type PlanOptions, planCampaign } from "./plan.ts";
import { computeReference, type Reference } from "./reference.ts";
import type { CampaignResult, PhaseResult } from "./schema.ts";
import { System } from "./system.ts";

const PLAYERS = 500;
const MEMORY_LIMIT_MB = 400;
/** Beyond the limit, and below what ends it at once. */
const BALLOON_MB = 460;
/** Load under which memory is compared, longer and heavier than that of a phase. */
const WARM_UP_MS = { quick: 3000, full: 10_000 };
const WARM_UP_RATE_FACTOR = 3;
/** Memory has settled when another such load adds less than a fiftieth to it. */
const SETTLED_RISE = 1.02;
const MOST_WARM_UPS = 6;

export interface CampaignOptions extends PlanOptions {
  readonly ratePerSecond: number;
  readonly say: (line: string) => void;
}

/** Plants every fault of the plan in a real system under load, one after the other. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const startedAt = new Date().toISOString();
  const folder = mkdtempSync(path.join(tmpdir(), "tutti-chaos-files-"));
  const players = firstOf(readPlayers(ensurePlayersDb()), PLAYERS);
  const reference = await computeReference(players);
  const phases: PhaseResult[] = [];
  const memory: CampaignResult["memory"] = [];
  try {
    for (const plan of planCampaign(options)) {
      await using bench = await openBench(plan.system, folder, players, options);
      const stage = { ...options, ...bench, reference };
      // Where executors come and go; the other systems have too few phases for it.
      const comparesMemory = plan.system === "embedded";
      const beforeMb = comparesMemory ? await memoryUnderLoad(bench.system, reference, options) : 0;
      for (const phase of plan.phases) {
        const result = await runPhase(phase, stage);
        options.say(`${phase.fault.name}: ${inShort(result)}`);
        phases.push(result);
      }
      await bench.system.until(() => bench.system.isAtFullStrength(), "to be at full strength in the end");
      if (!comparesMemory) continue;
      memory.push({
        system: plan.system,
        beforeMb,
        afterMb: await memoryUnderLoad(bench.system, reference, options),
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return {
    schemaVersion: 1,
    quick: options.quick,
    seed: options.seed,
    ratePerSecond: options.ratePerSecond,
    startedAt,
    finishedAt: new Date().toISOString(),
    machine: machine(),
    versions: await versions(),
    git: await gitState(),
    phases,
    memory,
    broken: brokenByMemory(memory),
  };
}

function firstOf({ playerIds, features, width }: PlayerRows, count: number): PlayerRows {
  return { playerIds: playerIds.slice(0, count), features: features.slice(0, count * width), width };
}

interface Bench extends AsyncDisposable {
  readonly system: System;
  readonly control: Control;
  readonly proxy: FaultProxy | undefined;
}

/** Starts a system with what it needs around it. */
async function openBench(
  kind: SystemKind,
  folder: string,
  players: PlayerRows,
  { say }: CampaignOptions,
): Promise<Bench> {
  const stack = new AsyncDisposableStack();
  const switchFile = path.join(folder, `${kind}.switch`);
  const control = new Control(switchFile);
  const playersFile = ensurePlayersDb();
  const env: Record<string, string> = {
    [SWITCH_VARIABLE]: switchFile,
    TUTTI_CHAOS_BLOCKING_MODEL: writeBlockingModel(path.join(folder, "blocking.onnx")),
    TUTTI_PLAYERS_DB: playersFile,
    [BALLOON_VARIABLE]: String(BALLOON_MB),
  };
  let proxy: FaultProxy | undefined;
  if (kind === "dynamodb") {
    const service = stack.adopt(await startDynamoDb(players), (one) => one.close());
    proxy = stack.adopt(await FaultProxy.start(service.port), (one) => one.close());
    env[DYNAMODB_VARIABLE] = proxy.endpoint;
  }
  const system = stack.use(
    await System.start({
      env,
      openFile: kind === "dynamodb" ? "none" : playersFile,
      ...(kind === "jumping"
        ? { program: path.join(import.meta.dirname, "jumping-node.ts") }
        : { args: ["--lanes", "2", "--executor-memory-limit-mb", String(MEMORY_LIMIT_MB)] }),
    }),
  );
  say(`${kind}: the system is ready`);
  return { system, control, proxy, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function startDynamoDb({ playerIds, features, width }: PlayerRows): Promise<DynaliteServer> {
  const service = await DynaliteServer.start();
  await service.createTable(TABLE);
  for (const [row, playerId] of playerIds.entries()) {
    const vector = features.slice(row * width, (row + 1) * width);
    await service.putItem(TABLE, { key: { S: playerId }, vector: { B: new Uint8Array(vector.buffer) } });
  }
  return service;
}

/**
 * PSS after a load, so that what is compared has done the same; and as often until it does not rise any more, since heaps are
 * collected only when they have grown to their limit: one that is on its way there has leaked nothing.
 */
async function memoryUnderLoad(
  system: System,
  reference: Reference,
  { quick, ratePerSecond, seed }: CampaignOptions,
): Promise<number> {
  const rate = WARM_UP_RATE_FACTOR * ratePerSecond;
  let settledMb = 0;
  for (let times = 0; times < MOST_WARM_UPS; times++) {
    const load = new Load({ port: system.port, ratePerSecond: rate, seed, reference });
    await new Promise((resolve) => setTimeout(resolve, quick ? WARM_UP_MS.quick : WARM_UP_MS.full));
    await load.stop();
    const nowMb = system.pssMb();
    if (nowMb < settledMb * SETTLED_RISE) return nowMb;
    settledMb = nowMb;
  }
  return settledMb;
}

function inShort({ sent, right, degraded, fallback, p95Ms, broken, late, notJudged }: PhaseResult): string {
  const seen = `sent ${sent}, right ${right}, degraded ${degraded}, fallback ${fallback}, p95 ${p95Ms} ms`;
  const counts = notJudged.length === 0 ? seen : `${seen}; not judged: ${notJudged.join("; ")}`;
  const missed = [...broken, ...late];
  return missed.length === 0 ? counts : `${counts}; NOT MET: ${missed.join("; ")}`;
}
