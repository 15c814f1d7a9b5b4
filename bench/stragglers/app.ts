import { readFileSync } from "node:fs";
import { application, deployment, modelRepository, type RoutingOptions } from "tutti";
import { z } from "zod";
import type { CatalogueFile } from "../../examples/dynamic-offers/catalogue/choose-offer.ts";
import { offerFallback } from "../../examples/dynamic-offers/fallback.ts";
import { Features } from "../../examples/dynamic-offers/features.ts";
import { settings } from "../../examples/dynamic-offers/settings.ts";
import { Supervisor } from "../../examples/dynamic-offers/supervisor.ts";
import { GAME } from "../reference/paths.ts";
import { ARM_VARIABLE, isArm } from "./arm.ts";

/** Dynamic Offers as it is, but for what is done about stragglers: all of it, or nothing. */
const ROUTING: Readonly<Record<"on" | "off", RoutingOptions>> = {
  on: {},
  /** Two choices by the number of calls. Stalls are not looked for, so nothing is rescued either. */
  off: { choice: "outstanding", eject: false, hedgeFraction: 0 },
};

const arm = process.env[ARM_VARIABLE];
if (!isArm(arm)) throw new Error(`${ARM_VARIABLE}: expected on or off, got ${arm}`);

const { version, modelsDirectory } = settings;
const catalogue: CatalogueFile = JSON.parse(
  readFileSync(new URL("../../examples/dynamic-offers/catalogue/catalogue.json", import.meta.url), "utf8"),
);
const offerRequest = z.object({ playerId: z.string().min(1).max(64) });
const features = deployment(Features, { replicas: 2 }).bind();
const models = { [GAME]: modelRepository(modelsDirectory(GAME), { namePrefix: `${GAME}.`, replicas: 2 }) };

export default application({
  name: "offers",
  route: "/offers",
  version,
  deadlineMs: 1500,
  ingress: deployment(Supervisor, { replicas: 2, idempotent: ["offer"] }).bind(features, models, {
    hedge: true,
  }),
  http: {
    "POST /:game": { method: "offer", body: offerRequest, fallback: offerFallback(catalogue, version) },
  },
  routing: ROUTING[arm],
});
