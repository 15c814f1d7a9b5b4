import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";

/** How a system makes one propensity of the models' outputs: their mean by the manifest's weights, or the plain one. */
export type Weighting = "manifest" | "equal";

/** The model files of one version in the repository's layout `<name>/1/model.onnx`, in the order of their names. */
export function modelFiles(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${directory}/${entry.name}/1/model.onnx`)
    .filter((path) => existsSync(path))
    .sort();
}

const MODELS_A_VERSION = 15;

/** Why these models cannot be measured: some are not there. Undefined when all are. */
export function missingModels(directory: string): string | undefined {
  const present = modelFiles(directory).length;
  if (present >= MODELS_A_VERSION) return undefined;
  const hint = "make them with examples/dynamic-offers/training/train.sh (see its README)";
  return `${present} of ${MODELS_A_VERSION} models are there; ${hint}`;
}

/** What each of these files' models weighs in a propensity, by `manifest.json`, or 1 each. */
export function modelWeights(directory: string, files: readonly string[], weighting: Weighting): number[] {
  if (weighting === "equal") return files.map(() => 1);
  const manifest = JSON.parse(readFileSync(`${directory}/manifest.json`, "utf8")) as {
    readonly models: readonly { readonly name: string; readonly weight: number }[];
  };
  return files.map((file) => {
    const name = basename(dirname(dirname(file)));
    const weight = manifest.models.find((model) => model.name === name)?.weight;
    if (weight === undefined)
      throw new Error(`${directory}/manifest.json: expected a weight of ${name}, found none`);
    return weight;
  });
}

export function hashOfFiles(paths: readonly string[]): string {
  const hash = createHash("sha256");
  for (const path of paths) hash.update(readFileSync(path));
  return hash.digest("hex").slice(0, 12);
}
