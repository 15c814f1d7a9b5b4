import { type Spread, spread } from "../measure/statistics.ts";
import type {
  Check,
  OverloadResult,
  RatioResult,
  RolloutResult,
  StragglersResult,
  Visit,
  WatchResult,
} from "../schema.ts";

/** What must be reached, judged by the median of the rounds. */

type Bound = { readonly atLeast: number } | { readonly atMost: number };

interface RatioRequirement {
  readonly requirement: string;
  readonly ratio: Pick<RatioResult, "name" | "of" | "against" | "case">;
  readonly bound: Bound;
}

function capacity(against: string, inCase: string, atLeast: number): RatioRequirement {
  return {
    requirement: `capacity against ${against} x2, ${inCase}`,
    ratio: { name: "capacity", of: "tutti", against, case: inCase },
    bound: { atLeast },
  };
}

const OFFERS: readonly RatioRequirement[] = [
  capacity("flask-story", "trees/0ms", 25),
  capacity("flask-best", "trees/0ms", 3),
  capacity("flask-best", "trees/10ms", 3),
  capacity("legacy-ts", "dense/0ms", 8),
  capacity("legacy-ts", "trees/10ms", 15),
  capacity("onnx-best-ts", "trees/0ms", 1.5),
  capacity("onnx-best-ts", "dense/0ms", 6),
  {
    requirement: "p95 at the highest rate at which flask-story keeps its limit, times lower",
    ratio: { name: "p95AtStoryRate", of: "tutti", against: "flask-story", case: "trees/0ms" },
    bound: { atLeast: 5 },
  },
  {
    requirement: "CPU per 1,000 answers at capacity, trees, as a multiple of the floor's at batch 64",
    ratio: { name: "cpu", of: "tutti", against: "floor, batch 64", case: "trees/0ms" },
    bound: { atMost: 2 },
  },
];

/** What the code since the baseline may cost. */
const COST: readonly RatioRequirement[] = [
  capacity("tutti-baseline", "trees/0ms", 0.95),
  {
    requirement: "p50 at 1,600 requests/s, as a multiple of the baseline's",
    ratio: { name: "p50", of: "tutti", against: "tutti-baseline", case: "trees/0ms" },
    bound: { atMost: 1.1 },
  },
];

const HOP: readonly RatioRequirement[] = [
  {
    requirement: "no-op call through a handle between processes, p50, as a multiple of the bare round trip",
    ratio: { name: "roundTrip", of: "handle", against: "bare-socket", case: "0 bytes" },
    bound: { atMost: 2.5 },
  },
  {
    requirement: "15-way no-op ensemble over 2 lanes, p50, as a multiple of one call",
    ratio: { name: "roundTrip", of: "ensemble-15", against: "handle", case: "0 bytes" },
    bound: { atMost: 6 },
  },
];

export function checkOffers(ratios: readonly RatioResult[], visits: readonly Visit[]): Check[] {
  const trees = visits.filter((visit) => visit.system === "tutti" && visit.case === "trees/0ms");
  return [
    ...OFFERS.map((requirement) => judgeRatio(requirement, ratios)),
    ...(ratios.some(({ against }) => against === "tutti-baseline") ? COST : []).map((requirement) =>
      judgeRatio(requirement, ratios),
    ),
    judge(
      "memory, 15 tree models x 2 replicas, all processes, PSS under load, MB",
      { atMost: 450 },
      spread(trees.map(({ pssMb }) => pssMb)),
    ),
    judge(
      "cold start: process start to first offer answered, ms",
      { atMost: 3000 },
      spread(trees.map(({ coldStartMs }) => coldStartMs)),
    ),
  ];
}

export function checkHop(ratios: readonly RatioResult[]): Check[] {
  return HOP.map((requirement) => judgeRatio(requirement, ratios));
}

/** Goodput at twice the capacity, as a share of it. Refusing costs a third of answering where trees are asked. */
const GOODPUT_AT_TWICE: Readonly<Record<string, number>> = { "dense/0ms": 0.9, "trees/0ms": 0.7 };

