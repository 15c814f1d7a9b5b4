import { build } from "hdr-histogram-js";
import type { CellStore } from "../measure/cells.ts";
import { type HopSample, hopSampleSchema } from "../schema.ts";
import type { HopSubject, RunningHop } from "./hop-subject.ts";

const IN_FLIGHT = 64;

export interface HopPlan {
  readonly rounds: number;
  /** 0 is the no-op call. */
  readonly payloads: readonly number[];
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly maxCalls: number;
}

export function hopPlan(options: { readonly quick: boolean; readonly rounds: number | undefined }): HopPlan {
  const payloads = [0, 1_024, 16 * 1_024, 64 * 1_024, 256 * 1_024, 1_024 * 1_024];
  return options.quick
    ? { rounds: options.rounds ?? 2, payloads, warmUpMs: 200, durationMs: 500, maxCalls: 20_000 }
    : { rounds: options.rounds ?? 7, payloads, warmUpMs: 1_000, durationMs: 2_000, maxCalls: 200_000 };
}

/** Round trips of each subject at each size, the subjects in turn within a round. */
export async function runHop(options: {
  readonly plan: HopPlan;
  readonly subjects: readonly HopSubject[];
  readonly cells: CellStore;
  readonly say: (line: string) => void;
}): Promise<HopSample[]> {
  const { plan, subjects, cells, say } = options;
  const samples: HopSample[] = [];
  for (let round = 1; round <= plan.rounds; round += 1) {
    for (const subject of subjects) {
      await using running = lazily(() => subject.start());
      for (const payloadBytes of plan.payloads) {
        const cell = `${subject.name}-${payloadBytes}-${round}`;
        const sample = await cells.cell(cell, hopSampleSchema, async () => {
          const hop = await running.get();
          await oneAtATime(hop, payloadBytes, plan.warmUpMs, plan.maxCalls);
          const latency = await oneAtATime(hop, payloadBytes, plan.durationMs, plan.maxCalls);
          const callsPerSecond =
            payloadBytes <= 64 * 1_024 ? await manyAtOnce(hop, payloadBytes, plan) : null;
          return { subject: subject.name, payloadBytes, round, latency, callsPerSecond };
        });
        samples.push(sample);
        say(
          `${subject.name} ${payloadBytes} B, round ${round}: p50 ${(sample.latency.p50Ms * 1000).toFixed(1)} µs` +
            (sample.callsPerSecond === null ? "" : `, ${sample.callsPerSecond.toFixed(0)} calls/s`),
        );
      }
    }
  }
  return samples;
}

async function oneAtATime(
  hop: RunningHop,
  payloadBytes: number,
  durationMs: number,
  maxCalls: number,
): Promise<HopSample["latency"]> {
  // Nanoseconds up to ten seconds.
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 10_000_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const startedAt = performance.now();
  for (let calls = 0; calls < maxCalls && performance.now() - startedAt < durationMs; calls += 1) {
    const before = process.hrtime.bigint();
    await hop.call(payloadBytes);
    histogram.recordValue(Math.max(1, Number(process.hrtime.bigint() - before)));
  }
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 1e6;
  return {
    p50Ms: at(50),
    p95Ms: at(95),
    p99Ms: at(99),
    p999Ms: at(99.9),
    maxMs: histogram.maxValue / 1e6,
    meanMs: histogram.mean / 1e6,
    count: histogram.totalCount,
  };
}

async function manyAtOnce(hop: RunningHop, payloadBytes: number, plan: HopPlan): Promise<number> {
  const startedAt = performance.now();
  let calls = 0;
  const caller = async (): Promise<void> => {
    while (calls < plan.maxCalls && performance.now() - startedAt < plan.durationMs) {
      calls += 1;
      await hop.call(payloadBytes);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  return calls / ((performance.now() - startedAt) / 1000);
}

/** Starts a subject only when one of its cells is still to be measured. */
function lazily(start: () => Promise<RunningHop>): AsyncDisposable & { get(): Promise<RunningHop> } {
  let started: Promise<RunningHop> | undefined;
  return {
    get() {
      started ??= start();
      return started;
    },
    async [Symbol.asyncDispose]() {
      if (started !== undefined) await (await started)[Symbol.asyncDispose]();
    },
  };
}
