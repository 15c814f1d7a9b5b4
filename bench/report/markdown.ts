import type { BenchResult, Check } from "../schema.ts";
import { caseTitle, figure, range, table } from "./format.ts";

/** A results file as tables. @param plots file names of its plots, relative to where the text will be. */
export function markdown(
  result: BenchResult,
  plots: readonly { readonly title: string; readonly file: string }[],
): string {
  const parts = [head(result)];
  if (result.checks.length > 0) parts.push(`### Must reach\n\n${checks(result.checks)}`);
  for (const inCase of new Set(result.systems.map((system) => system.case)))
    parts.push(offersCase(result, inCase));
  if (result.floor.length > 0) parts.push(`### Floor: bare ONNX Runtime on all cores\n\n${floor(result)}`);
  if (result.hops.length > 0) parts.push(`### One call\n\n${hops(result)}`);
  if (result.overload.length > 0) parts.push(`### Overload\n\n${overload(result)}`);
  if (result.stragglers.length > 0) parts.push(`### Stragglers\n\n${stragglers(result)}`);
  if (result.rollout.length > 0) parts.push(`### Rollout\n\n${rollout(result)}`);
  if (result.watch.length > 0) parts.push(`### Watch\n\n${watch(result)}`);
  if (result.skipped.length > 0)
    parts.push(`### Not measured\n\n${result.skipped.map((one) => `- ${one}`).join("\n")}`);
  if (plots.length > 0) parts.push(plots.map(({ title, file }) => `![${title}](${file})`).join("\n\n"));
  const configurations = new Map(result.systems.map((system) => [system.name, system.configuration]));
  if (configurations.size > 0) {
    const lines = [...configurations].map(([name, configuration]) => `- \`${name}\`: ${configuration}`);
    parts.push(`### Configurations\n\n${lines.join("\n")}`);
  }
  return `${parts.join("\n\n")}\n`;
}

function head(result: BenchResult): string {
  const { machine, git } = result;
  const versions = Object.entries(result.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Suite \`${result.suite}\`${result.quick ? " (`--quick`: short windows, few rounds, for orientation)" : ""}, ${result.finishedAt.slice(0, 10)}, ` +
      `revision ${git.revision.slice(0, 12)}${git.dirty ? " with changes" : ""}.`,
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${figure(machine.memoryMb)} MB, Linux ${machine.kernel}.`,
    `Versions: ${versions.join(", ")}.`,
  ].join("\n");
}

function checks(all: readonly Check[]): string {
  return table(
    ["figure", "bound", "measured (min–max)", "reached"],
    all.map((check) => [
      check.requirement,
      check.bound,
      check.measured === null
        ? "not measured"
        : range({
            median: check.measured,
            min: check.min ?? check.measured,
            max: check.max ?? check.measured,
          }),
      check.reached === null ? "–" : check.reached ? "yes" : "**no**",
    ]),
  );
}

function offersCase(result: BenchResult, inCase: string): string {
  const systems = result.systems.filter((system) => system.case === inCase);
  const ratio = (name: string, against: string): string => {
    const found = result.ratios.find(
      (one) => one.name === name && one.against === against && one.case === inCase,
    );
    return found === undefined ? "–" : range(found);
  };
  const capacities = table(
    [
      "system",
      "capacity/s",
      "Tutti's is … times",
      "connections",
      "p50 ms",
      "p95 ms",
      "p99 ms",
      "CPU s/1k",
      "generator CPU s/1k",
      "PSS MB",
      "cold start ms",
      "rounds",
    ],
    systems.map((system) => [
      `\`${system.name}\``,
      figure(system.capacityRps),
      ratio("capacity", system.name),
      figure(system.capacityConnections),
      figure(system.p50Ms),
      figure(system.p95Ms),
      figure(system.p99Ms),
      figure(system.cpuSecondsPer1k),
      figure(system.generatorCpuSecondsPer1k),
      figure(system.pssMb),
      figure(system.coldStartMs),
      String(system.rounds),
    ]),
  );
  const counts = table(
    ["answers", "right", "degraded", "default offer", "wrong", "failed"],
    systems.map(({ name, counts: of }) => [
      `\`${name}\``,
      ...[of.right, of.degraded, of.fallback, of.wrong, of.failed].map(String),
    ]),
  );
  const shares = [
    `Tutti's capacity as a share of the floor's best: ${ratio("shareOfFloor", "floor, best batch")}; ` +
      `its CPU per 1,000 answers as a multiple of the floor's at batch 64: ${ratio("cpu", "floor, batch 64")}.`,
  ];
  return [`### ${caseTitle(inCase)}`, capacities, shares.join("\n"), latencies(systems), counts].join("\n\n");
}

function latencies(systems: BenchResult["systems"]): string {
  const rows = systems.flatMap((system) =>
    system.latencies.map((at) => [
      `\`${system.name}\``,
      figure(at.rateRps),
      figure(at.p50Ms),
      figure(at.p95Ms),
      figure(at.p99Ms),
      figure(at.p999Ms),
      figure(at.maxMs),
      String(at.rounds),
    ]),
  );
  if (rows.length === 0) return "No latencies at stated rates in this run.";
  return table(
    ["latency at rate", "arrivals/s", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "max ms", "rounds"],
    rows,
  );
}

