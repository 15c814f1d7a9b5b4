/**
 * `node bench/batching/measure.ts`: goodput at the latency goal of the self-tuning batcher, of the best fixed size and
 * wait, and of batches sealed on a timer; on a virtual clock, so the figures are the same everywhere. Prints the results
 * as JSON, for `bench/results/batching.json`; with `--table`, as the table of docs/benchmarks.md.
 */
import { CURVES, capacityPerMs, goalMs, MAX_BATCH_ROWS } from "./cost-curves.ts";
import { bestOfGrid, GRID_SIZES, GRID_WAITS, simulateFixedRule, simulateSealedRule } from "./fixed-rules.ts";
import { simulateLane } from "./lane-simulation.ts";
import { poissonWorkload } from "./workload.ts";

const CALLS = 16_000;
const SEEDS = [1, 2, 3, 4, 5];
const LOADS = [0.3, 0.6, 0.9, 1.2];
const GOAL_TIMES = [2, 3, 6];
/** What Ray Serve does when nothing is set. */
const SEALED_DEFAULTS = { size: 10, waitMs: 10 };

interface Figure {
  readonly curve: string;
  readonly goalTimes: number;
  readonly load: number;
  /** Shares of the calls answered in time, medians over the seeds. */
  readonly batcher: number;
  readonly fixed: number;
  readonly sealed: number;
  readonly sealedDefaults: number;
  /** The batcher's share of the best fixed rule's, the lowest over the seeds and the median. */
  readonly lowestRatio: number;
  readonly medianRatio: number;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const rounded = (value: number): number => Number(value.toFixed(3));

const figures: Figure[] = [];
for (const curve of CURVES) {
  for (const goalTimes of GOAL_TIMES) {
    for (const load of LOADS) {
      const goal = goalMs(curve, goalTimes);
      const ratePerMs = load * capacityPerMs(curve);
      const shares = { batcher: [0], fixed: [0], sealed: [0], sealedDefaults: [0] };
      for (const list of Object.values(shares)) list.length = 0;
      for (const seed of SEEDS) {
        const workload = poissonWorkload({ curve, ratePerMs, goalMs: goal, calls: CALLS, seed });
        const [outcome] = await simulateLane([{ workload }], seed);
        shares.batcher.push(outcome!.goodFraction);
        shares.fixed.push(bestOfGrid(simulateFixedRule, workload, goal, seed).best.goodFraction);
        shares.sealed.push(bestOfGrid(simulateSealedRule, workload, goal, seed).best.goodFraction);
        shares.sealedDefaults.push(simulateSealedRule(workload, SEALED_DEFAULTS, seed).goodFraction);
      }
      const ratios = shares.batcher.map((share, index) => share / shares.fixed[index]!);
      figures.push({
        curve: curve.name,
        goalTimes,
        load,
        batcher: rounded(median(shares.batcher)),
        fixed: rounded(median(shares.fixed)),
        sealed: rounded(median(shares.sealed)),
        sealedDefaults: rounded(median(shares.sealedDefaults)),
        lowestRatio: rounded(Math.min(...ratios)),
        medianRatio: rounded(median(ratios)),
      });
    }
  }
}

if (process.argv.includes("--table")) {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  console.log(
    "| cost | goal, × a run of 16 | load | batcher | best fixed | best sealed | sealed, 10 and 10 ms | lowest ratio |",
  );
  console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const { curve, goalTimes, load, batcher, fixed, sealed, sealedDefaults, lowestRatio } of figures) {
    const shares = [batcher, fixed, sealed, sealedDefaults].map(percent).join(" | ");
    console.log(
      `| ${curve} | ${goalTimes} | ${load * 100} % | ${shares} | ${load > 1 ? "–" : lowestRatio.toFixed(2)} |`,
    );
  }
} else {
  const parameters = {
    calls: CALLS,
    seeds: SEEDS,
    maxBatchRows: MAX_BATCH_ROWS,
    sizes: GRID_SIZES,
    waits: GRID_WAITS,
  };
  console.log(JSON.stringify({ parameters, figures }, undefined, 1));
}
