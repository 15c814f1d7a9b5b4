import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** What a legacy system is told by its environment; the one place that reads it. */
export interface Settings {
  readonly port: number;
  readonly playersDb: string;
  readonly modelsDir: string;
  /** The game and version that the models serve, from the directory's name (`…/tower/v1`). */
  readonly game: string;
  readonly version: string;
  /** Simulated network delay of a feature look-up. */
  readonly lookupDelayMs: number;
  /** Copies of the whole program; the story's pods. */
  readonly processes: number;
  /** Most rows in one model run; 1 = each request runs by itself. */
  readonly microBatch: number;
}

const EXAMPLE = fileURLToPath(new URL("../../", import.meta.url));

export function settingsFrom(environment: NodeJS.ProcessEnv): Settings {
  const modelsDir = (environment.TUTTI_MODELS_DIR ?? `${EXAMPLE}models/tower/v1`).replace(/\/$/, "");
  const playersDb = environment.TUTTI_PLAYERS_DB;
  if (playersDb === undefined)
    throw new Error("TUTTI_PLAYERS_DB: expected the path of the players' SQLite file");
  return Object.freeze({
    port: whole("PORT", environment.PORT, 8080),
    playersDb,
    modelsDir,
    // The dense family belongs to the same game: `tower-dense` answers for `tower`.
    game: basename(dirname(modelsDir)).replace(/-dense$/, ""),
    version: basename(modelsDir),
    lookupDelayMs: whole("TUTTI_LOOKUP_DELAY_MS", environment.TUTTI_LOOKUP_DELAY_MS, 0),
    processes: whole("PROCESSES", environment.PROCESSES, 2),
    microBatch: whole("MICRO_BATCH", environment.MICRO_BATCH, 1),
  });
}

function whole(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new Error(`${name}: expected a whole number >= 0, found "${text}"`);
  return value;
}
