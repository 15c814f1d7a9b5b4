import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { drawPlayers, type PopulationSummary } from "../../examples/dynamic-offers/players/population.ts";
import { CACHE, EXAMPLE } from "./paths.ts";

export const PLAYERS = 10_000;
const SEED = 1;

/** Writes the population into a feature table that all systems read, once. @returns the database's path. */
export function ensurePlayersDb(): string {
  const summaryText = readFileSync(`${EXAMPLE}players/population.json`, "utf8");
  const summary: PopulationSummary = JSON.parse(summaryText);
  const hash = createHash("sha256")
    .update(summaryText)
    .update(`${PLAYERS}/${SEED}`)
    .digest("hex")
    .slice(0, 12);
  const path = `${CACHE}players-${hash}.sqlite`;
  if (existsSync(path)) return path;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  const database = new DatabaseSync(unfinished);
  try {
    database.exec("CREATE TABLE features(key TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID; BEGIN");
    const insert = database.prepare("INSERT INTO features(key, vector) VALUES (?, ?)");
    for (const { playerId, features } of drawPlayers(summary, { count: PLAYERS, seed: SEED })) {
      insert.run(playerId, new Uint8Array(features.buffer, features.byteOffset, features.byteLength));
    }
    database.exec("COMMIT");
  } finally {
    database.close();
  }
  renameSync(unfinished, path);
  return path;
}

export interface PlayerRows {
  readonly playerIds: readonly string[];
  /** Row-major, in the order of `playerIds`. */
  readonly features: Float32Array;
  readonly width: number;
}

/** A copy that a system may write to, in place of one that is there. */
export function copyPlayers(players: string, copy: string): void {
  for (const left of [copy, `${copy}-wal`, `${copy}-shm`]) rmSync(left, { force: true });
  copyFileSync(players, copy);
}

export function readPlayers(path: string): PlayerRows {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const playerIds: string[] = [];
    const rows: Float32Array[] = [];
    for (const { key, vector } of database
      .prepare("SELECT key, vector FROM features ORDER BY key")
      .iterate()) {
      if (typeof key !== "string" || !(vector instanceof Uint8Array))
        throw new Error(`${path}: unexpected row`);
      playerIds.push(key);
      // A copy: the blob need not be aligned to four bytes.
      rows.push(new Float32Array(vector.slice().buffer));
    }
    const width = rows[0]?.length ?? 0;
    const features = new Float32Array(rows.length * width);
    rows.forEach((row, index) => {
      features.set(row, index * width);
    });
    return { playerIds, features, width };
  } finally {
    database.close();
  }
}
