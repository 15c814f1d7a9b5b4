import { setTimeout as sleep } from "node:timers/promises";
import { OpenLoop } from "../../src/load/open-loop.ts";
import { poissonSchedule } from "../../src/load/poisson-schedule.ts";
import type { ReferenceAnswer } from "./answer-check.ts";
import type { LoadPlan, LoadResult, OpenLoop as OpenShape, Target } from "./messages.ts";
import { Recorder } from "./recorder.ts";
import type { Replay } from "./replay.ts";
import { Window } from "./window.ts";

/** Requests at the times of a Poisson process; each answer to one of the window is checked. */
export async function runOpenLoop(options: {
  readonly target: Target;
  readonly plan: LoadPlan;
  readonly shape: OpenShape;
  readonly replay: Replay;
  readonly reference: readonly ReferenceAnswer[];
  readonly announce: (edge: "open" | "close") => void;
}): Promise<LoadResult> {
  const { target, plan, shape, replay } = options;
  const schedule = poissonSchedule({
    ratePerSecond: shape.ratePerSecond,
    durationMs: plan.rampMs + plan.windowMs,
    seed: shape.seed,
    risingMs: shape.risingMs ?? 0,
  });
  const settledFromMs = plan.settleMs === undefined ? Number.POSITIVE_INFINITY : plan.rampMs + plan.settleMs;
  const isCounted = (intendedMs: number): boolean => intendedMs >= plan.rampMs;
  const isSettled = (intendedMs: number): boolean => intendedMs >= settledFromMs;
  const recorder = new Recorder(options.reference, plan.inTimeMs);
  const window = new Window(options.announce);
  const load = new OpenLoop({
    target,
    schedule,
    maxConnections: shape.maxConnections,
    grainMs: shape.grainMs,
    reuse: shape.reuse,
    source: replay,
    events: {
      sent: (lagMs, intendedMs) => {
        if (isCounted(intendedMs)) recorder.sent(lagMs);
      },
      answered: (player, response, latencyMs, intendedMs) => {
        if (isCounted(intendedMs)) recorder.answered(player, response, latencyMs, isSettled(intendedMs));
      },
      failed: (_, reason, intendedMs) => {
        if (isCounted(intendedMs)) recorder.failed(reason, isSettled(intendedMs));
      },
      resent: () => {
        recorder.resent += 1;
      },
      opened: () => {
        recorder.connectionsOpened += 1;
      },
    },
  });
  try {
    await sleep(Math.max(0, plan.rampMs - load.elapsedMs));
    window.open();
    await Promise.race([load.hopeless, sleep(plan.windowMs)]);
    window.close();
    const drainMs = schedule.length === 0 ? 0 : plan.drainMs;
    await Promise.race([load.allEnded, load.hopeless, sleep(drainMs)]);
  } finally {
    await load.close();
  }
  for (let n = 0; n < load.outstanding; n += 1) {
    recorder.failed("no answer within the drain time", plan.settleMs !== undefined);
  }
  return recorder.result({ ...window.measured, overloaded: load.isOverloaded, openLoop: true });
}
