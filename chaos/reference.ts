import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { offerKey, PROPENSITY_TOLERANCE } from "../bench/load/answer-check.ts";
import { modelFiles, modelWeights } from "../bench/reference/model-files.ts";
import { EXAMPLE, GAME, MODEL_DIRECTORY } from "../bench/reference/paths.ts";
import type { PlayerRows } from "../bench/reference/players-db.ts";
import {
  type CatalogueFile,
  chooseOffer,
  prepareCatalogue,
} from "../examples/dynamic-offers/catalogue/choose-offer.ts";

/** What is right, whichever members answer: what each model says when its file is run directly. */
export interface Reference {
  readonly playerIds: readonly string[];
  /** Names of the ensemble's members, without the game in front, in their order. */
  readonly members: readonly string[];
  /** What each of them weighs in a propensity. */
  readonly weights: readonly number[];
  /** `[player][member]` */
  readonly outputs: readonly (readonly number[])[];
  readonly defaultOffer: string;
  /** More than one when a change of the propensity within the tolerance changes the offer. */
  offersFor(propensity: number): string[];
}

export async function computeReference(players: PlayerRows): Promise<Reference> {
  const files = modelFiles(MODEL_DIRECTORY.trees);
  const { playerIds, features, width } = players;
  const outputs: number[][] = playerIds.map(() => []);
  for (const file of files) {
    const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
    const said = await session.run({
      features: new Tensor("float32", features, [playerIds.length, width]),
    });
    const { probability } = said;
    if (!(probability?.data instanceof Float32Array))
      throw new Error(`${file}: no float32 output "probability"`);
    for (const [row, value] of probability.data.entries()) outputs[row]?.push(value);
    await session.release();
  }
  const catalogue: CatalogueFile = JSON.parse(readFileSync(`${EXAMPLE}catalogue/catalogue.json`, "utf8"));
  const game = prepareCatalogue(catalogue).get(GAME);
  if (game === undefined) throw new Error(`the catalogue has no game "${GAME}"`);
  return {
    playerIds,
    members: files.map((file) => file.split("/").at(-3) ?? ""),
    weights: modelWeights(MODEL_DIRECTORY.trees, files, "manifest"),
    outputs,
    defaultOffer: offerKey(game.defaultOffer),
    offersFor: (propensity) => {
      const nearby = [propensity - PROPENSITY_TOLERANCE, propensity, propensity + PROPENSITY_TOLERANCE];
      return [...new Set(nearby.map((value) => offerKey(chooseOffer(game, value).offer)))];
    },
  };
}
