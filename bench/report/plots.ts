import { spread } from "../measure/statistics.ts";
import type { BenchResult, SystemResult, Visit } from "../schema.ts";
import { caseTitle } from "./format.ts";
import { type Bar, barPlot, type Line, linePlot } from "./svg.ts";

export interface Plot {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

export function plots(result: BenchResult): Plot[] {
  if (result.suite === "overload") return [];
  return result.suite === "offers" ? offerPlots(result) : hopPlots(result);
}

function offerPlots(result: BenchResult): Plot[] {
  const labels = [...new Set(result.systems.map(({ name }) => name)), "floor, best batch"];
  const found: Plot[] = [];
  if (result.systems.length === 0) return found;
  found.push({
    name: "capacity",
    title: "Capacity",
    svg: barPlot({
      title: "Capacity at p95 ≤ 50 ms, 2 cores (median, range of the rounds)",
      axis: "right answers per second (logarithmic)",
      bars: capacityBars(result),
      labels,
      log: true,
    }),
  });
  found.push({
    name: "memory",
    title: "Memory",
    svg: barPlot({
      title: "Memory of all processes under load (PSS)",
      axis: "MB",
      bars: result.systems.map((system) =>
        bar(system, system.pssMb, roundsOf(result, system), ({ pssMb }) => pssMb),
      ),
      labels,
      log: false,
    }),
  });
  for (const inCase of new Set(result.systems.map((system) => system.case))) {
    const lines: Line[] = result.systems
      .filter((system) => system.case === inCase && system.latencies.length > 0)
      .map(({ name, latencies }) => ({
        label: name,
        points: latencies.map(({ rateRps, p95Ms }) => ({ x: rateRps, y: p95Ms })),
      }));
    if (lines.length === 0) continue;
    const title = `p95 by arrival rate, ${caseTitle(inCase)}`;
    found.push({
      name: `p95-${inCase.replace("/", "-")}`,
      title,
      svg: linePlot({
        title,
        xAxis: "arrivals per second (Poisson, logarithmic)",
        yAxis: "p95 latency, ms (logarithmic)",
        lines,
        labels,
        limit: { label: "50 ms", value: 50 },
      }),
    });
  }
  return found;
}

function capacityBars(result: BenchResult): Bar[] {
  const bars: Bar[] = [];
  for (const inCase of new Set(result.systems.map((system) => system.case))) {
    for (const system of result.systems.filter((one) => one.case === inCase)) {
      bars.push(
        bar(
          system,
          system.capacityRps,
          roundsOf(result, system),
          ({ capacity }) => capacity?.throughputRps ?? null,
        ),
      );
    }
    const floor = result.floor.filter(({ family }) => inCase.startsWith(`${family}/`));
    if (floor.length > 0) {
      const best = Math.max(...floor.map(({ ensemblesPerSecond }) => ensemblesPerSecond));
      bars.push({ group: caseTitle(inCase), label: "floor, best batch", value: best });
    }
  }
  return bars;
}

function roundsOf(result: BenchResult, system: SystemResult): Visit[] {
  return result.visits.filter((visit) => visit.case === system.case && visit.system === system.name);
}

function bar(
  system: SystemResult,
  value: number | null,
  rounds: readonly Visit[],
  of: (visit: Visit) => number | null,
): Bar {
  const over = spread(rounds.map(of).filter((one) => one !== null));
  return {
    group: caseTitle(system.case),
    label: system.name,
    value,
    ...(over === undefined ? {} : { min: over.min, max: over.max }),
  };
}

function hopPlots(result: BenchResult): Plot[] {
  const labels = [...new Set(result.hops.map(({ subject }) => subject))];
  const lines: Line[] = labels.map((label) => ({
    label,
    points: result.hops
      .filter(({ subject, payloadBytes }) => subject === label && payloadBytes > 0)
      .map(({ payloadBytes, p50Ms }) => ({ x: payloadBytes / 1024, y: p50Ms * 1000 })),
  }));
  if (lines.every(({ points }) => points.length === 0)) return [];
  const title = "Round trip of one call by payload, p50";
  const axes = { xAxis: "payload, KB (logarithmic)", yAxis: "µs (logarithmic)" };
  return [{ name: "round-trip", title, svg: linePlot({ title, ...axes, lines, labels }) }];
}
