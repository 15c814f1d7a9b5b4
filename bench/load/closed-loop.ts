import { setTimeout as sleep } from "node:timers/promises";
import type { ReferenceAnswer } from "./answer-check.ts";
import { elapsedMs } from "./clock.ts";
import { HttpConnection } from "./http-connection.ts";
import type { ClosedLoop, LoadPlan, LoadResult, Target } from "./messages.ts";
import { Recorder } from "./recorder.ts";
import type { Replay } from "./replay.ts";
import { Window } from "./window.ts";

const PAUSE_AFTER_FAILURE_MS = 20;

/**
 * A fixed number of clients, each of which asks again as soon as it has its answer. Measures what a system can carry,
 * not how it feels: a slow answer delays the next question.
 */
export async function runClosedLoop(options: {
  readonly target: Target;
  readonly plan: LoadPlan;
  readonly shape: ClosedLoop;
  readonly replay: Replay;
  readonly reference: readonly ReferenceAnswer[];
  readonly announce: (edge: "open" | "close") => void;
}): Promise<LoadResult> {
  const { target, plan, replay, reference } = options;
  const base = process.hrtime.bigint();
  let recorder = new Recorder(reference, plan.inTimeMs);
  const window = new Window(options.announce);
  let sending = true;
  let busy = 0;
  const clients: HttpConnection[] = [];
  let drained: (() => void) | undefined;

  const startClient = (): void => {
    let player = 0;
    let sentAtMs = 0;
    const ask = (): void => {
      if (!sending) return;
      player = replay.next();
      sentAtMs = elapsedMs(base);
      busy += 1;
      connection.send(replay.request(player));
    };
    const ended = (): void => {
      busy -= 1;
      if (!sending && busy === 0) drained?.();
    };
    const connection = new HttpConnection(target.host, target.port, {
      answered: (response) => {
        // An answer counts in the window in which it ends.
        if (sending) recorder.answered(player, response, elapsedMs(base) - sentAtMs);
        ended();
        // A client that was refused does not ask again at once, or refusing would be all that is measured.
        if (response.status === 503) setTimeout(ask, PAUSE_AFTER_FAILURE_MS);
        else ask();
      },
      failed: (reason) => {
        if (sending) recorder.failed(reason);
        ended();
        setTimeout(ask, PAUSE_AFTER_FAILURE_MS);
      },
      resent: () => {
        recorder.resent += 1;
      },
      opened: () => {
        recorder.connectionsOpened += 1;
      },
    });
    clients.push(connection);
    ask();
  };

  for (let n = 0; n < options.shape.connections; n += 1) startClient();
  await sleep(plan.rampMs);
  recorder = new Recorder(reference, plan.inTimeMs);
  window.open();
  await sleep(plan.windowMs);
  sending = false;
  window.close();
  if (busy > 0) {
    const whenDrained = new Promise<void>((resolve) => {
      drained = resolve;
    });
    await Promise.race([whenDrained, sleep(plan.drainMs, undefined, { ref: false })]);
  }
  for (let n = 0; n < busy; n += 1) recorder.failed("no answer within the drain time");
  for (const client of clients) client.close();
  return recorder.result({ ...window.measured, overloaded: false, openLoop: false });
}
