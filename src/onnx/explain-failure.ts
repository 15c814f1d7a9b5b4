import { TuttiError } from "../errors/tutti-error.ts";
import type { ModelFile } from "./model-file.ts";
import type { ModelHeader } from "./model-header.ts";
import type { ModelMetadata } from "./model-metadata.ts";

/** A failed load, with what to do about it where that can be told (O4). */
export function asLoadError(file: ModelFile, header: ModelHeader, error: unknown): TuttiError {
  return new TuttiError("ModelInvalid", `model file ${file.path}: ${explainLoad(error, header)}`, {
    cause: error,
  });
}

/**
 * A failed run (O4). Inputs were checked before; what they can still get wrong are sizes of free axes that only the
 * graph knows to be related.
 */
export function asRunError(metadata: ModelMetadata, error: unknown): TuttiError {
  const said = saidBy(error);
  const free = metadata.inputs.some(({ shape }) => shape.some((size, axis) => size === null && axis > 0));
  if (free && /dimension|broadcast|shape/i.test(said)) {
    const message = `model ${metadata.name}: it does not take inputs of these sizes: ${said}`;
    return new TuttiError("TensorMismatch", message, { cause: error });
  }
  return new TuttiError("ApplicationError", `model ${metadata.name}: its run failed: ${said}`, {
    cause: error,
  });
}

/** ONNX Runtime's own text comes last, it often names the node. */
function explainLoad(error: unknown, header: ModelHeader): string {
  const said = saidBy(error);
  const opsets = [...header.opsets].map(([domain, version]) => `${domain} ${version}`).join(", ");
  if (/opset|unsupported model IR version/i.test(said)) {
    return `it is of a newer ONNX version than this runtime reads (operator sets: ${opsets}); export it with a lower opset. ONNX Runtime: ${said}`;
  }
  if (/not a registered function|no op registered|not[ _]implemented/i.test(said)) {
    return `it uses an operator that this runtime lacks (operator sets: ${opsets}). ONNX Runtime: ${said}`;
  }
  if (/external/i.test(said)) {
    return `its weights are in another file, which is not supported; save the model as one file. ONNX Runtime: ${said}`;
  }
  return `ONNX Runtime refuses it: ${said}`;
}

/** ONNX Runtime's message without the C++ source line and function that some begin with. */
function saidBy(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^\S+\.(?:h|cc):\d+ .*?\) (?=[A-Z])/s, "").trim();
}
