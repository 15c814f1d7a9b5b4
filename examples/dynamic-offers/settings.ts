import path from "node:path";

const here = import.meta.dirname;
const version = process.env["OFFERS_VERSION"] ?? "v1";

/** The folder of one game's models may be named as a whole, e.g. for the dense family; it then serves `tower`. */
const towerModels = process.env["TUTTI_MODELS_DIR"];

export const settings = {
  /** Games whose models are loaded, of those in the catalogue: `OFFERS_GAMES=tower,racer`. Default: tower. */
  games: (process.env["OFFERS_GAMES"] ?? "tower").split(",").map((game) => game.trim()),
  /** `OFFERS_VERSION`. Default v1. */
  version,
  modelsDirectory: (game: string): string =>
    game === "tower" && towerModels !== undefined
      ? path.resolve(towerModels)
      : path.join(here, "models", game, version),
  /** The embedded feature store's file: `TUTTI_PLAYERS_DB`. */
  playersFile: process.env["TUTTI_PLAYERS_DB"] ?? path.join(here, "..", "..", ".tutti", "players.db"),
  /** Stands for the network of a remote store: `TUTTI_LOOKUP_DELAY_MS`. Default 0. */
  lookupDelayMs: Number(process.env["TUTTI_LOOKUP_DELAY_MS"] ?? 0),
} as const;
