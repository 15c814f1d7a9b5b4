import { describe, expect, it } from "vitest";
import { type AdmitOptions, admit, initialAdmit, left, type RequestPriority } from "./admit.ts";
import { seededRandom } from "./seeded-random.ts";

/**
 * The policy before a service that batches: one lane that takes all that waits, up to a cap, each time it is free. Times
 * are virtual; arrivals are drawn from a seed.
 */
interface Service {
  readonly fixedMs: number;
  readonly itemMs: number;
  readonly maxBatch: number;
  /** While this lasts nothing is begun: an executor died, or the machine stood still. */
  readonly pause?: { readonly fromMs: number; readonly untilMs: number };
  /**
   * What requests are given; what could not be answered within is not run, as far as the lane knows: what comes while it
   * runs is read after that, and counted from then. Default 1500.
   */
  readonly timeoutMs?: number;
  /** Of the requests let in this share is never answered, and needs no lane. */
  readonly lostShare?: number;
}

interface Phase {
  readonly untilMs: number;
  readonly ratePerMs: number;
  readonly lowShare?: number;
}

interface Waiting {
  readonly priority: RequestPriority;
  readonly arrivedAtMs: number;
  readAtMs: number;
  /** Answered, or ended by its deadline. */
  hasEnded: boolean;
}

interface Passed {
  readonly limits: readonly number[];
  /** By phase. */
  readonly answered: readonly number[];
  readonly refused: readonly Record<RequestPriority, number>[];
  readonly latenciesMs: readonly number[][];
}

const OPTIONS: AdmitOptions = {
  minInFlight: 4,
  maxInFlight: 800,
  maxQueueMs: 40,
  lowPriorityShare: 0.9,
  leanShare: 0.75,
  holdMs: 1000,
};

/** Like dense models: a run of one costs nearly as much as one of ten. */
const DENSE: Service = { fixedMs: 12, itemMs: 0.35, maxBatch: 64 };
/** Like trees: each item costs as much as any other. */
const TREES: Service = { fixedMs: 0.3, itemMs: 0.2, maxBatch: 64 };

const capacityPerMs = ({ fixedMs, itemMs, maxBatch }: Service) => maxBatch / (fixedMs + itemMs * maxBatch);

function simulate(service: Service, phases: readonly Phase[], seed = 1): Passed {
  const random = seededRandom(seed);
  const state = initialAdmit(OPTIONS, 0);
  const limits: number[] = [];
  const answered = phases.map(() => 0);
  const refused = phases.map(() => ({ high: 0, low: 0 }));
  const latenciesMs: number[][] = phases.map(() => []);
  const { timeoutMs = 1500, lostShare = 0 } = service;
  /** All that are under way, the first to expire first. */
  const open: Waiting[] = [];
  let queue: Waiting[] = [];
  let running:
    | { readonly arrivals: readonly Waiting[]; readonly startedAtMs: number; readonly endsAtMs: number }
    | undefined;
  let phase = 0;
  let nextArrivalMs = 0;
  const start = (nowMs: number): void => {
    const fullRunMs = service.fixedMs + service.itemMs * service.maxBatch;
    queue = queue.filter(({ readAtMs }) => readAtMs + timeoutMs >= nowMs + fullRunMs);
    if (queue.length === 0) return;
    const arrivals = queue.slice(0, service.maxBatch);
    queue = queue.slice(service.maxBatch);
    const { fromMs, untilMs } = service.pause ?? { fromMs: 0, untilMs: 0 };
    const startedAtMs = nowMs >= fromMs && nowMs < untilMs ? untilMs : nowMs;
    const costMs = service.fixedMs + service.itemMs * arrivals.length;
    running = { arrivals, startedAtMs, endsAtMs: startedAtMs + costMs };
  };
  for (;;) {
    const endsAtMs = running?.endsAtMs ?? Number.POSITIVE_INFINITY;
    while (open[0]?.hasEnded === true) open.shift();
    const expiresAtMs = (open[0]?.arrivedAtMs ?? Number.POSITIVE_INFINITY) + timeoutMs;
    const nowMs = Math.min(nextArrivalMs, endsAtMs, expiresAtMs);
    while (phase < phases.length && nowMs >= phases[phase]!.untilMs) phase += 1;
    if (phase === phases.length) return { limits, answered, refused, latenciesMs };
    if (expiresAtMs === nowMs) {
      open[0]!.hasEnded = true;
      left(state, OPTIONS, open[0]!.priority, "expired", nowMs);
      continue;
    }
    if (running !== undefined && endsAtMs <= nextArrivalMs) {
      const { arrivals, startedAtMs } = running;
      running = undefined;
      for (const waiting of queue) if (waiting.arrivedAtMs > startedAtMs) waiting.readAtMs = nowMs;
      for (const request of arrivals) {
        const { priority, arrivedAtMs } = request;
        if (request.hasEnded) continue;
        request.hasEnded = true;
        const latencyMs = nowMs - arrivedAtMs;
        answered[phase]! += 1;
        latenciesMs[phase]!.push(latencyMs);
        const waitMs = startedAtMs - arrivedAtMs;
        left(state, OPTIONS, priority, { waitMs, latencyMs, timeoutMs }, nowMs);
      }
      limits.push(state.limit.limit);
      start(nowMs);
      continue;
    }
    const { ratePerMs, lowShare = 0 } = phases[phase]!;
    const priority = random() < lowShare ? "low" : "high";
    const verdict = admit(state, OPTIONS, priority, nowMs);
    if (verdict === "refuse" || verdict === "refuse-held") refused[phase]![priority] += 1;
    else {
      const request: Waiting = { priority, arrivedAtMs: nowMs, readAtMs: nowMs, hasEnded: false };
      open.push(request);
      if (random() >= lostShare) queue.push(request);
    }
    if (running === undefined) start(nowMs);
    nextArrivalMs = nowMs - Math.log(1 - random()) / ratePerMs;
  }
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;
}

