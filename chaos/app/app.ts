import { readFileSync } from "node:fs";
import path from "node:path";
import { application, deployment, onnxModel } from "tutti";
import { z } from "zod";
import type { CatalogueFile } from "../../examples/dynamic-offers/catalogue/choose-offer.ts";
import { offerFallback } from "../../examples/dynamic-offers/fallback.ts";
import { settings } from "../../examples/dynamic-offers/settings.ts";
import { Supervisor } from "../../examples/dynamic-offers/supervisor.ts";
import { FaultyFeatures } from "./faulty-features.ts";
import { FaultyMember } from "./faulty-member.ts";

/**
 * Dynamic Offers with faults to switch on: its supervisor, contract, models and options as they are; the last member of
 * the ensemble is one that can be told to misbehave, and so is the look-up of features.
 */
const GAME = "tower";
const EXAMPLE = path.join(import.meta.dirname, "../../examples/dynamic-offers");
const MODELS = settings.modelsDirectory(GAME);

const readJson = <T>(file: string): T => JSON.parse(readFileSync(file, "utf8"));
const catalogue = readJson<CatalogueFile>(path.join(EXAMPLE, "catalogue/catalogue.json"));
const manifest = readJson<{ models: { name: string; file: string }[] }>(path.join(MODELS, "manifest.json"));
/** Made by the campaign: see `blocking-model.ts`. */
const blockingModel = process.env["TUTTI_CHAOS_BLOCKING_MODEL"] ?? "blocking.onnx";

const model = (name: string, file: string, idempotent = true) =>
  onnxModel({ name, path: path.resolve(MODELS, file), replicas: 2, idempotent });

const sound = manifest.models.slice(0, -1);
const [last = { name: "none", file: "none" }] = manifest.models.slice(-1);
const faulty = deployment(FaultyMember, {
  name: `${GAME}.${last.name}`,
  replicas: 2,
  idempotent: true,
  maxOngoingRequests: 512,
}).bind(
  model(`inner.${last.name}`, last.file),
  model("blocker", blockingModel, false),
  // Repeated on the other lane when one has been blocked, as predictions are unless one says otherwise.
  model("stubborn-blocker", blockingModel),
);
const features = deployment(FaultyFeatures, { replicas: 2 }).bind();
const members = [...sound.map(({ name, file }) => model(`${GAME}.${name}`, file)), faulty];

export default application({
  name: "chaos",
  route: "/offers",
  version: settings.version,
  deadlineMs: 1500,
  ingress: deployment(Supervisor, { replicas: 2, idempotent: ["offer"], maxOngoingRequests: 512 }).bind(
    features,
    { [GAME]: members },
  ),
  http: {
    "POST /:game": {
      method: "offer",
      body: z.object({ playerId: z.string().min(1).max(64) }),
      fallback: offerFallback(catalogue, settings.version),
    },
  },
});