export function checkOverload(results: readonly OverloadResult[]): Check[] {
  const inCases = Object.keys(GOODPUT_AT_TWICE);
  const at = (inCase: string, multiple: number): OverloadResult | undefined =>
    results.find((one) => one.case === inCase && one.multiple === multiple);
  const multiples = [...new Set(results.map(({ multiple }) => multiple))];
  return [
    ...inCases.map((inCase) =>
      judge(
        `goodput at 2x capacity, as a share of capacity, ${inCase}`,
        { atLeast: GOODPUT_AT_TWICE[inCase]! },
        at(inCase, 2)?.shareOfCapacity,
      ),
    ),
    ...inCases.flatMap((inCase) =>
      multiples.map((multiple) =>
        judge(
          `p95 of the admitted at ${multiple}x capacity, ms, ${inCase}`,
          { atMost: 100 },
          at(inCase, multiple)?.admittedP95Ms,
        ),
      ),
    ),
    ...inCases.map((inCase) =>
      judge(
        `share of answers incomplete because a bound inside refused a member, worst rate, ${inCase}`,
        { atMost: 0.001 },
        results
          .filter((one) => one.case === inCase)
          .map(({ shedShare }) => shedShare)
          .sort((a, b) => b.max - a.max)[0],
      ),
    ),
  ];
}

const FAULT_NAMES: Readonly<Record<StragglersResult["fault"], string>> = {
  "slow-lane": "one of two lanes ten times slower",
  "late-replica": "one replica 60 ms late, its lane free",
};
const SINCE: Readonly<Partial<Record<StragglersResult["window"], string>>> = {
  "from-onset": "from the fault on",
  settled: "from 2 s after the fault on",
};

export function checkStragglers(results: readonly StragglersResult[]): Check[] {
  return Object.entries(FAULT_NAMES).flatMap(([fault, name]) => {
    const found = (window: string) => results.find((one) => one.fault === fault && one.window === window);
    return [
      ...Object.entries(SINCE).map(([window, since]) =>
        judge(
          `p99, times lower than with all of it off, ${name}, ${since}`,
          { atLeast: 5 },
          found(window)?.timesLower,
        ),
      ),
      judge(
        `executions more, as a share of those needed, ${name}`,
        { atMost: 0.03 },
        found("from-onset")?.extraExecutions,
      ),
    ];
  });
}

export function checkRollout([result]: readonly RolloutResult[]): Check[] {
  return [
    judge("p95 during consecutive updates, times that without them", { atMost: 1.5 }, result?.p95Times),
    judge(
      "requests that failed or were wrong during consecutive updates",
      { atMost: 0 },
      result?.failedPerVisit,
    ),
  ];
}

/** All of them, not only the usual one: who waits for a change waits for that one. */
export function checkWatch(results: readonly WatchResult[]): Check[] {
  const shareOf = (changed: WatchResult["changed"]): Spread | undefined => {
    const found = results.filter((one) => one.changed === changed);
    const changes = found.reduce((sum, one) => sum + one.changes, 0);
    const soon = found.reduce((sum, one) => sum + Math.round(one.soonShare * one.changes), 0);
    return changes === 0 ? undefined : spread([soon / changes]);
  };
  const isEmpty = results.length === 0;
  return [
    ...(["module", "model"] as const).map((changed) =>
      judge(`share of the changes of a ${changed} served in under 1 s`, { atLeast: 1 }, shareOf(changed)),
    ),
    judge(
      "requests that failed or were wrong meanwhile",
      { atMost: 0 },
      isEmpty ? undefined : spread([results.reduce((sum, { failed, wrong }) => sum + failed + wrong, 0)]),
    ),
  ];
}

function judgeRatio({ requirement, ratio, bound }: RatioRequirement, ratios: readonly RatioResult[]): Check {
  const found = ratios.find(
    (one) =>
      one.name === ratio.name &&
      one.of === ratio.of &&
      one.against === ratio.against &&
      one.case === ratio.case,
  );
  return judge(requirement, bound, found);
}

function judge(requirement: string, bound: Bound, found: Spread | undefined): Check {
  const text = "atLeast" in bound ? `at least ${bound.atLeast}` : `at most ${bound.atMost}`;
  if (found === undefined) {
    return { requirement, bound: text, measured: null, min: null, max: null, reached: null };
  }
  const reached = "atLeast" in bound ? found.median >= bound.atLeast : found.median <= bound.atMost;
  return { requirement, bound: text, measured: found.median, min: found.min, max: found.max, reached };
}
