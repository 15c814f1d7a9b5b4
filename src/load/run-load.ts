import { setTimeout as sleep } from "node:timers/promises";
import { ClosedLoop } from "./closed-loop.ts";
import { type LoadReport, LoadTally } from "./load-tally.ts";
import { OpenLoop } from "./open-loop.ts";
import { poissonSchedule } from "./poisson-schedule.ts";
import type { RequestSource, Target } from "./request-source.ts";

export type LoadShape =
  | { readonly kind: "open"; readonly ratePerSecond: number; readonly maxConnections: number }
  | { readonly kind: "closed"; readonly connections: number };

export interface LoadPlan {
  readonly target: Target;
  readonly source: RequestSource;
  readonly shape: LoadShape;
  /** Load before the window; nothing of it is counted. */
  readonly warmUpMs: number;
  /** The window that is counted. */
  readonly windowMs: number;
  /** How long unanswered requests are waited for after the window; then they count as failed. */
  readonly drainMs: number;
  /** Answers within it are counted. Default: there is none. */
  readonly deadlineMs: number | undefined;
  /** Ends the window; what is out by then is not counted. */
  readonly signal: AbortSignal;
  readonly onWindow: () => void;
  /** Every second of the window. */
  readonly onProgress: (soFar: {
    readonly elapsedMs: number;
    readonly ok: number;
    readonly failed: number;
  }) => void;
}

export interface LoadRun {
  readonly report: LoadReport;
  /** `overloaded`: requests waited for a connection for so long that the rate cannot be carried. */
  readonly ended: "complete" | "overloaded" | "interrupted";
}

/** The same send times in every run: what is compared has the same arrivals. */
const SEED = 1;
const PROGRESS_EVERY_MS = 1000;

/** Sends requests as planned, and counts what becomes of those of the window. */
export async function runLoad(plan: LoadPlan): Promise<LoadRun> {
  const { signal, warmUpMs, windowMs } = plan;
  const tally = new LoadTally(plan.deadlineMs);
  const load =
    plan.shape.kind === "open" ? startOpen(plan, plan.shape, tally) : startClosed(plan, plan.shape, tally);
  // What is not waited for any more must not keep the program that measures: its timers end with the run.
  const over = new AbortController();
  const anyEnd = AbortSignal.any([signal, over.signal]);
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal: anyEnd }).catch(() => {});
  await pause(Math.max(0, warmUpMs - load.elapsedMs()));
  plan.onWindow();
  const openedAtMs = performance.now();
  const progress = setInterval(() => {
    const { ok, failures: failed } = tally;
    plan.onProgress({ elapsedMs: performance.now() - openedAtMs, ok, failed });
  }, PROGRESS_EVERY_MS);
  await Promise.race([pause(windowMs), load.hopeless]);
  clearInterval(progress);
  const closedAtMs = performance.now();
  load.windowEnded();
  if (!signal.aborted && !load.isOverloaded()) await Promise.race([load.allEnded, pause(plan.drainMs)]);
  over.abort();
  const ended = signal.aborted ? "interrupted" : load.isOverloaded() ? "overloaded" : "complete";
  if (ended === "complete")
    for (let n = load.outstanding(); n > 0; n -= 1)
      tally.failed(`no answer within ${plan.drainMs} ms after the end`);
  await load.close();
  return { report: tally.report((closedAtMs - openedAtMs) / 1000, plan.shape.kind === "open"), ended };
}

/** Either loop, as far as it is needed here. */
interface RunningLoad {
  elapsedMs(): number;
  outstanding(): number;
  isOverloaded(): boolean;
  readonly allEnded: Promise<void>;
  readonly hopeless: Promise<void>;
  windowEnded(): void;
  close(): Promise<void>;
}

function startOpen(
  { target, source, warmUpMs, windowMs }: LoadPlan,
  { ratePerSecond, maxConnections }: Extract<LoadShape, { kind: "open" }>,
  tally: LoadTally,
): RunningLoad {
  const schedule = poissonSchedule({ ratePerSecond, durationMs: warmUpMs + windowMs, seed: SEED });
  const isCounted = (intendedMs: number): boolean => intendedMs >= warmUpMs;
  const loop = new OpenLoop({
    target,
    schedule,
    maxConnections,
    source,
    events: {
      sent: (lagMs, intendedMs) => {
        if (isCounted(intendedMs)) tally.sent(lagMs);
      },
      answered: (_, response, latencyMs, intendedMs) => {
        if (isCounted(intendedMs)) tally.answered(response, latencyMs);
      },
      failed: (_, reason, intendedMs) => {
        if (isCounted(intendedMs)) tally.failed(reason);
      },
      ...connectionCounts(tally),
    },
  });
  return {
    elapsedMs: () => loop.elapsedMs,
    outstanding: () => loop.outstanding,
    isOverloaded: () => loop.isOverloaded,
    allEnded: loop.allEnded,
    hopeless: loop.hopeless,
    // Its schedule has ended too; what waits for a connection is sent yet.
    windowEnded: () => {},
    close: () => loop.close(),
  };
}

function startClosed(
  { target, source, warmUpMs, windowMs }: LoadPlan,
  { connections }: Extract<LoadShape, { kind: "closed" }>,
  tally: LoadTally,
): RunningLoad {
  // An answer counts in the window in which it ends.
  const isCounted = (endedAtMs: number): boolean => endedAtMs >= warmUpMs && endedAtMs <= warmUpMs + windowMs;
  const startedAtMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedAtMs;
  const loop = new ClosedLoop({
    target,
    connections,
    source,
    events: {
      answered: (_, response, latencyMs, sentAtMs) => {
        if (isCounted(sentAtMs + latencyMs)) tally.answered(response, latencyMs);
      },
      failed: (_, reason) => {
        if (isCounted(elapsedMs())) tally.failed(reason);
      },
      ...connectionCounts(tally),
    },
  });
  return {
    elapsedMs,
    outstanding: () => loop.outstanding,
    isOverloaded: () => false,
    allEnded: loop.allEnded,
    hopeless: new Promise(() => {}),
    windowEnded: () => loop.stop(),
    close: async () => loop.close(),
  };
}

const connectionCounts = (tally: LoadTally) => ({
  resent: () => {
    tally.resent += 1;
  },
  opened: () => {
    tally.connectionsOpened += 1;
  },
});
