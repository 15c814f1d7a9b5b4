import { fileURLToPath } from "node:url";

/** The places of the repository that the benches use, as absolute paths. */
export const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
export const EXAMPLE = `${REPOSITORY}examples/dynamic-offers/`;
export const CACHE = `${REPOSITORY}bench/.cache/`;
export const RESULTS = `${REPOSITORY}bench/results/`;

export type Family = "trees" | "dense";

export const GAME = "tower";
export const MODEL_DIRECTORY: Readonly<Record<Family, string>> = {
  trees: `${EXAMPLE}models/tower/v1`,
  dense: `${EXAMPLE}models/tower-dense/v1`,
};
