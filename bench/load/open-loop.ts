import { setTimeout as sleep } from "node:timers/promises";
import type { ReferenceAnswer } from "./answer-check.ts";
import { elapsedMs } from "./clock.ts";
import { HttpConnection } from "./http-connection.ts";
import type { LoadPlan, LoadResult, OpenLoop, Target } from "./messages.ts";
import { poissonSchedule } from "./poisson-schedule.ts";
import { PreciseTicker } from "./precise-ticker.ts";
import { Recorder } from "./recorder.ts";
import type { Replay } from "./replay.ts";
import { Window } from "./window.ts";

/** New connections are opened up to this number before idle ones are used again: the load reaches all processes. */
const SPREAD_CONNECTIONS = 16;
/** A queue this old means that the rate cannot be carried; waiting longer would only prove it again. */
const HOPELESS_MS = 5_000;

interface Arrival {
  readonly player: number;
  readonly intendedMs: number;
  readonly counted: boolean;
}

/**
 * Requests at the times of a Poisson process, whatever the system does. A latency is counted from the time at which the
 * request was *meant* to be sent, so waiting for a free connection (or for the generator) is part of it.
 */
export async function runOpenLoop(options: {
  readonly target: Target;
  readonly plan: LoadPlan;
  readonly shape: OpenLoop;
  readonly replay: Replay;
  readonly reference: readonly ReferenceAnswer[];
  readonly announce: (edge: "open" | "close") => void;
}): Promise<LoadResult> {
  const { target, plan, shape, replay } = options;
  const lengthMs = plan.rampMs + plan.windowMs;
  const schedule = poissonSchedule({
    ratePerSecond: shape.ratePerSecond,
    durationMs: lengthMs,
    seed: shape.seed,
  });
  const settledFromMs = plan.settleMs === undefined ? Number.POSITIVE_INFINITY : plan.rampMs + plan.settleMs;
  const isSettled = ({ intendedMs }: Arrival): boolean => intendedMs >= settledFromMs;
  const recorder = new Recorder(options.reference, plan.inTimeMs);
  const window = new Window(options.announce);
  // The ticker's thread needs a moment to start.
  const base = process.hrtime.bigint() + 100_000_000n;
  const idle: Client[] = [];
  const clients: Client[] = [];
  const waiting: Arrival[] = [];
  let waitingHead = 0;
  let nextArrival = 0;
  let unanswered = 0;
  let overloaded = false;
  const allAnswered = Promise.withResolvers<void>();
  const hopeless = Promise.withResolvers<void>();

  class Client {
    #arrival: Arrival | undefined;
    readonly #connection = new HttpConnection(target.host, target.port, {
      answered: (response) => {
        const arrival = this.#arrival;
        if (arrival?.counted)
          recorder.answered(
            arrival.player,
            response,
            elapsedMs(base) - arrival.intendedMs,
            isSettled(arrival),
          );
        this.#free();
      },
      failed: (reason) => {
        const arrival = this.#arrival;
        if (arrival?.counted) recorder.failed(reason, isSettled(arrival));
        this.#free();
      },
      resent: () => {
        recorder.resent += 1;
      },
      opened: () => {
        recorder.connectionsOpened += 1;
      },
    });

    send(arrival: Arrival): void {
      this.#arrival = arrival;
      if (arrival.counted) recorder.sent(elapsedMs(base) - arrival.intendedMs);
      this.#connection.send(replay.request(arrival.player));
    }

    close(): void {
      this.#connection.close();
    }

    #free(): void {
      this.#arrival = undefined;
      unanswered -= 1;
      const queued = waiting[waitingHead];
      if (queued !== undefined) {
        waitingHead += 1;
        this.send(queued);
      } else {
        idle.push(this);
      }
      if (unanswered === 0 && nextArrival === schedule.length) allAnswered.resolve();
    }
  }

  const arrive = (arrival: Arrival): void => {
    unanswered += 1;
    // The connection that has been idle longest goes first: load balancing as a proxy in front would do it.
    const free = clients.length < SPREAD_CONNECTIONS ? undefined : idle.shift();
    if (free !== undefined) {
      free.send(arrival);
    } else if (clients.length < shape.maxConnections) {
      const client = new Client();
      clients.push(client);
      client.send(arrival);
    } else {
      waiting.push(arrival);
    }
  };

  const ticker = new PreciseTicker(schedule, base, () => {
    for (;;) {
      const intendedMs = schedule[nextArrival];
      if (intendedMs === undefined || intendedMs > elapsedMs(base)) break;
      nextArrival += 1;
      arrive({ player: replay.next(), intendedMs, counted: intendedMs >= plan.rampMs });
    }
    if (nextArrival === schedule.length && unanswered === 0) allAnswered.resolve();
  });

  const watch = setInterval(() => {
    const oldest = waiting[waitingHead];
    if (oldest !== undefined && elapsedMs(base) - oldest.intendedMs > HOPELESS_MS) {
      overloaded = true;
      hopeless.resolve();
    }
  }, 100);
  try {
    await sleep(Math.max(0, plan.rampMs - elapsedMs(base)));
    window.open();
    await Promise.race([hopeless.promise, sleep(plan.windowMs)]);
    window.close();
    const drainMs = schedule.length === 0 ? 0 : plan.drainMs;
    await Promise.race([allAnswered.promise, hopeless.promise, sleep(drainMs)]);
  } finally {
    clearInterval(watch);
    await ticker.close();
    for (const client of clients) client.close();
  }
  for (let n = 0; n < unanswered; n += 1) {
    recorder.failed("no answer within the drain time", plan.settleMs !== undefined);
  }
  return recorder.result({ ...window.measured, overloaded, openLoop: true });
}