function floor(result: BenchResult): string {
  return table(
    ["models", "batch", "ensembles/s", "CPU s/1k", "rounds"],
    result.floor.map((one) => [
      one.family,
      String(one.batch),
      figure(one.ensemblesPerSecond),
      figure(one.cpuSecondsPer1k),
      String(one.rounds),
    ]),
  );
}

function overload(result: BenchResult): string {
  return table(
    [
      "case",
      "arrivals",
      "capacity/s",
      "arrivals/s",
      "good answers/s",
      "share of capacity",
      "p50 ms",
      "p95 ms",
      "refused",
      "refused in, p50 ms",
      "p95 ms",
      "incomplete, refused inside",
      "failed",
      "wrong",
      "send lag p99 ms",
      "rounds",
    ],
    result.overload.map((one) => [
      caseTitle(one.case),
      `${one.multiple}x`,
      figure(one.capacityRps),
      figure(one.rateRps),
      figure(one.goodputRps),
      range(one.shareOfCapacity),
      figure(one.admittedP50Ms),
      range(one.admittedP95Ms),
      `${(one.refusedShare * 100).toFixed(0)} %`,
      figure(one.refusalP50Ms),
      figure(one.refusalP95Ms),
      figure(one.shedShare.median),
      String(one.failed),
      String(one.wrong),
      figure(one.sendLagP99Ms),
      String(one.rounds),
    ]),
  );
}

function stragglers(result: BenchResult): string {
  return table(
    [
      "fault",
      "requests",
      "arrivals/s",
      "off: p50 ms",
      "p95 ms",
      "p99 ms",
      "on: p50 ms",
      "p95 ms",
      "p99 ms",
      "p99 lower by, times",
      "executions more, on",
      "cores busy, on",
      "by others, at worst",
      "refused, off",
      "on",
      "degraded",
      "failed",
      "wrong",
      "rounds",
    ],
    result.stragglers.map((one) => [
      one.fault,
      one.window === "healthy" ? "before it" : one.window === "settled" ? "from 2 s after it" : "from it on",
      figure(one.rateRps),
      ...[one.off, one.on].flatMap((arm) => [arm.p50Ms, arm.p95Ms, arm.p99Ms].map(figure)),
      range(one.timesLower),
      percent(one.extraExecutions.median),
      percent(one.busyFraction),
      percent(one.disturbedFraction),
      percent(one.refusedOff),
      percent(one.refusedOn),
      ...[one.degraded, one.failed, one.wrong, one.rounds].map(String),
    ]),
  );
}

function rollout(result: BenchResult): string {
  return table(
    [
      "requests",
      "arrivals/s",
      "p50 ms",
      "p95 ms",
      "p99 ms",
      "highest ms",
      "p95, times",
      "updates",
      "one takes ms",
      "failed",
      "degraded",
      "wrong",
      "rounds",
    ],
    result.rollout.flatMap((one) => [
      [
        "without updates",
        figure(one.rateRps),
        ...[one.steady.p50Ms, one.steady.p95Ms, one.steady.p99Ms, one.steady.maxMs].map(figure),
        ...["–", "–", "–", "–", "–", "–"],
        String(one.rounds),
      ],
      [
        "during updates",
        figure(one.rateRps),
        ...[one.updating.p50Ms, one.updating.p95Ms, one.updating.p99Ms, one.updating.maxMs].map(figure),
        range(one.p95Times),
        String(one.updates),
        figure(one.updateMs),
        ...[one.failed, one.degraded, one.wrong, one.rounds].map(String),
      ],
    ]),
  );
}

function watch(result: BenchResult): string {
  return table(
    [
      "changed",
      "written",
      "changes",
      "served after ms (min–max)",
      "p95 ms",
      "in under 1 s",
      "requests meanwhile",
      "slowest ms",
      "failed",
      "wrong",
      "rounds",
    ],
    result.watch.map((one) => [
      one.changed,
      WAYS[one.way],
      String(one.changes),
      range(one.servedMs),
      figure(one.p95Ms),
      percent(one.soonShare),
      figure(one.requests),
      figure(one.slowestRequestMs),
      ...[one.failed, one.wrong, one.rounds].map(String),
    ]),
  );
}

const WAYS: Readonly<Record<BenchResult["watch"][number]["way"], string>> = {
  renamed: "whole, by renaming",
  "in-place": "in place",
  "version-folder": "as the folder of its next version",
};

const percent = (fraction: number): string => `${figure(fraction * 100)} %`;

function hops(result: BenchResult): string {
  return table(
    ["call", "payload bytes", "p50 µs", "p95 µs", "p99 µs", "calls/s, 64 under way", "against", "rounds"],
    result.hops.map((one) => {
      const ratio = result.ratios.find((r) => r.of === one.subject && r.case === `${one.payloadBytes} bytes`);
      return [
        `\`${one.subject}\``,
        figure(one.payloadBytes),
        figure(one.p50Ms * 1000),
        figure(one.p95Ms * 1000),
        figure(one.p99Ms * 1000),
        figure(one.callsPerSecond),
        ratio === undefined ? "–" : `${range(ratio)} x ${ratio.against}`,
        String(one.rounds),
      ];
    }),
  );
}
