/** `node compute-reference.ts <modelsDir> <playersDb> <weighting> <out.json>`: runs every model directly over all players. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import {
  type CatalogueFile,
  chooseOffer,
  type GameCatalogue,
  prepareCatalogue,
} from "../../examples/dynamic-offers/catalogue/choose-offer.ts";
import { offerKey, PROPENSITY_TOLERANCE, type ReferenceAnswer } from "../load/answer-check.ts";
import { modelFiles, modelWeights, type Weighting } from "./model-files.ts";
import { EXAMPLE, GAME } from "./paths.ts";
import { type PlayerRows, readPlayers } from "./players-db.ts";
import type { Reference } from "./reference-file.ts";

const BATCH = 500;

async function propensitiesOf(
  players: PlayerRows,
  files: readonly string[],
  weights: readonly number[],
): Promise<Float64Array> {
  const sums = new Float64Array(players.playerIds.length);
  for (const [model, file] of files.entries()) {
    const weight = weights[model] ?? Number.NaN;
    const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
    for (let first = 0; first < sums.length; first += BATCH) {
      const count = Math.min(BATCH, sums.length - first);
      const rows = players.features.subarray(first * players.width, (first + count) * players.width);
      const outputs = await session.run({ features: new Tensor("float32", rows, [count, players.width]) });
      const { probability } = outputs;
      if (!(probability?.data instanceof Float32Array))
        throw new Error(`${file}: no float32 output "probability"`);
      for (const [row, value] of probability.data.entries())
        sums[first + row] = (sums[first + row] ?? 0) + weight * value;
    }
    await session.release();
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return sums.map((sum) => sum / total);
}

function acceptableOffers(game: GameCatalogue, propensity: number): string[] {
  const nearby = [propensity - PROPENSITY_TOLERANCE, propensity, propensity + PROPENSITY_TOLERANCE];
  return [...new Set(nearby.map((value) => offerKey(chooseOffer(game, value).offer)))];
}

const isWeighting = (value: string | undefined): value is Weighting =>
  value === "manifest" || value === "equal";

const [modelsDir, playersDb, weighting, out] = process.argv.slice(2);
if (modelsDir === undefined || playersDb === undefined || !isWeighting(weighting) || out === undefined) {
  throw new Error("usage: compute-reference.ts <modelsDir> <playersDb> manifest|equal <out.json>");
}
const catalogue: CatalogueFile = JSON.parse(readFileSync(`${EXAMPLE}catalogue/catalogue.json`, "utf8"));
const game = prepareCatalogue(catalogue).get(GAME);
if (game === undefined) throw new Error(`the catalogue has no game "${GAME}"`);
const players = readPlayers(playersDb);
const files = modelFiles(modelsDir);
const propensities = await propensitiesOf(players, files, modelWeights(modelsDir, files, weighting));
const answers: ReferenceAnswer[] = Array.from(propensities, (propensity) => ({
  propensity,
  offers: acceptableOffers(game, propensity),
}));
const reference: Reference = { playerIds: players.playerIds, answers };
writeFileSync(`${out}.${process.pid}`, JSON.stringify(reference));
renameSync(`${out}.${process.pid}`, out);
