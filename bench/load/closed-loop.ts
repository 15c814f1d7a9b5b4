import { setTimeout as sleep } from "node:timers/promises";
import { ClosedLoop } from "../../src/load/closed-loop.ts";
import type { ReferenceAnswer } from "./answer-check.ts";
import type { ClosedLoop as ClosedShape, LoadPlan, LoadResult, Target } from "./messages.ts";
import { Recorder } from "./recorder.ts";
import type { Replay } from "./replay.ts";
import { Window } from "./window.ts";

/** Clients that ask again as soon as they have their answers, each of which is checked. */
export async function runClosedLoop(options: {
  readonly target: Target;
  readonly plan: LoadPlan;
  readonly shape: ClosedShape;
  readonly replay: Replay;
  readonly reference: readonly ReferenceAnswer[];
  readonly announce: (edge: "open" | "close") => void;
}): Promise<LoadResult> {
  const { target, plan, replay, reference } = options;
  let recorder = new Recorder(reference, plan.inTimeMs);
  const window = new Window(options.announce);
  let sending = true;
  const load = new ClosedLoop({
    target,
    connections: options.shape.connections,
    source: replay,
    events: {
      answered: (player, response, latencyMs) => {
        // An answer counts in the window in which it ends.
        if (sending) recorder.answered(player, response, latencyMs);
      },
      failed: (_, reason) => {
        if (sending) recorder.failed(reason);
      },
      resent: () => {
        recorder.resent += 1;
      },
      opened: () => {
        recorder.connectionsOpened += 1;
      },
    },
  });
  await sleep(plan.rampMs);
  recorder = new Recorder(reference, plan.inTimeMs);
  window.open();
  await sleep(plan.windowMs);
  sending = false;
  load.stop();
  window.close();
  await Promise.race([load.allEnded, sleep(plan.drainMs, undefined, { ref: false })]);
  for (let n = 0; n < load.outstanding; n += 1) recorder.failed("no answer within the drain time");
  load.close();
  return recorder.result({ ...window.measured, overloaded: false, openLoop: false });
}
