import { copyFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { GeneratorProcess } from "../load/generator-process.ts";
import type { LoadResult } from "../load/messages.ts";
import type { CellStore } from "../measure/cells.ts";
import { machine } from "../measure/machine.ts";
import { WindowWatch } from "../measure/window-watch.ts";
import { missingModels } from "../reference/model-files.ts";
import { CACHE, GAME, MODEL_DIRECTORY } from "../reference/paths.ts";
import { ensurePlayersDb } from "../reference/players-db.ts";
import { ensureReference } from "../reference/reference.ts";
import { type StragglersVisit, type StragglersWindow, stragglersVisitSchema } from "../schema.ts";
import { ARMS, type Arm } from "../stragglers/arm.ts";
import { type Fault, plant } from "../stragglers/fault.ts";
import { modelLanes, nodeStatus, wastedRuns } from "../stragglers/node-status.ts";
import { FAULT_FOLDER, stragglersSystem } from "../stragglers/system.ts";
import { RunningSystem } from "../systems/running-system.ts";
import type { StragglersPlan } from "./stragglers-plan.ts";

/** Executors tell their counts about every second. */
const COUNTS_TOLD_MS = 1_500;

/** The same load on the same system with a fault, with all that is done about stragglers and with none of it. */
export async function runStragglers(options: {
  readonly plan: StragglersPlan;
  readonly cells: CellStore;
  readonly port: number;
  readonly say: (line: string) => void;
}): Promise<{ readonly visits: readonly StragglersVisit[]; readonly skipped: readonly string[] }> {
  const { plan, cells, port, say } = options;
  const visits: StragglersVisit[] = [];
  const skipped: string[] = [];
  const missing = missingModels(MODEL_DIRECTORY.trees);
  if (missing !== undefined) return { visits, skipped: [`trees: ${missing}`] };
  for (let round = 1; round <= plan.rounds; round += 1) {
    for (const fault of plan.faults) {
      // Neither is always the first.
      for (const arm of round % 2 === 1 ? ARMS : [...ARMS].reverse()) {
        try {
          visits.push(
            await cells.cell(`${fault.kind}-${arm}-${round}`, stragglersVisitSchema, () =>
              undisturbed({ plan, fault, arm, round, port, say }),
            ),
          );
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          skipped.push(`${fault.kind}, ${arm}, round ${round}: ${reason}`);
          say(`SKIPPED ${skipped.at(-1)}`);
        }
      }
    }
  }
  return { visits, skipped };
}

interface VisitOptions {
  readonly plan: StragglersPlan;
  readonly fault: Fault;
  readonly arm: Arm;
  readonly round: number;
  readonly port: number;
  readonly say: (line: string) => void;
}

/** What other programs did to the latencies of one arm must not be taken for a difference between the two. */
async function undisturbed(options: VisitOptions): Promise<StragglersVisit> {
  const { plan, say } = options;
  for (let attempt = 1; attempt <= plan.attempts; attempt += 1) {
    const visited = await visit(options);
    if (visited !== undefined) return visited;
    say(`other programs used the machine, attempt ${attempt} of ${plan.attempts}`);
  }
  throw new Error("other programs used the machine in every attempt: go on with --resume when it is free");
}

/** @returns undefined when it was disturbed. */
async function visit(options: VisitOptions): Promise<StragglersVisit | undefined> {
  const { plan, fault, arm, round, port, say } = options;
  const modelsDir = MODEL_DIRECTORY.trees;
  const players = ensurePlayersDb();
  const referenceFile = await ensureReference(modelsDir, players, "manifest");
  const playersDb = `${CACHE}stragglers-players.sqlite`;
  for (const left of [playersDb, `${playersDb}-wal`, `${playersDb}-shm`]) rmSync(left, { force: true });
  copyFileSync(players, playersDb);
  const adminPort = port + 1;
  const setting = { family: "trees", modelsDir, playersDb, lookupDelayMs: 0, port, processes: 1 } as const;
  await using system = await RunningSystem.start(
    stragglersSystem(arm, adminPort),
    setting,
    `${CACHE}stragglers.log`,
  );
  await using generator = await GeneratorProcess.start({
    target: { host: "127.0.0.1", port, path: `/offers/${GAME}` },
    referenceFile,
    seed: round,
  });
  const lanes = modelLanes(await nodeStatus(adminPort));
  const lane = lanes[round % lanes.length];
  if (lane === undefined) throw new Error("the node has no model lane");
  const measured = { plan, system, generator, adminPort, seed: round };
  await measureWindow({ ...measured, windowMs: plan.warmUpMs });
  const healthy = await measureWindow({ ...measured, windowMs: plan.healthyWindowMs });
  const isDisturbed = ({ otherCpuSeconds, windowSeconds }: StragglersWindow): boolean =>
    otherCpuSeconds > plan.maxDisturbedFraction * windowSeconds * machine().cores;
  if (isDisturbed(healthy)) return undefined;
  const faulty = await measureWindow({
    ...measured,
    windowMs: plan.faultyWindowMs,
    settleMs: plan.settleMs,
    goWrong: () => plant(fault, FAULT_FOLDER, lane.pid),
  });
  say(
    `round ${round}, ${fault.kind}, ${arm}: p99 ${healthy.latency.p99Ms.toFixed(1)} ms without the fault, ` +
      `${faulty.latency.p99Ms.toFixed(1)} with it, ${faulty.settled?.p99Ms.toFixed(1)} from ` +
      `${plan.settleMs} ms after it; ${faulty.wastedRuns} runs wasted, ` +
      `${faulty.refused} of ${faulty.requests} refused; others used ${faulty.otherCpuSeconds.toFixed(1)} s of CPU`,
  );
  if (isDisturbed(faulty)) return undefined;
  return {
    fault: fault.kind,
    arm,
    round,
    lane: lane.name,
    rateRps: plan.ratePerSecond,
    healthy,
    faulty,
  };
}

async function measureWindow(options: {
  readonly plan: StragglersPlan;
  readonly system: RunningSystem;
  readonly generator: GeneratorProcess;
  readonly adminPort: number;
  readonly seed: number;
  readonly windowMs: number;
  readonly settleMs?: number;
  /** Called as the window opens. */
  readonly goWrong?: () => Promise<void>;
}): Promise<StragglersWindow> {
  const { plan, system, generator, adminPort, seed, windowMs, settleMs, goWrong } = options;
  const { ratePerSecond, maxConnections, rampMs, drainMs } = plan;
  const wastedBefore = wastedRuns(await nodeStatus(adminPort));
  const watch = new WindowWatch(system, goWrong);
  const result = await generator.run(
    {
      shape: { kind: "open", ratePerSecond, seed, maxConnections },
      rampMs,
      windowMs,
      drainMs,
      ...(settleMs === undefined ? {} : { settleMs }),
    },
    watch.onEdge,
  );
  await watch.finished();
  await sleep(COUNTS_TOLD_MS);
  const wasted = wastedRuns(await nodeStatus(adminPort)) - wastedBefore;
  const { cpuSeconds, machineSeconds } = watch;
  const otherCpuSeconds = Math.max(0, machineSeconds - cpuSeconds - result.generatorCpuSeconds);
  return windowOf(result, { wastedRuns: wasted, cpuSeconds, otherCpuSeconds }, settleMs !== undefined);
}

function windowOf(
  result: LoadResult,
  counted: Pick<StragglersWindow, "wastedRuns" | "cpuSeconds" | "otherCpuSeconds">,
  hasSettled: boolean,
): StragglersWindow {
  const { requests, right, degraded, fallback, wrong, failed, refused, admitted, settled } = result;
  const { generatorCpuSeconds, windowSeconds } = result;
  return {
    requests,
    right,
    degraded,
    fallback,
    wrong,
    failed,
    refused,
    latency: admitted,
    settled: hasSettled ? settled : null,
    ...counted,
    generatorCpuSeconds,
    windowSeconds,
    sendLagP99Ms: result.sendLag?.p99Ms ?? null,
    failures: [...result.failures],
  };
}
