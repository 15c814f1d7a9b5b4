import { TuttiError } from "../errors/tutti-error.ts";
import { type DataType, Tensor, type TensorArrays, type TensorData, type TensorMap } from "../wire/tensor.ts";
import type { ModelMetadata } from "./model-metadata.ts";

/**
 * Joins the inputs of several calls along axis 0 and splits the outputs again. Pure.
 *
 * O6. `splitBatch(mergeBatch(items), rows)` gives the items back, for every type: no row moves, changes or is lost.
 * O7. Outputs of several items that do not have exactly one row for each input row are refused, never dealt out by
 *     guess. (One item has all of its output, whatever its shape.)
 * O8. One item is passed on as it is; split results are views of the batch's memory. Rows are copied once at most.
 */

type NumberArray = Exclude<TensorData, readonly string[]>;

const NUMBER_ARRAYS: Readonly<Record<Exclude<DataType, "string">, new (length: number) => NumberArray>> = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
  float16: Uint16Array,
};

/** A zeroed array for numbers of a type. */
export function createTensorData(type: Exclude<DataType, "string">, length: number): NumberArray {
  return new NUMBER_ARRAYS[type](length);
}

/**
 * @param items at least one, and only one for a model without a batch axis; each has passed `checkInputs` for this model. Free axes beyond axis 0 must agree.
 * @throws TuttiError `TensorMismatch` when they do not.
 */
export function mergeBatch(metadata: ModelMetadata, items: readonly TensorMap[]): TensorMap {
  const [first] = items;
  if (first === undefined) throw new TuttiError("Internal", "mergeBatch: there are no items to merge");
  if (items.length === 1) return first;
  if (!metadata.batchAxis) {
    throw new TuttiError(
      "Internal",
      `mergeBatch: model ${metadata.name} has no batch axis, it takes one call at a time`,
    );
  }
  const merged: Record<string, Tensor> = {};
  for (const { name } of metadata.inputs) merged[name] = concatenate(metadata, name, items);
  return merged;
}

/**
 * @param rowCounts the rows of each item, in the order in which the items were merged.
 * @throws TuttiError `BatchSizeMismatch` when an output has other than the sum of rows (O7).
 */
export function splitBatch(outputs: TensorMap, rowCounts: readonly number[]): TensorMap[] {
  if (rowCounts.length === 1) return [outputs];
  const names = Object.keys(outputs);
  let rows = 0;
  for (const count of rowCounts) rows += count;
  for (const name of names) {
    const found = outputs[name]?.dims[0];
    if (found === rows) continue;
    throw new TuttiError(
      "BatchSizeMismatch",
      `output ${name} has ${found ?? "no"} rows for ${rows} input rows; is axis 0 of this model really the batch? ` +
        "If not, set session.batchAxis to false",
    );
  }
  const parts: TensorMap[] = [];
  let from = 0;
  for (const count of rowCounts) {
    const part: Record<string, Tensor> = {};
    for (const name of names) part[name] = takeRows(outputs[name] as Tensor, from, count, rows);
    parts.push(part);
    from += count;
  }
  return parts;
}

function concatenate(metadata: ModelMetadata, name: string, items: readonly TensorMap[]): Tensor {
  const head = items[0]?.[name] as Tensor;
  let rows = 0;
  let length = 0;
  for (const item of items) {
    const tensor = item[name] as Tensor;
    if (!sameRowShape(head.dims, tensor.dims)) throw unequal(metadata, name, head, tensor);
    rows += tensor.dims[0] ?? 0;
    length += tensor.data.length;
  }
  return new Tensor(head.type, concatenateData(head.type, name, items, length), [
    rows,
    ...head.dims.slice(1),
  ]);
}

function concatenateData(
  type: DataType,
  name: string,
  items: readonly TensorMap[],
  length: number,
): TensorData {
  if (type === "string") return items.flatMap((item) => item[name]?.data as readonly string[]);
  const joined = createTensorData(type, length);
  let at = 0;
  for (const item of items) {
    const data = item[name]?.data as NumberArray;
    // Types were checked: both are of the same array type, which `set` cannot see from a union.
    (joined as Float32Array).set(data as Float32Array, at);
    at += data.length;
  }
  return joined;
}

function takeRows(tensor: Tensor, from: number, count: number, rows: number): Tensor {
  const width = rows === 0 ? 0 : tensor.data.length / rows;
  const { data } = tensor;
  const part =
    "subarray" in data
      ? data.subarray(from * width, (from + count) * width)
      : data.slice(from * width, (from + count) * width);
  return new Tensor(tensor.type, part as TensorArrays[DataType], [count, ...tensor.dims.slice(1)]);
}

function sameRowShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 1; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

function unequal(metadata: ModelMetadata, name: string, a: Tensor, b: Tensor): TuttiError {
  return new TuttiError(
    "TensorMismatch",
    `model ${metadata.name}: input ${name}: rows of shapes [${a.dims.join(", ")}] and [${b.dims.join(", ")}] do not fit one batch`,
    { started: "no", path: `inputs.${name}` },
  );
}
