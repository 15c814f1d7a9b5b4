import { existsSync, readdirSync, readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";

export interface Model {
  readonly name: string;
  readonly session: InferenceSession;
  /** How much it counts in the propensity. */
  readonly weight: number;
}

interface Manifest {
  readonly models: readonly { readonly name: string; readonly weight: number }[];
}

/**
 * All models of a version, from `<name>/1/model.onnx`. One thread each: on two cores with a process on each, more
 * threads only take turns (measured: README).
 */
export async function loadModels(directory: string): Promise<Model[]> {
  const names = readdirSync(directory)
    .filter((name) => existsSync(`${directory}/${name}/1/model.onnx`))
    .sort();
  if (names.length === 0) throw new Error(`${directory}: expected folders <name>/1/model.onnx, found none`);
  const manifest = JSON.parse(readFileSync(`${directory}/manifest.json`, "utf8")) as Manifest;
  const weights = new Map(manifest.models.map(({ name, weight }) => [name, weight]));
  const models: Model[] = [];
  for (const name of names) {
    const weight = weights.get(name);
    if (weight === undefined)
      throw new Error(`${directory}/manifest.json: expected a weight of ${name}, found none`);
    const session = await InferenceSession.create(`${directory}/${name}/1/model.onnx`, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
    });
    models.push({ name, session, weight });
  }
  return models;
}

/** @param rows one or many feature vectors of equal width. @returns one probability a row. */
export async function runModel(model: Model, rows: Tensor): Promise<Float32Array> {
  const { probability } = await model.session.run({ features: rows });
  if (!(probability?.data instanceof Float32Array))
    throw new Error(`${model.name}: no float32 output "probability"`);
  return probability.data;
}

export function toTensor(rows: readonly Float32Array[]): Tensor {
  const width = rows[0]?.length ?? 0;
  const data = new Float32Array(rows.length * width);
  rows.forEach((row, index) => {
    data.set(row, index * width);
  });
  return new Tensor("float32", data, [rows.length, width]);
}

/** The mean of the models' outputs by their weights. @param outputs in the order of the models. */
export function weightedMean(
  models: readonly Model[],
  outputs: readonly { readonly output: number }[],
): number {
  let sum = 0;
  let weights = 0;
  models.forEach(({ weight }, index) => {
    sum += weight * (outputs[index]?.output ?? Number.NaN);
    weights += weight;
  });
  return sum / weights;
}
