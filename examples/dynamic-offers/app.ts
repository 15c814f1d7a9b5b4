import { readFileSync } from "node:fs";
import path from "node:path";
import { application, deployment, modelRepository } from "tutti";
import * as v from "valibot";
import type { CatalogueFile } from "./catalogue/choose-offer.ts";
import { offerFallback } from "./fallback.ts";
import { Features } from "./features.ts";
import { settings } from "./settings.ts";
import { Supervisor } from "./supervisor.ts";

/**
 * Dynamic Offers: a player logs in to a game and gets an offer of their own. One request looks up the player's
 * features, asks the game's 15 models in parallel, and picks the offer with the best expected revenue.
 */
const { games, version, modelsDirectory } = settings;
const catalogue: CatalogueFile = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "catalogue/catalogue.json"), "utf8"),
);

const offerRequest = v.object({ playerId: v.pipe(v.string(), v.minLength(1), v.maxLength(64)) });

const features = deployment(Features, { replicas: 2 }).bind();

/** Each model twice, on different lanes: losing a lane loses no model. */
const models = Object.fromEntries(
  games.map((game) => [
    game,
    modelRepository(modelsDirectory(game), { namePrefix: `${game}.`, replicas: 2 }),
  ]),
);

export default application({
  name: "offers",
  route: "/offers",
  version,
  deadlineMs: 1500,
  ingress: deployment(Supervisor, { replicas: 2, idempotent: ["offer"] }).bind(features, models),
  http: {
    "POST /:game": { method: "offer", body: offerRequest, fallback: offerFallback(catalogue, version) },
  },
});
