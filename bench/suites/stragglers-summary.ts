import { median, ratioSpread, spread } from "../measure/statistics.ts";
import type { Latency, StragglersResult, StragglersVisit, StragglersWindow } from "../schema.ts";

const MEMBERS = 15;

interface View {
  readonly window: StragglersResult["window"];
  readonly counted: (visit: StragglersVisit) => StragglersWindow;
  readonly latency: (visit: StragglersVisit) => Latency;
}

const VIEWS: readonly View[] = [
  { window: "healthy", counted: ({ healthy }) => healthy, latency: ({ healthy }) => healthy.latency },
  { window: "from-onset", counted: ({ faulty }) => faulty, latency: ({ faulty }) => faulty.latency },
  {
    window: "settled",
    counted: ({ faulty }) => faulty,
    latency: ({ faulty }) => faulty.settled ?? faulty.latency,
  },
];

/** Medians over the rounds, ratios of the two arms round by round. Pure. @param cores of the machine. */
export function summariseStragglers(visits: readonly StragglersVisit[], cores: number): StragglersResult[] {
  return [...Map.groupBy(visits, ({ fault }) => fault).values()].flatMap((group) =>
    VIEWS.flatMap((view) => summarise(group, view, cores)),
  );
}

function summarise(
  visits: readonly StragglersVisit[],
  { window, counted, latency }: View,
  cores: number,
): StragglersResult[] {
  const of = (arm: StragglersVisit["arm"]) => visits.filter((visit) => visit.arm === arm);
  const [off, on] = [of("off"), of("on")];
  const p99ByRound = (some: readonly StragglersVisit[]) =>
    new Map(some.map((visit) => [visit.round, latency(visit).p99Ms]));
  const timesLower = ratioSpread(p99ByRound(off), p99ByRound(on));
  const extraExecutions = spread(on.map((visit) => extraShare(counted(visit))));
  // An arm alone says nothing.
  if (timesLower === undefined || extraExecutions === undefined) return [];
  const figures = (some: readonly StragglersVisit[]) => ({
    p50Ms: median(some.map((visit) => latency(visit).p50Ms)),
    p95Ms: median(some.map((visit) => latency(visit).p95Ms)),
    p99Ms: median(some.map((visit) => latency(visit).p99Ms)),
    extraExecutions: median(some.map((visit) => extraShare(counted(visit)))),
  });
  const sum = (field: "degraded" | "fallback" | "failed" | "refused" | "wrong"): number =>
    visits.reduce((total, visit) => total + counted(visit)[field], 0);
  return [
    {
      fault: on[0]!.fault,
      window,
      rounds: timesLower.rounds,
      rateRps: median(on.map(({ rateRps }) => rateRps)),
      off: figures(off),
      on: figures(on),
      timesLower,
      extraExecutions,
      busyFraction: median(on.map((visit) => busyFraction(counted(visit), cores))),
      disturbedFraction: Math.max(
        ...[...off, ...on].map((visit) => {
          const { otherCpuSeconds, windowSeconds } = counted(visit);
          return otherCpuSeconds / (windowSeconds * cores);
        }),
      ),
      degraded: sum("degraded") + sum("fallback"),
      refusedOff: refusedShare(off.map(counted)),
      refusedOn: refusedShare(on.map(counted)),
      failed: sum("failed") - sum("refused"),
      wrong: sum("wrong"),
    },
  ];
}

const extraShare = ({ wastedRuns, requests }: StragglersWindow): number =>
  wastedRuns / Math.max(1, requests * MEMBERS);

const refusedShare = (windows: readonly StragglersWindow[]): number =>
  windows.reduce((sum, { refused }) => sum + refused, 0) /
  Math.max(
    1,
    windows.reduce((sum, { requests }) => sum + requests, 0),
  );

const busyFraction = (
  { cpuSeconds, generatorCpuSeconds, windowSeconds }: StragglersWindow,
  cores: number,
): number => (cpuSeconds + generatorCpuSeconds) / (windowSeconds * cores);
