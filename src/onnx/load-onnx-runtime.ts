import { applyEnvironmentDefaults } from "../config/environment.ts";

export type OrtModule = typeof import("onnxruntime-node");

let loadedOrt: Promise<OrtModule> | undefined;

/**
 * O3. ONNX Runtime is loaded by the first model, never by an import: processes without models do not pay for it
 *     (33 MB and 15 to 80 ms).
 *
 * Also worth calling ahead of the first model, by a process that waits for one.
 */
export function loadOnnxRuntime(): Promise<OrtModule> {
  applyEnvironmentDefaults();
  loadedOrt ??= import("onnxruntime-node").then((module) => {
    // It would print to stderr what comes back as an exception, and warnings about other people's graphs.
    module.env.logLevel = "fatal";
    return module;
  });
  return loadedOrt;
}
