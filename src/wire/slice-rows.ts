import { TuttiError } from "../errors/tutti-error.ts";
import { Tensor, type TensorMap } from "./tensor.ts";

/**
 * Rows `first` to `first + rows` along axis 0 of every tensor of a map, as views.
 *
 * @throws TuttiError `ProtocolError` when the value is not a map of tensors that have those rows.
 */
export function sliceRows(value: unknown, first: number, rows: number): TensorMap {
  const sliced: Record<string, Tensor> = {};
  if (typeof value !== "object" || value === null)
    throw new TuttiError("ProtocolError", "rows of what is no tensors");
  for (const name in value) {
    const tensor = (value as TensorMap)[name];
    if (!(tensor instanceof Tensor)) throw new TuttiError("ProtocolError", "rows of what is no tensors");
    sliced[name] = sliceTensor(tensor, first, rows);
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
