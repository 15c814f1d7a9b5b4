import { type DataType, ELEMENT_BYTES } from "../wire/tensor.ts";

/** One input or output of a model as the model file declares it. A `null` in `shape` is an axis of any size. */
export interface TensorSpec {
  readonly name: string;
  readonly type: DataType;
  readonly shape: readonly (number | null)[];
}

export interface ModelMetadata {
  /** The model's name in messages, not the graph's. */
  readonly name: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Whether requests may be concatenated along axis 0 and answers split there (O1). */
  readonly batchAxis: boolean;
}

/** A tensor as declared: an axis is its size, its symbolic name, or an empty string without either. */
export interface DeclaredTensor {
  readonly name: string;
  readonly type: DataType;
  readonly axes: readonly (number | string)[];
}

/**
 * Names that exporters invent for an axis nobody named. They say nothing about which axes are equal.
 * PyTorch: `x_dynamic_axes_1`, `Gemmy_dim_0`, `s0`; tf2onnx: `unk__12`; ONNX shape inference: `unk__0`.
 */
const INVENTED_AXIS = /^(unk__\d+|.*_dynamic_axes_\d+|.+_dim_\d+|s\d+|\?|-1)$/;

/**
 * O1. A model is batchable only if axis 0 of every input and every output is free, and no names that its author gave
 * them say that they differ: all named inputs have one name, and each named output has that name too. (An output
 * such as `[num_boxes, 4]` of an input `[batch, 3, 640, 640]` is free, but not the batch.) A model that mixes rows, by
 * a softmax along axis 0 for instance, cannot be told apart by its shapes: such a model needs `batchAxis: false`.
 */
export function findBatchAxis(
  inputs: readonly DeclaredTensor[],
  outputs: readonly DeclaredTensor[],
): boolean {
  if (inputs.length === 0 || outputs.length === 0) return false;
  let batchName: string | undefined;
  for (const { axes } of [...inputs, ...outputs]) {
    const axis = axes[0];
    if (typeof axis !== "string") return false;
    if (axis === "" || INVENTED_AXIS.test(axis)) continue;
    batchName ??= axis;
    if (axis !== batchName) return false;
  }
  return true;
}

export function toTensorSpec(declared: DeclaredTensor): TensorSpec {
  return {
    name: declared.name,
    type: declared.type,
    shape: declared.axes.map((axis) => (typeof axis === "number" ? axis : null)),
  };
}

/** ONNX Runtime's type names that a `Tensor` can hold; both happen to use the same words. */
export function isDataType(type: string): type is DataType {
  return Object.hasOwn(ELEMENT_BYTES, type);
}

/** `float32[*, 19]`, for messages. */
export function describeSpec(spec: Pick<TensorSpec, "type" | "shape">): string {
  return `${spec.type}[${spec.shape.map((size) => size ?? "*").join(", ")}]`;
}