describe.each([
  ["dense", DENSE],
  ["trees", TREES],
])("admission before a service that batches like %s", (_, service) => {
  const capacity = capacityPerMs(service);

  it("refuses nobody well below capacity", () => {
    const { refused } = simulate(service, [{ untilMs: 20_000, ratePerMs: capacity * 0.6 }]);
    expect(refused[0]).toEqual({ high: 0, low: 0 });
  });

  it.each([100, 250, 400])("refuses nobody for a pause of %d ms", (pauseMs) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const paused = { ...service, pause: { fromMs: 2000, untilMs: 2000 + pauseMs } };
      const { refused } = simulate(paused, [{ untilMs: 5000, ratePerMs: capacity * 0.3 }], seed);
      expect(refused[0]).toEqual({ high: 0, low: 0 });
    }
  });

  it.each([1.5, 2, 4])("answers nine tenths of capacity at %d times of it, in bounded time", (times) => {
    for (const seed of [1, 2, 3]) {
      const { answered, latenciesMs } = simulate(
        service,
        [
          { untilMs: 2000, ratePerMs: capacity * times },
          { untilMs: 12_000, ratePerMs: capacity * times },
        ],
        seed,
      );
      expect(answered[1]! / 10_000).toBeGreaterThan(capacity * 0.9);
      expect(quantile(latenciesMs[1]!, 0.95)).toBeLessThan(100);
    }
  });

  it.each([1.5, 2, 4])(
    "answers most of that also when little more than a run is given, at %d times of it",
    (times) => {
      const short = { ...service, timeoutMs: 2.2 * (service.fixedMs + service.itemMs * service.maxBatch) };
      for (const seed of [1, 2, 3]) {
        const { answered } = simulate(
          short,
          [
            { untilMs: 5000, ratePerMs: capacity * times },
            { untilMs: 15_000, ratePerMs: capacity * times },
          ],
          seed,
        );
        expect(answered[1]! / 10_000).toBeGreaterThan(capacity * 0.7);
      }
    },
  );

  it("stays open when something never answers that no lane is needed for", () => {
    const { refused, limits } = simulate({ ...service, lostShare: 0.3 }, [
      { untilMs: 20_000, ratePerMs: capacity * 0.3 },
    ]);
    expect(refused[0]).toEqual({ high: 0, low: 0 });
    expect(Math.min(...limits)).toBe(OPTIONS.maxInFlight);
  });

  it("recovers: after an overload the limit rises to the top and nobody is refused", () => {
    const { limits, refused } = simulate(service, [
      { untilMs: 5000, ratePerMs: capacity * 4 },
      { untilMs: 12_000, ratePerMs: capacity * 0.5 },
      { untilMs: 20_000, ratePerMs: capacity * 0.5 },
    ]);
    expect(limits.at(-1)).toBe(OPTIONS.maxInFlight);
    expect(refused[2]).toEqual({ high: 0, low: 0 });
  });

  it("refuses low priority first: while high alone is well within capacity, nearly none of it is refused", () => {
    const { refused, answered } = simulate(service, [
      { untilMs: 3000, ratePerMs: capacity * 2, lowShare: 0.7 },
      { untilMs: 13_000, ratePerMs: capacity * 2, lowShare: 0.7 },
    ]);
    const { high, low } = refused[1]!;
    expect(high / (high + low)).toBeLessThan(0.02);
    expect(answered[1]! / 10_000).toBeGreaterThan(capacity * 0.65);
  });

  it("does not flap: in a standing overload the limit stays within a factor of two", () => {
    const { limits } = simulate(service, [{ untilMs: 20_000, ratePerMs: capacity * 2 }]);
    const settled = limits.slice(Math.floor(limits.length / 4));
    expect(Math.max(...settled) / Math.min(...settled)).toBeLessThan(2);
  });
});
