import type { Family } from "../reference/paths.ts";
import type { SystemName } from "../systems/system.ts";

/** One setting in which all systems are compared. */
export interface Case {
  readonly family: Family;
  readonly lookupDelayMs: number;
  readonly rounds: number;
  /** Whether the highest rate of `flask-story` is looked for, and all systems measured at it. */
  readonly atStoryRate: boolean;
  /** Arrival rates of the open loop; a system is measured at those that it can carry. */
  readonly ratesRps: readonly number[];
}

export interface OffersPlan {
  /** The p95 that a level must meet to count as carried. */
  readonly limitMs: number;
  readonly processes: number;
  readonly cases: readonly Case[];
  readonly systems: readonly SystemName[];
  readonly warmUpMs: number;
  readonly rampMs: number;
  readonly windowMs: number;
  /** At low rates a window is longer, up to three times, until it has so many arrivals: a 95th percentile of few is one burst's luck. */
  readonly arrivalsWanted: number;
  readonly drainMs: number;
  readonly searchPrecision: number;
  /** Probes of a system's first search in a case; later rounds begin where it ended. */
  readonly firstProbes: number;
  readonly laterProbes: number;
  readonly floor: {
    readonly batches: readonly number[];
    readonly warmUpMs: number;
    readonly durationMs: number;
  };
  /** No visit begins after this much time. */
  readonly budgetMs: number;
}

export function caseName(one: { readonly family: string; readonly lookupDelayMs: number }): string {
  return `${one.family}/${one.lookupDelayMs}ms`;
}

/** `quick` is for orientation, `standard` for published figures within the hour, `full` has every case and rate. */
export type Effort = "quick" | "standard" | "full";

export function offersPlan(options: {
  readonly effort: Effort;
  readonly systems: readonly SystemName[];
  readonly families: readonly Family[];
  readonly rounds: number | undefined;
}): OffersPlan {
  const common = { limitMs: 50, processes: 2, systems: options.systems };
  const cases = CASES[options.effort]
    .filter(({ family }) => options.families.includes(family))
    .map((one) => (options.rounds === undefined ? one : { ...one, rounds: options.rounds }));
  switch (options.effort) {
    case "quick":
      return {
        ...common,
        cases,
        warmUpMs: 1_000,
        rampMs: 400,
        windowMs: 1_600,
        arrivalsWanted: 200,
        drainMs: 1_500,
        searchPrecision: 1.4,
        firstProbes: 5,
        laterProbes: 3,
        floor: { batches: [1, 16, 64], warmUpMs: 300, durationMs: 1_000 },
        // Who asks for more rounds has the time for them.
        budgetMs: options.rounds === undefined ? 430_000 : 3_600_000,
      };
    case "standard":
      return {
        ...common,
        cases,
        // A compiler that is still at work is not the system: several processes take seconds to be warm.
        warmUpMs: 4_000,
        rampMs: 500,
        windowMs: 2_000,
        arrivalsWanted: 1_000,
        drainMs: 1_000,
        searchPrecision: 1.1,
        firstProbes: 6,
        laterProbes: 5,
        floor: { batches: [1, 16, 64], warmUpMs: 500, durationMs: 1_000 },
        budgetMs: 2 * 3_600_000,
      };
    case "full":
      return {
        ...common,
        cases,
        warmUpMs: 5_000,
        rampMs: 1_000,
        windowMs: 4_000,
        arrivalsWanted: 1_000,
        drainMs: 3_000,
        searchPrecision: 1.1,
        firstProbes: 10,
        laterProbes: 5,
        floor: { batches: [1, 16, 64, 256], warmUpMs: 1_000, durationMs: 3_000 },
        budgetMs: 5 * 3_600_000,
      };
  }
}

const TREE_RATES = [20, 50, 100, 200, 400, 800, 1_600, 2_400, 3_200];
const DENSE_RATES = [10, 25, 50, 100, 200, 400, 800, 1_200];

const FULL_CASES: readonly Case[] = [
  { family: "trees", lookupDelayMs: 0, rounds: 5, atStoryRate: true, ratesRps: TREE_RATES },
  { family: "trees", lookupDelayMs: 10, rounds: 5, atStoryRate: true, ratesRps: TREE_RATES },
  { family: "dense", lookupDelayMs: 0, rounds: 5, atStoryRate: true, ratesRps: DENSE_RATES },
  { family: "dense", lookupDelayMs: 10, rounds: 5, atStoryRate: true, ratesRps: DENSE_RATES },
];

const QUICK_CASES: readonly Case[] = [
  { family: "trees", lookupDelayMs: 0, rounds: 2, atStoryRate: true, ratesRps: [50, 400, 1_600] },
  { family: "trees", lookupDelayMs: 10, rounds: 1, atStoryRate: false, ratesRps: [] },
  { family: "dense", lookupDelayMs: 0, rounds: 1, atStoryRate: false, ratesRps: [] },
];

const STANDARD_CASES: readonly Case[] = [
  { family: "trees", lookupDelayMs: 0, rounds: 5, atStoryRate: true, ratesRps: [400, 1_600] },
  { family: "trees", lookupDelayMs: 10, rounds: 5, atStoryRate: false, ratesRps: [] },
  { family: "dense", lookupDelayMs: 0, rounds: 5, atStoryRate: false, ratesRps: [] },
];

const CASES: Readonly<Record<Effort, readonly Case[]>> = {
  quick: QUICK_CASES,
  standard: STANDARD_CASES,
  full: FULL_CASES,
};

/**
 * Connections with which a system's first search begins. It only saves probes: the search goes up or down from there
 * until it has the limit between two levels.
 */
export function firstConnections(system: SystemName, one: Case): number {
  const waiting = one.lookupDelayMs > 0;
  switch (system) {
    case "flask-story":
      return 4;
    case "flask-best":
      return one.family === "trees" ? 24 : 8;
    case "legacy-ts":
      return waiting ? 8 : 24;
    case "onnx-best-ts":
      return one.family === "trees" ? 48 : 8;
    case "onnx-microbatch-ts":
    case "tutti":
    case "tutti-baseline":
      return one.family === "trees" ? 96 : 48;
  }
}
