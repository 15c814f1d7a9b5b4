import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { hashOfFiles, modelFiles, modelWeights, type Weighting } from "./model-files.ts";
import { CACHE, EXAMPLE } from "./paths.ts";

const COMPUTE = fileURLToPath(new URL("./compute-reference.ts", import.meta.url));

/**
 * The right answers of a model version for the whole population, computed once and kept by the hash of the models, the
 * players and the catalogue. In a child process, so that neither the bench nor the generator holds an ONNX Runtime,
 * whose pages would be shared with the systems' and lower their PSS.
 */
export async function ensureReference(
  modelsDir: string,
  playersDb: string,
  weighting: Weighting,
): Promise<string> {
  const files = modelFiles(modelsDir);
  const inputs = createHash("sha256")
    .update(hashOfFiles(files))
    .update(JSON.stringify(modelWeights(modelsDir, files, weighting)))
    .update(basename(playersDb))
    .update(readFileSync(`${EXAMPLE}catalogue/catalogue.json`))
    .update(readFileSync(COMPUTE));
  const path = `${CACHE}reference-${inputs.digest("hex").slice(0, 12)}.json`;
  if (!existsSync(path)) {
    await promisify(execFile)(process.execPath, [COMPUTE, modelsDir, playersDb, weighting, path], {
      timeout: 300_000,
    });
  }
  return path;
}
