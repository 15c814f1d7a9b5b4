import { statSync } from "node:fs";
import path from "node:path";
import { TuttiError } from "../errors/tutti-error.ts";
import { formatMs } from "../observe/format-ms.ts";
import { describeSpec } from "../onnx/model-metadata.ts";
import { loadModelSession } from "../onnx/model-session.ts";
import { listModelRepository } from "../onnx/repository.ts";
import { warmUp } from "../onnx/warm-up.ts";
import { type Finding, fail, ok } from "./finding.ts";

/** A model to be loaded. */
export interface ModelPath {
  readonly check: string;
  readonly path: string;
}

/** The models of the files and repositories that are named, and what is wrong with those that have none. */
export function findModels(paths: readonly string[]): (ModelPath | Finding)[] {
  return paths.flatMap(modelsOf);
}

/** Loads a model and runs it on zeros. What was found already stays as it is. */
export async function examineModel(model: ModelPath | Finding): Promise<Finding> {
  return "verdict" in model ? model : examine(model);
}

function modelsOf(given: string): (ModelPath | Finding)[] {
  const absolute = path.resolve(given);
  try {
    if (!statSync(absolute).isDirectory()) {
      return [{ check: `model ${path.basename(absolute, ".onnx")}`, path: absolute }];
    }
    const models = listModelRepository(absolute);
    if (models.length > 0)
      return models.map(({ name, path: file }) => ({ check: `model ${name}`, path: file }));
    return [
      fail(`models in ${given}`, "none", "a repository has <name>/<version>/model.onnx for each model"),
    ];
  } catch (thrown) {
    const { message } = TuttiError.from(thrown, "ModelNotFound");
    return [
      fail(`models in ${given}`, message, "name an .onnx file, or a folder with <name>/<version>/model.onnx"),
    ];
  }
}

async function examine({ check, path: file }: ModelPath): Promise<Finding> {
  const startedAtMs = performance.now();
  try {
    const session = await loadModelSession({ name: check.replace(/^model /, ""), path: file });
    const loadMs = performance.now() - startedAtMs;
    const samples = await warmUp(session);
    const { inputs } = session.metadata;
    await session.close();
    const runs = samples.map(({ rows, ms }) => `${rows} ${rows === 1 ? "row" : "rows"} in ${formatMs(ms)}`);
    const takes = inputs.map((input) => `${input.name} ${describeSpec(input)}`).join(", ");
    return ok(check, [`takes ${takes}`, `loaded in ${formatMs(loadMs)}`, ...runs].join("; "));
  } catch (thrown) {
    const advice = "load it with ONNX Runtime where it was made; export it again if that fails too";
    return fail(check, TuttiError.from(thrown, "ModelInvalid").message, advice);
  }
}
