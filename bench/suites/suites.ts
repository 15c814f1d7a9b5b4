import type { CellStore } from "../measure/cells.ts";
import { machine } from "../measure/machine.ts";
import type { Family } from "../reference/paths.ts";
import type { BenchResult } from "../schema.ts";
import { systemNamed } from "../systems/registry.ts";
import type { SystemName } from "../systems/system.ts";
import { checkHop, checkOffers, checkOverload, checkRollout, checkStragglers, checkWatch } from "./checks.ts";
import { hopPlan, runHop } from "./hop.ts";
import { HOP_SUBJECTS } from "./hop-subjects.ts";
import { runOffers } from "./offers.ts";
import { type Effort, offersPlan } from "./offers-plan.ts";
import { runOverload } from "./overload.ts";
import { overloadPlan } from "./overload-plan.ts";
import { summariseOverload } from "./overload-summary.ts";
import { runRollout } from "./rollout.ts";
import { rolloutPlan } from "./rollout-plan.ts";
import { summariseRollout } from "./rollout-summary.ts";
import { runStragglers } from "./stragglers.ts";
import { stragglersPlan } from "./stragglers-plan.ts";
import { summariseStragglers } from "./stragglers-summary.ts";
import { hopRatios, offerRatios, summariseFloor, summariseHops, summariseSystems } from "./summary.ts";
import { runWatch } from "./watch.ts";
import { watchPlan } from "./watch-plan.ts";
import { summariseWatch } from "./watch-summary.ts";

/** What the command line chose. */
export interface Choice {
  readonly effort: Effort;
  readonly quick: boolean;
  readonly rounds: number | undefined;
  readonly systems: readonly SystemName[];
  readonly families: readonly Family[];
  readonly port: number;
}

/** The part of a result that the suite itself provides. */
export type Measured = Pick<
  BenchResult,
  | "systems"
  | "floor"
  | "hops"
  | "overload"
  | "overloadVisits"
  | "stragglers"
  | "stragglersVisits"
  | "rollout"
  | "rolloutVisits"
  | "watch"
  | "watchVisits"
  | "ratios"
  | "checks"
  | "skipped"
  | "visits"
  | "floorVisits"
  | "hopSamples"
>;

export interface Suite {
  readonly name: BenchResult["suite"];
  readonly about: string;
  parameters(choice: Choice): Record<string, unknown>;
  run(choice: Choice, cells: CellStore, say: (line: string) => void): Promise<Measured>;
}

const EMPTY: Measured = {
  systems: [],
  floor: [],
  hops: [],
  ratios: [],
  checks: [],
  skipped: [],
  visits: [],
  floorVisits: [],
  hopSamples: [],
  overload: [],
  overloadVisits: [],
  stragglers: [],
  stragglersVisits: [],
  rollout: [],
  rolloutVisits: [],
  watch: [],
  watchVisits: [],
};

const offers: Suite = {
  name: "offers",
  about:
    "Dynamic Offers on Tutti, on the legacy systems and on the bare runtime: capacity, latency, CPU, memory, cold start",
  parameters: (choice) => ({ ...offersPlan(choice) }),
  async run(choice, cells, say) {
    const plan = offersPlan(choice);
    const { visits, floorVisits, skipped } = await runOffers({ plan, cells, port: choice.port, say });
    const ratios = offerRatios("tutti", visits, floorVisits);
    return {
      ...EMPTY,
      systems: summariseSystems(visits, (name) => systemNamed(name)?.configuration ?? ""),
      floor: summariseFloor(floorVisits),
      ratios,
      checks: checkOffers(ratios, visits),
      skipped: [...skipped],
      visits: [...visits],
      floorVisits: [...floorVisits],
    };
  },
};

const hop: Suite = {
  name: "hop",
  about:
    "one call: inline, between processes, fanned out, by payload size, beside the bare unix-socket round trip",
  parameters: (choice) => ({ ...hopPlan(choice), subjects: HOP_SUBJECTS.map(({ name }) => name) }),
  async run(choice, cells, say) {
    const samples = await runHop({ plan: hopPlan(choice), subjects: HOP_SUBJECTS, cells, say });
    const ratios = hopRatios(samples);
    return { ...EMPTY, hops: summariseHops(samples), ratios, checks: checkHop(ratios), hopSamples: samples };
  },
};

const overload: Suite = {
  name: "overload",
  about:
    "more arrivals than can be answered: goodput, latency of the admitted, refusals at 1 to 4 times capacity",
  parameters: (choice) => ({ ...overloadPlan(choice) }),
  async run(choice, cells, say) {
    const { visits, skipped } = await runOverload({
      plan: overloadPlan(choice),
      cells,
      port: choice.port,
      say,
    });
    const results = summariseOverload(visits);
    const checks = checkOverload(results);
    return { ...EMPTY, overload: results, checks, skipped: [...skipped], overloadVisits: [...visits] };
  },
};

const stragglers: Suite = {
  name: "stragglers",
  about: "one lane ten times slower, one replica late: latency with all that is done about it, and with none",
  parameters: (choice) => ({ ...stragglersPlan(choice) }),
  async run(choice, cells, say) {
    const plan = stragglersPlan(choice);
    const { visits, skipped } = await runStragglers({ plan, cells, port: choice.port, say });
    const results = summariseStragglers(visits, machine().cores);
    const checks = checkStragglers(results);
    return { ...EMPTY, stragglers: results, checks, skipped: [...skipped], stragglersVisits: [...visits] };
  },
};

const rollout: Suite = {
  name: "rollout",
  about:
    "one version after the other takes over under load: latency during that beside without, and what failed",
  parameters: (choice) => ({ ...rolloutPlan(choice) }),
  async run(choice, cells, say) {
    const { visits, skipped } = await runRollout({
      plan: rolloutPlan(choice),
      cells,
      port: choice.port,
      say,
    });
    const results = summariseRollout(visits);
    const checks = checkRollout(results);
    return { ...EMPTY, rollout: results, checks, skipped: [...skipped], rolloutVisits: [...visits] };
  },
};

const watch: Suite = {
  name: "watch",
  about: "tutti run --watch: how long until a changed module or model is served, and what failed meanwhile",
  parameters: (choice) => ({ ...watchPlan(choice) }),
  async run(choice, cells, say) {
    const { visits, skipped } = await runWatch({ plan: watchPlan(choice), cells, port: choice.port, say });
    const results = summariseWatch(visits);
    return {
      ...EMPTY,
      watch: results,
      checks: checkWatch(results),
      skipped: [...skipped],
      watchVisits: [...visits],
    };
  },
};

export const SUITES: readonly Suite[] = [offers, hop, overload, stragglers, rollout, watch];
