import { copyFileSync, rmSync } from "node:fs";
import { GeneratorProcess } from "../load/generator-process.ts";
import type { CellStore } from "../measure/cells.ts";
import { machine } from "../measure/machine.ts";
import { WindowWatch } from "../measure/window-watch.ts";
import { missingModels } from "../reference/model-files.ts";
import { CACHE, GAME, MODEL_DIRECTORY } from "../reference/paths.ts";
import { ensurePlayersDb } from "../reference/players-db.ts";
import { ensureReference } from "../reference/reference.ts";
import { rolloutSystem } from "../rollout/system.ts";
import { update } from "../rollout/updates.ts";
import { type RolloutVisit, type RolloutWindow, rolloutVisitSchema } from "../schema.ts";
import { RunningSystem } from "../systems/running-system.ts";
import type { RolloutPlan } from "./rollout-plan.ts";

interface Measurement {
  readonly plan: RolloutPlan;
  readonly port: number;
  readonly say: (line: string) => void;
}

/** The same load on one system, first as it is, then while one version after the other takes over. */
export async function runRollout({
  cells,
  ...measurement
}: Measurement & { readonly cells: CellStore }): Promise<{
  readonly visits: readonly RolloutVisit[];
  readonly skipped: readonly string[];
}> {
  const visits: RolloutVisit[] = [];
  const skipped: string[] = [];
  const missing = missingModels(MODEL_DIRECTORY.trees);
  if (missing !== undefined) return { visits, skipped: [`trees: ${missing}`] };
  for (let round = 1; round <= measurement.plan.rounds; round += 1) {
    try {
      visits.push(
        await cells.cell(`rollout-${round}`, rolloutVisitSchema, () => undisturbed(measurement, round)),
      );
    } catch (error) {
      skipped.push(`round ${round}: ${error instanceof Error ? error.message : String(error)}`);
      measurement.say(`SKIPPED ${skipped.at(-1)}`);
    }
  }
  return { visits, skipped };
}

/** What other programs did to the latencies of one window must not be taken for the updates' doing. */
async function undisturbed(measurement: Measurement, round: number): Promise<RolloutVisit> {
  const { plan, say } = measurement;
  for (let attempt = 1; attempt <= plan.attempts; attempt += 1) {
    const visited = await visit(measurement, round);
    const isDisturbed = [visited.steady, visited.updating].some(
      ({ otherCpuSeconds, windowSeconds }) =>
        otherCpuSeconds > plan.maxDisturbedFraction * windowSeconds * machine().cores,
    );
    if (!isDisturbed) return visited;
    say(`other programs used the machine, attempt ${attempt} of ${plan.attempts}`);
  }
  throw new Error("other programs used the machine in every attempt: go on with --resume when it is free");
}

async function visit({ plan, port, say }: Measurement, round: number): Promise<RolloutVisit> {
  const modelsDir = MODEL_DIRECTORY.trees;
  const players = ensurePlayersDb();
  const referenceFile = await ensureReference(modelsDir, players, "manifest");
  const playersDb = `${CACHE}rollout-players.sqlite`;
  for (const left of [playersDb, `${playersDb}-wal`, `${playersDb}-shm`]) rmSync(left, { force: true });
  copyFileSync(players, playersDb);
  const adminPort = port + 1;
  const setting = { family: "trees", modelsDir, playersDb, lookupDelayMs: 0, port, processes: 1 } as const;
  await using system = await RunningSystem.start(rolloutSystem(adminPort), setting, `${CACHE}rollout.log`);
  await using generator = await GeneratorProcess.start({
    target: { host: "127.0.0.1", port, path: `/offers/${GAME}` },
    referenceFile,
    seed: round,
  });
  const window = (windowMs: number, during?: () => Promise<void>) =>
    measureWindow({ plan, system, generator, seed: round, windowMs, during });
  await window(plan.warmUpMs);
  const steady = await window(plan.steadyWindowMs);
  let updateMs: number[] = [];
  const updating = await window(plan.updates * plan.updateEveryMs, async () => {
    updateMs = await update(adminPort, { first: 1, count: plan.updates, everyMs: plan.updateEveryMs });
  });
  say(
    `round ${round}: p95 ${steady.latency.p95Ms.toFixed(1)} ms without updates, ${updating.latency.p95Ms.toFixed(1)} ` +
      `during ${updateMs.length}; p99 ${steady.latency.p99Ms.toFixed(1)} and ${updating.latency.p99Ms.toFixed(1)}; ` +
      `${updating.failed} failed, ${updating.degraded} degraded; others used ${updating.otherCpuSeconds.toFixed(1)} s of CPU`,
  );
  return { round, rateRps: plan.ratePerSecond, updates: updateMs.length, updateMs, steady, updating };
}

async function measureWindow(options: {
  readonly plan: RolloutPlan;
  readonly system: RunningSystem;
  readonly generator: GeneratorProcess;
  readonly seed: number;
  readonly windowMs: number;
  /** Begun as the window opens. */
  readonly during: (() => Promise<void>) | undefined;
}): Promise<RolloutWindow> {
  const { plan, system, generator, seed, windowMs, during } = options;
  const { ratePerSecond, maxConnections, rampMs, drainMs } = plan;
  const watch = new WindowWatch(system, during);
  const result = await generator.run(
    { shape: { kind: "open", ratePerSecond, seed, maxConnections }, rampMs, windowMs, drainMs },
    watch.onEdge,
  );
  await watch.finished();
  const { cpuSeconds, machineSeconds } = watch;
  const { requests, right, degraded, fallback, wrong, failed, latency, failures } = result;
  const { generatorCpuSeconds, windowSeconds, sendLag } = result;
  return {
    requests,
    right,
    degraded,
    fallback,
    wrong,
    failed,
    latency,
    cpuSeconds,
    generatorCpuSeconds,
    // Processes that ended in the window are in the machine's time and not in the system's.
    otherCpuSeconds:
      during === undefined ? Math.max(0, machineSeconds - cpuSeconds - generatorCpuSeconds) : 0,
    windowSeconds,
    sendLagP99Ms: sendLag?.p99Ms ?? null,
    failures: [...failures],
  };
}
