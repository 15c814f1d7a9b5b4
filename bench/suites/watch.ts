import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../src/policy/seeded-random.ts";
import { Replay } from "../load/replay.ts";
import type { CellStore } from "../measure/cells.ts";
import { WindowWatch } from "../measure/window-watch.ts";
import { CACHE, GAME } from "../reference/paths.ts";
import { copyPlayers, ensurePlayersDb } from "../reference/players-db.ts";
import { ensureReference } from "../reference/reference.ts";
import { parseReference, type Reference } from "../reference/reference-file.ts";
import { type WatchChange, type WatchVisit, watchVisitSchema } from "../schema.ts";
import { RunningSystem } from "../systems/running-system.ts";
import { AppCopy } from "../watch/app-copy.ts";
import { Judge, type Served } from "../watch/judge.ts";
import { Stream } from "../watch/stream.ts";
import { watchSystem } from "../watch/system.ts";
import { isDisturbed } from "./loaded-node.ts";
import { undisturbedVisits, type Visited } from "./undisturbed-visits.ts";
import type { WatchPlan } from "./watch-plan.ts";

interface Measurement {
  readonly plan: WatchPlan;
  readonly cells: CellStore;
  readonly port: number;
  readonly say: (line: string) => void;
}

/** Changes of a module and of a model of Dynamic Offers while `tutti run --watch` serves it: how long until they are served. */
export async function runWatch(measurement: Measurement): Promise<Visited<WatchVisit>> {
  const { plan, cells, say } = measurement;
  const rounds = Array.from({ length: plan.rounds }, (_, at) => at + 1);
  return undisturbedVisits(
    { plan, cells, schema: watchVisitSchema, say },
    rounds.map((round) => ({
      cell: `watch-${round}`,
      title: `round ${round}`,
      visit: () => visit(measurement, round),
    })),
  );
}

/** @returns undefined when it was disturbed. */
async function visit({ plan, port, say }: Measurement, round: number): Promise<WatchVisit | undefined> {
  const copy = AppCopy.make();
  const players = ensurePlayersDb();
  const own = await referenceOf(copy.modelsDir, players);
  const another = await referenceOf(copy.otherModelsDir, players);
  const playersDb = `${CACHE}watch-players.sqlite`;
  copyPlayers(players, playersDb);
  const setting = {
    family: "trees",
    modelsDir: copy.modelsDir,
    playersDb,
    lookupDelayMs: 0,
    port,
    processes: 1,
  } as const;
  await using system = await RunningSystem.start(
    watchSystem(copy.app, port + 1),
    setting,
    `${CACHE}watch.log`,
  );
  const target = { host: "127.0.0.1", port };
  const stream = new Stream({
    target,
    source: new Replay({ ...target, playerIds: own.playerIds, path: `/offers/${GAME}`, seed: round }),
    everyMs: plan.everyMs,
    forMs: longestMs(plan),
    judge: new Judge({ own: own.answers, another: another.answers }),
    serving: FIRST,
  });
  try {
    await sleep(plan.warmUpMs);
    stream.take();
    await sleep(plan.steadyMs);
    const steady = stream.take();
    const watch = new WindowWatch(system);
    const startedAtMs = performance.now();
    const own0 = process.cpuUsage();
    watch.onEdge("open");
    const changes = await makeChanges(plan, round, copy, stream);
    watch.onEdge("close");
    const windowSeconds = (performance.now() - startedAtMs) / 1000;
    const { user, system: kernel } = process.cpuUsage(own0);
    const benchCpuSeconds = (user + kernel) / 1e6;
    const otherCpuSeconds = Math.max(0, watch.machineSeconds - watch.cpuSeconds - benchCpuSeconds);
    say(`round ${round}: ${describe(changes)}; others used ${otherCpuSeconds.toFixed(1)} s of CPU`);
    if (isDisturbed({ otherCpuSeconds, windowSeconds }, plan)) return undefined;
    const { cpuSeconds } = watch;
    return { round, steady, changes, cpuSeconds, benchCpuSeconds, otherCpuSeconds, windowSeconds };
  } finally {
    await stream.close();
  }
}

const FIRST: Served = { shown: "v1", models: "own" };

/** One of each kind after the other, so that none has a better hour than another. */
async function makeChanges(
  plan: WatchPlan,
  round: number,
  copy: AppCopy,
  stream: Stream,
): Promise<WatchChange[]> {
  const random = seededRandom(round);
  const changes: WatchChange[] = [];
  let serving = FIRST;
  const change = async (
    kind: Pick<WatchChange, "changed" | "way">,
    after: Served,
    write: () => void,
  ): Promise<void> => {
    const servedMs = await stream.changed(after, write, plan.seenWithinMs);
    serving = after;
    // At no fixed phase of anything that ticks.
    await sleep(plan.pauseMs * (1 + random()));
    changes.push({ ...kind, servedMs, ...stream.take() });
  };
  for (let i = 1; i <= plan.changes; i += 1) {
    for (const way of ["renamed", "in-place"] as const) {
      const shown = `${way} ${i}`;
      await change({ changed: "module", way }, { ...serving, shown }, () => copy.changeModule(shown, way));
    }
    for (const way of ["renamed", "in-place", "version-folder"] as const) {
      const models = serving.models === "own" ? "another" : "own";
      await change({ changed: "model", way }, { ...serving, models }, () =>
        copy.changeModel(models, changes.length, way),
      );
    }
  }
  return changes;
}

/** More than all of it can take. */
const longestMs = ({ warmUpMs, steadyMs, changes, seenWithinMs, pauseMs }: WatchPlan): number =>
  warmUpMs + steadyMs + 5 * changes * (seenWithinMs + 2 * pauseMs);

async function referenceOf(modelsDir: string, players: string): Promise<Reference> {
  return parseReference(readFileSync(await ensureReference(modelsDir, players, "manifest"), "utf8"));
}

function describe(changes: readonly WatchChange[]): string {
  const of = (changed: WatchChange["changed"]) => {
    const tookMs = changes.filter((one) => one.changed === changed).map(({ servedMs }) => servedMs);
    return `${changed} ${Math.min(...tookMs).toFixed(0)} to ${Math.max(...tookMs).toFixed(0)} ms`;
  };
  const bad = changes.reduce((sum, { failed, wrong }) => sum + failed + wrong, 0);
  return `${of("module")}, ${of("model")}; ${bad} failed or wrong`;
}
