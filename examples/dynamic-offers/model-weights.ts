import { readFileSync } from "node:fs";
import path from "node:path";

interface Manifest {
  readonly models: readonly { readonly name: string; readonly weight: number }[];
}

/**
 * How much each model of a version counts in the propensity, as its training decided; from `manifest.json`.
 *
 * @param namePrefix what the deployments' names have before the models'.
 */
export function modelWeights(directory: string, namePrefix: string): Record<string, number> {
  const file = path.join(directory, "manifest.json");
  const { models }: Manifest = JSON.parse(readFileSync(file, "utf8"));
  return Object.fromEntries(models.map(({ name, weight }) => [`${namePrefix}${name}`, weight]));
}
