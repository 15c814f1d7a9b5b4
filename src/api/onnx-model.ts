import type { Tensor, TensorMap } from "../wire/tensor.ts";

/** What a deployment of an ONNX file can be asked. It runs in a model executor; there is no such object elsewhere. */
export interface OnnxModel {
  /**
   * Runs the model on some rows. Calls that wait at the same time are run together, along axis 0.
   *
   * @param inputs each input by name, or the tensor alone where the model has one input.
   * @returns each output by name, with as many rows as were given.
   * @throws TuttiError `TensorMismatch` when a name, type or shape is not what the model takes.
   */
  predict(inputs: Tensor | TensorMap): Promise<TensorMap>;
}
