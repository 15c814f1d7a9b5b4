import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import {
  type CatalogueFile,
  type Choice,
  chooseOffer,
  prepareCatalogue,
} from "../../examples/dynamic-offers/catalogue/choose-offer.ts";
import { drawPlayers, type PopulationSummary } from "../../examples/dynamic-offers/players/population.ts";
import { EmbeddedStore } from "../../src/features/embedded-store.ts";
import { REPOSITORY } from "../support/temp-folder.ts";
import { type TuttiOptions, TuttiProcess } from "../support/tutti-process.ts";

const EXAMPLE = `${REPOSITORY}/examples/dynamic-offers`;
const MODELS = `${EXAMPLE}/models/tower/v1`;

export interface Vectors {
  readonly key: string;
  readonly vector: Float32Array;
}

export interface ReferenceCase {
  readonly features: readonly number[];
  readonly outputs: readonly number[];
  readonly propensity: number;
  readonly offer: unknown;
  readonly margin: number;
}

interface Reference {
  readonly models: readonly string[];
  readonly cases: readonly ReferenceCase[];
}

const readJson = <T>(file: string): T => JSON.parse(readFileSync(file, "utf8"));

/** What the trainer recorded of its own library's predictions. */
export const reference: Reference = readJson(`${MODELS}/reference.json`);
export const modelNames = reference.models;
const manifest = readJson<{ models: { name: string; weight: number }[] }>(`${MODELS}/manifest.json`);
const weights = modelNames.map((name) => manifest.models.find((model) => model.name === name)!.weight);
export const catalogueFile: CatalogueFile = readJson(`${EXAMPLE}/catalogue/catalogue.json`);

const tower = prepareCatalogue(catalogueFile).get("tower")!;

export const bestOffer = (propensity: number): Choice => chooseOffer(tower, propensity);

/** Players of the example's own population, the first so many. */
export function players(count: number): Vectors[] {
  const summary: PopulationSummary = readJson(`${EXAMPLE}/players/population.json`);
  return [...drawPlayers(summary, { count, seed: 1 })].map(({ playerId, features }) => ({
    key: playerId,
    vector: features,
  }));
}

export async function writePlayers(file: string, rows: readonly Vectors[]): Promise<string> {
  const store = await EmbeddedStore.open({ path: file });
  await store.put(rows);
  await store.close();
  return file;
}

/** The outputs of every model for every vector, from ONNX Runtime itself: `[vector][model]`. */
export async function directOutputs(rows: readonly Vectors[]): Promise<number[][]> {
  const width = rows[0]!.vector.length;
  const flat = Float32Array.from(rows.flatMap(({ vector }) => [...vector]));
  const outputs: number[][] = rows.map(() => []);
  for (const model of modelNames) {
    const session = await InferenceSession.create(`${MODELS}/${model}/1/model.onnx`);
    const input = new Tensor("float32", flat, [rows.length, width]);
    const result = await session.run({ [session.inputNames[0]!]: input });
    const output = result[session.outputNames[0]!]!.data as Float32Array;
    outputs.forEach((said, row) => {
      said.push(output[row]!);
    });
    await session.release();
  }
  return outputs;
}

/** The mean of the models' outputs, each by its weight in the manifest; of those that are there. */
export function meanOf(outputs: readonly (number | null)[]): number {
  let sum = 0;
  let total = 0;
  outputs.forEach((output, model) => {
    if (output === null) return;
    sum += output * weights[model]!;
    total += weights[model]!;
  });
  return sum / total;
}

export function startOffers(playersFile: string, options: TuttiOptions = {}): Promise<TuttiProcess> {
  return TuttiProcess.ready(`${EXAMPLE}/app.ts`, offersOptions(playersFile, options));
}

/** Starts the example without waiting for it to be ready. */
export function launchOffers(playersFile: string, options: TuttiOptions = {}): TuttiProcess {
  return new TuttiProcess(`${EXAMPLE}/app.ts`, offersOptions(playersFile, options));
}

const offersOptions = (playersFile: string, { env, ...rest }: TuttiOptions): TuttiOptions => ({
  ...rest,
  env: { TUTTI_PLAYERS_DB: playersFile, ...env },
});
