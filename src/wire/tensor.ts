import { TuttiError } from "../errors/tutti-error.ts";

/**
 * Element types of a tensor and the array that holds them. `bool` is one byte (0 or 1) an element; `float16` is the
 * raw 16 bits, since typed arrays of halves are not on every supported Node.
 */
export interface TensorArrays {
  float32: Float32Array;
  float64: Float64Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
  float16: Uint16Array;
  string: readonly string[];
}

export type DataType = keyof TensorArrays;
export type TensorData = TensorArrays[DataType];

/** Bytes an element takes in memory and on the wire; 0 for strings, which have no fixed size. */
export const ELEMENT_BYTES: Readonly<Record<DataType, number>> = {
  float32: 4,
  float64: 8,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
  float16: 2,
  string: 0,
};

/**
 * A dense row-major array with a type and dimensions. `data.length` equals the product of `dims`; axis 0 is the
 * batch. Treat it as immutable: the runtime may share `data` with a receive buffer.
 */
export class Tensor<T extends DataType = DataType> {
  readonly type: T;
  readonly dims: readonly number[];
  readonly data: TensorArrays[T];

  /** @throws TuttiError `InvalidArgument` when `dims` and `data` disagree. */
  constructor(type: T, data: TensorArrays[T], dims: readonly number[]) {
    let size = 1;
    for (const dim of dims) {
      if (!Number.isSafeInteger(dim) || dim < 0) {
        throw new TuttiError(
          "InvalidArgument",
          `tensor: a dimension must be a whole number >= 0, got ${dim}`,
        );
      }
      size *= dim;
    }
    if (size !== data.length) {
      throw new TuttiError(
        "InvalidArgument",
        `tensor: dims [${dims.join(", ")}] need ${size} elements, the data has ${data.length}`,
      );
    }
    this.type = type;
    this.dims = dims;
    this.data = data;
  }
}

/** Named tensors, such as a model's inputs or outputs. */
export type TensorMap = Readonly<Record<string, Tensor>>;
