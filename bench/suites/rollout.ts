import type { CellStore } from "../measure/cells.ts";
import { rolloutSystem } from "../rollout/system.ts";
import { update } from "../rollout/updates.ts";
import { type RolloutVisit, type RolloutWindow, rolloutVisitSchema } from "../schema.ts";
import { isDisturbed, LoadedNode, type LoadedWindow } from "./loaded-node.ts";
import type { RolloutPlan } from "./rollout-plan.ts";
import { undisturbedVisits, type Visited } from "./undisturbed-visits.ts";

interface Measurement {
  readonly plan: RolloutPlan;
  readonly port: number;
  readonly say: (line: string) => void;
}

/** The same load on one system, first as it is, then for as long while one version after the other takes over. */
export async function runRollout({
  cells,
  ...measurement
}: Measurement & { readonly cells: CellStore }): Promise<Visited<RolloutVisit>> {
  const { plan, say } = measurement;
  const rounds = Array.from({ length: plan.rounds }, (_, at) => at + 1);
  return undisturbedVisits(
    { plan, cells, schema: rolloutVisitSchema, say },
    rounds.map((round) => ({
      cell: `rollout-${round}`,
      title: `round ${round}`,
      visit: () => visit(measurement, round),
    })),
  );
}

/** @returns undefined when it was disturbed. */
async function visit({ plan, port, say }: Measurement, round: number): Promise<RolloutVisit | undefined> {
  const adminPort = port + 1;
  await using node = await LoadedNode.start({
    plan,
    system: rolloutSystem(adminPort),
    name: "rollout",
    port,
    seed: round,
  });
  const windowMs = plan.updates * plan.updateEveryMs;
  await node.window(plan.warmUpMs);
  const steady = toWindow(await node.window(windowMs));
  if (isDisturbed(steady, plan)) return undefined;
  let updateMs: number[] = [];
  const atOpen = async () => {
    updateMs = await update(adminPort, { first: 1, count: plan.updates, everyMs: plan.updateEveryMs });
  };
  const updating = toWindow(await node.window(windowMs, { atOpen }));
  say(
    `round ${round}: p95 ${steady.latency.p95Ms.toFixed(1)} ms without updates, ${updating.latency.p95Ms.toFixed(1)} ` +
      `during ${updateMs.length}; p99 ${steady.latency.p99Ms.toFixed(1)} and ${updating.latency.p99Ms.toFixed(1)}; ` +
      `${updating.failed} failed, ${updating.degraded} degraded; others used ${steady.otherCpuSeconds.toFixed(1)} and ` +
      `${updating.otherCpuSeconds.toFixed(1)} s of CPU`,
  );
  if (isDisturbed(updating, plan)) return undefined;
  return { round, rateRps: plan.ratePerSecond, updates: updateMs.length, updateMs, steady, updating };
}

function toWindow({ result, cpuSeconds, otherCpuSeconds }: LoadedWindow): RolloutWindow {
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
    otherCpuSeconds,
    windowSeconds,
    sendLagP99Ms: sendLag?.p99Ms ?? null,
    failures: [...failures],
  };
}
