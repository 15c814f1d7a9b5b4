import { resolveApplicationPath } from "../api/base-directory.ts";
import { type BoundDeployment, bindDeployment } from "../api/binding.ts";
import { checkDeploymentName } from "../api/deployment.ts";
import type { OnnxModel } from "../api/onnx-model.ts";
import { checkKeys, wholeNumber } from "../config/check-options.ts";
import {
  DEPLOYMENT_OPTION_NAMES,
  type DeploymentOptions,
  MODEL_DEFAULTS,
  resolveDeploymentOptions,
} from "../config/deployment-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { listModelRepository } from "./repository.ts";
import { resolveSessionOptions, type SessionOptions } from "./session-options.ts";

export interface ModelBatching {
  /** Rows in one run, at most. Default 128. */
  readonly maxBatchSize?: number;
}

/** What models can be told beside a deployment's own options. `compute` and `userConfig` are for classes. */
export interface ModelOptions
  extends Omit<DeploymentOptions, "name" | "compute" | "userConfig" | "healthCheck"> {
  readonly batching?: ModelBatching;
  readonly session?: SessionOptions;
}

export interface OnnxModelOptions extends ModelOptions {
  readonly name: string;
  /** The `.onnx` file, relative to the application module. */
  readonly path: string;
}

export interface ModelRepositoryOptions extends ModelOptions {
  /** Which version to take, by model name. Default: the highest number. */
  readonly versions?: Readonly<Record<string, number>>;
  /** Put before each model's name to make its deployment's, e.g. `tower.`. Default none. */
  readonly namePrefix?: string;
}

const MODEL_OPTION_NAMES = [
  ...DEPLOYMENT_OPTION_NAMES.filter((name) => !["compute", "userConfig", "healthCheck"].includes(name)),
  "batching",
  "session",
];

/**
 * A bound deployment for one ONNX file: its metadata are read from it, calls are batched along axis 0 where the model
 * allows, and it is warmed up before it is ready. The file is looked at when the application starts.
 *
 * @throws TuttiError `InvalidOptions` naming the option.
 */
export function onnxModel(options: OnnxModelOptions): BoundDeployment<OnnxModel> {
  const { path, batching = {}, session = {}, ...deploymentOptions } = options;
  const name = checkDeploymentName(options.name);
  const where = `model ${name}`;
  checkKeys(where, options, [...MODEL_OPTION_NAMES, "path"]);
  checkKeys(`${where}: batching`, batching, ["maxBatchSize"]);
  if (typeof path !== "string" || path === "") {
    throw new TuttiError("InvalidOptions", `${where}: path must name an .onnx file`);
  }
  resolveSessionOptions(session);
  return bindDeployment<OnnxModel>({
    kind: "model",
    name,
    options: resolveDeploymentOptions(name, deploymentOptions, MODEL_DEFAULTS),
    path: resolveApplicationPath(path),
    maxBatchRows: wholeNumber(`${where}: batching.maxBatchSize`, batching.maxBatchSize, {
      default: 128,
      min: 1,
      max: 65_535,
    }),
    session: { ...session },
  });
}

/**
 * One bound deployment for each model of a folder in Triton's layout (`<name>/<version>/model.onnx`), sorted by name.
 *
 * @param directory relative to the application module.
 * @throws TuttiError `ModelNotFound`, `ModelInvalid` or `DuplicateName` naming the folder, `InvalidOptions`.
 */
export function modelRepository(
  directory: string,
  options: ModelRepositoryOptions = {},
): BoundDeployment<OnnxModel>[] {
  const { versions, namePrefix = "", ...modelOptions } = options;
  const entries = listModelRepository(
    resolveApplicationPath(directory),
    versions === undefined ? {} : { versions },
  );
  return entries.map(({ name, path }) => onnxModel({ ...modelOptions, name: `${namePrefix}${name}`, path }));
}
