import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { EmbeddedStore } from "tutti";
import { drawPlayers, type PopulationSummary } from "./players/population.ts";
import { settings } from "./settings.ts";

/**
 * Fills the embedded feature store with 10,000 players drawn from the committed summary of the data, at first start.
 * The same seed gives the same players everywhere.
 */
const PLAYERS = 10_000;
const SEED = 1;
const ROWS_A_STEP = 1000;

const file = settings.playersFile;
if (!existsSync(file) || !(await isComplete())) await seed();

async function isComplete(): Promise<boolean> {
  const store = await EmbeddedStore.open({ path: file });
  try {
    const last = `player-${String(PLAYERS).padStart(5, "0")}`;
    const [row] = await store.get([last], { deadlineMs: performance.now() + 5000 });
    return row !== undefined;
  } finally {
    await store.close();
  }
}

async function seed(): Promise<void> {
  const summaryFile = path.join(import.meta.dirname, "players", "population.json");
  const summary: PopulationSummary = JSON.parse(readFileSync(summaryFile, "utf8"));
  const store = await EmbeddedStore.open({ path: file });
  const startedAtMs = performance.now();
  let batch: { key: string; vector: Float32Array }[] = [];
  let done = 0;
  for (const { playerId, features } of drawPlayers(summary, { count: PLAYERS, seed: SEED })) {
    batch.push({ key: playerId, vector: features });
    if (batch.length < ROWS_A_STEP) continue;
    await store.put(batch);
    done += batch.length;
    batch = [];
    progress(done);
  }
  await store.put(batch);
  await store.close();
  const tookS = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  process.stderr.write(
    `${process.stderr.isTTY ? "\r" : ""}dynamic offers: ${PLAYERS} players loaded in ${tookS} s\n`,
  );
}

function progress(done: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\rdynamic offers: loading players ${done}/${PLAYERS} `);
}
