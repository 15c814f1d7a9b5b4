import { setTimeout as sleep } from "node:timers/promises";
import type { CellStore } from "../measure/cells.ts";
import { type StragglersVisit, type StragglersWindow, stragglersVisitSchema } from "../schema.ts";
import { ARMS, type Arm } from "../stragglers/arm.ts";
import { type Fault, plant } from "../stragglers/fault.ts";
import { modelLanes, nodeStatus, wastedRuns } from "../stragglers/node-status.ts";
import { FAULT_FOLDER, stragglersSystem } from "../stragglers/system.ts";
import { isDisturbed, LoadedNode, type LoadedWindow } from "./loaded-node.ts";
import type { StragglersPlan } from "./stragglers-plan.ts";
import { type PlannedVisit, undisturbedVisits, type Visited } from "./undisturbed-visits.ts";

/** Executors tell their counts about every second. */
const COUNTS_TOLD_MS = 1_500;

/** The same load on the same system with a fault, with all that is done about stragglers and with none of it. */
export async function runStragglers(options: {
  readonly plan: StragglersPlan;
  readonly cells: CellStore;
  readonly port: number;
  readonly say: (line: string) => void;
}): Promise<Visited<StragglersVisit>> {
  const { plan, cells, say } = options;
  return undisturbedVisits({ plan, cells, schema: stragglersVisitSchema, say }, planVisits(options));
}

function* planVisits(
  options: Pick<VisitOptions, "plan" | "port" | "say">,
): Iterable<PlannedVisit<StragglersVisit>> {
  const { plan } = options;
  for (let round = 1; round <= plan.rounds; round += 1) {
    for (const fault of plan.faults) {
      // Neither is always the first.
      for (const arm of round % 2 === 1 ? ARMS : [...ARMS].reverse()) {
        yield {
          cell: `${fault.kind}-${arm}-${round}`,
          title: `${fault.kind}, ${arm}, round ${round}`,
          visit: () => visit({ ...options, fault, arm, round }),
        };
      }
    }
  }
}

interface VisitOptions {
  readonly plan: StragglersPlan;
  readonly fault: Fault;
  readonly arm: Arm;
  readonly round: number;
  readonly port: number;
  readonly say: (line: string) => void;
}

/** @returns undefined when it was disturbed. */
async function visit(options: VisitOptions): Promise<StragglersVisit | undefined> {
  const { plan, fault, arm, round, port, say } = options;
  const adminPort = port + 1;
  await using node = await LoadedNode.start({
    plan,
    system: stragglersSystem(arm, adminPort),
    name: "stragglers",
    port,
    seed: round,
  });
  const lanes = modelLanes(await nodeStatus(adminPort));
  const lane = lanes[round % lanes.length];
  if (lane === undefined) throw new Error("the node has no model lane");
  const measured = { node, adminPort };
  await measureWindow({ ...measured, windowMs: plan.warmUpMs });
  const healthy = await measureWindow({ ...measured, windowMs: plan.healthyWindowMs });
  if (isDisturbed(healthy, plan)) return undefined;
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
  if (isDisturbed(faulty, plan)) return undefined;
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
  readonly node: LoadedNode;
  readonly adminPort: number;
  readonly windowMs: number;
  readonly settleMs?: number;
  /** Called as the window opens. */
  readonly goWrong?: () => Promise<void>;
}): Promise<StragglersWindow> {
  const { node, adminPort, windowMs, settleMs, goWrong } = options;
  const wastedBefore = wastedRuns(await nodeStatus(adminPort));
  const window = await node.window(windowMs, {
    ...(goWrong === undefined ? {} : { atOpen: goWrong }),
    ...(settleMs === undefined ? {} : { settleMs }),
  });
  await sleep(COUNTS_TOLD_MS);
  const wasted = wastedRuns(await nodeStatus(adminPort)) - wastedBefore;
  return toWindow(window, wasted, settleMs !== undefined);
}

function toWindow(
  { result, cpuSeconds, otherCpuSeconds }: LoadedWindow,
  wasted: number,
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
    wastedRuns: wasted,
    cpuSeconds,
    otherCpuSeconds,
    generatorCpuSeconds,
    windowSeconds,
    sendLagP99Ms: result.sendLag?.p99Ms ?? null,
    failures: [...result.failures],
  };
}
