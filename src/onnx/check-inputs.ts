import { TuttiError } from "../errors/tutti-error.ts";
import { Tensor, type TensorMap } from "../wire/tensor.ts";
import { describeSpec, type ModelMetadata, type TensorSpec } from "./model-metadata.ts";

export interface CheckedInputs {
  readonly inputs: TensorMap;
  /** Items along axis 0; 1 for a model without a batch axis, which takes one call at a time. */
  readonly rows: number;
}

const mismatch = (metadata: ModelMetadata, input: string, message: string): TuttiError =>
  new TuttiError("TensorMismatch", `model ${metadata.name}: ${message}`, {
    started: "no",
    ...(input === "" ? {} : { path: `inputs.${input}` }),
  });

const names = (specs: readonly TensorSpec[]): string => specs.map(({ name }) => name).join(", ");

/** Makes of a bare tensor what it stands for. */
export interface NamedInputs {
  /** `{ [name]: tensor }`, which may be shared: nobody changes it. */
  named(name: string, tensor: Tensor): TensorMap;
}

const ONE_BY_ONE: NamedInputs = { named: (name, tensor) => ({ [name]: tensor }) };

/**
 * O5. Whatever passes here has the names, types and ranks that the model declares, the sizes of its fixed axes, and one
 *     number of rows across all batched inputs. It runs once for each call, not for each row.
 *
 * @param given a map by input name, or a bare tensor for a model with one input.
 * @param inputNames remembers the maps that it makes of bare tensors. Default: a new one each time.
 * @throws TuttiError `TensorMismatch` naming model, input, what is expected and what came.
 */
export function checkInputs(
  metadata: ModelMetadata,
  given: Tensor | TensorMap,
  inputNames: NamedInputs = ONE_BY_ONE,
): CheckedInputs {
  const specs = metadata.inputs;
  const only = specs.length === 1 ? specs[0] : undefined;
  if (given instanceof Tensor) {
    if (only === undefined) {
      throw mismatch(
        metadata,
        "",
        `expected ${specs.length} inputs by name (${names(specs)}), got one tensor`,
      );
    }
    return { inputs: inputNames.named(only.name, given), rows: checkTensor(metadata, only, given) };
  }
  if (typeof given !== "object" || given === null) {
    throw mismatch(
      metadata,
      "",
      `expected a tensor, or tensors by name (${names(specs)}), got ${given === null ? "null" : typeof given}`,
    );
  }
  let rows = -1;
  for (const spec of specs) {
    const tensor = Object.hasOwn(given, spec.name) ? given[spec.name] : undefined;
    if (tensor === undefined) throw mismatch(metadata, spec.name, missing(spec, given));
    const found = checkTensor(metadata, spec, tensor);
    if (rows !== -1 && found !== rows) {
      const first = specs[0]?.name;
      throw mismatch(metadata, spec.name, `input ${spec.name} has ${found} rows, input ${first} has ${rows}`);
    }
    rows = found;
  }
  refuseExtra(metadata, given);
  return { inputs: given, rows: rows === -1 ? 1 : rows };
}

function missing(spec: TensorSpec, given: TensorMap): string {
  const came = Object.keys(given).join(", ");
  return `input ${spec.name} (${describeSpec(spec)}) is missing; got ${came === "" ? "no inputs" : came}`;
}

function refuseExtra(metadata: ModelMetadata, given: TensorMap): void {
  let count = 0;
  for (const _ in given) count++;
  if (count === metadata.inputs.length) return;
  const extra = Object.keys(given).find((name) => !metadata.inputs.some((spec) => spec.name === name)) ?? "";
  throw mismatch(metadata, extra, `there is no input ${extra}; its inputs are ${names(metadata.inputs)}`);
}

/** Returns the rows of the tensor. */
function checkTensor(metadata: ModelMetadata, spec: TensorSpec, tensor: Tensor): number {
  if (!(tensor instanceof Tensor)) {
    throw mismatch(
      metadata,
      spec.name,
      `input ${spec.name}: expected a tensor ${describeSpec(spec)}, got ${typeof tensor}`,
    );
  }
  const { dims } = tensor;
  const { shape } = spec;
  let fits = tensor.type === spec.type && dims.length === shape.length;
  for (let axis = 0; fits && axis < shape.length; axis++) {
    const size = shape[axis];
    fits = size === null || size === dims[axis];
  }
  if (!fits) {
    const found = describeSpec({ type: tensor.type, shape: dims });
    throw mismatch(metadata, spec.name, `input ${spec.name}: expected ${describeSpec(spec)}, got ${found}`);
  }
  if (!metadata.batchAxis) return 1;
  if (dims[0] === 0) throw mismatch(metadata, spec.name, `input ${spec.name} has no rows`);
  return dims[0] ?? 1;
}
