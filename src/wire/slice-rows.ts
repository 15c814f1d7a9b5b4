import { TuttiError } from "../errors/tutti-error.ts";
import type { RowsOfResult } from "./messages.ts";
import { Tensor, type TensorMap } from "./tensor.ts";
import { MAX_MAP_ENTRIES } from "./tensor-codec.ts";

/** What slicing may still make: one for each tensor, and one for each string, since strings are copied. */
export interface SliceBudget {
  left: number;
}

/**
 * Checks that a value is tensors which have those rows, without cutting them out.
 *
 * @throws TuttiError `ProtocolError`.
 */
export function rowsOf(value: unknown, firstRow: number, rows: number): RowsOfResult {
  if (typeof value !== "object" || value === null)
    throw new TuttiError("ProtocolError", "rows of what is no tensors");
  let count = 0;
  for (const name in value) {
    const tensor = (value as TensorMap)[name];
    if (!(tensor instanceof Tensor)) throw new TuttiError("ProtocolError", "rows of what is no tensors");
    // Every reply of a frame may name the same value: what each may look at is bounded.
    if (++count > MAX_MAP_ENTRIES) throw new TuttiError("ProtocolError", "rows of too many tensors");
    refuseMissingRows(tensor, firstRow, rows);
  }
  return { tensors: value as TensorMap, firstRow, rows };
}

function refuseMissingRows(tensor: Tensor, firstRow: number, rows: number): void {
  const total = tensor.dims[0];
  if (total !== undefined && firstRow + rows <= total) return;
  throw new TuttiError(
    "ProtocolError",
    `rows ${firstRow} to ${firstRow + rows} of a tensor with ${total ?? "no"} rows`,
  );
}

/**
 * Rows `first` to `first + rows` along axis 0 of every tensor of a map, as views.
 *
 * @param budget bounds what many slices of one map add up to, when who asks for them is not trusted.
 * @throws TuttiError `ProtocolError` when the value is not a map of tensors that have those rows.
 */
export function sliceRows(value: unknown, first: number, rows: number, budget?: SliceBudget): TensorMap {
  const sliced: Record<string, Tensor> = {};
  if (typeof value !== "object" || value === null)
    throw new TuttiError("ProtocolError", "rows of what is no tensors");
  for (const name in value) {
    const tensor = (value as TensorMap)[name];
    if (!(tensor instanceof Tensor)) throw new TuttiError("ProtocolError", "rows of what is no tensors");
    const slice = sliceTensor(tensor, first, rows);
    sliced[name] = slice;
    if (budget !== undefined) {
      budget.left -= slice.type === "string" ? 1 + slice.data.length : 1;
      if (budget.left < 0)
        throw new TuttiError("ProtocolError", "more rows are named than their frame can hold");
    }
  }
  return sliced;
}

function sliceTensor(tensor: Tensor, first: number, rows: number): Tensor {
  const { dims, data } = tensor;
  const total = dims[0];
  if (total === undefined || first + rows > total) {
    throw new TuttiError(
      "ProtocolError",
      `rows ${first} to ${first + rows} of a tensor with ${total ?? "no"} rows`,
    );
  }
  const width = total === 0 ? 0 : data.length / total;
  const part = Array.isArray(data)
    ? data.slice(first * width, (first + rows) * width)
    : (data as Float32Array).subarray(first * width, (first + rows) * width);
  return new Tensor(tensor.type, part as typeof data, [rows, ...dims.slice(1)]);
}
