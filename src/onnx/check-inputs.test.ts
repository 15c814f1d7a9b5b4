/** Invariant O5 of `check-inputs.ts`. */
import { describe, expect, it } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import { Tensor, type TensorMap } from "../wire/tensor.ts";
import { checkInputs } from "./check-inputs.ts";
import type { ModelMetadata } from "./model-metadata.ts";

const outputs = [{ name: "y", type: "float32", shape: [null, 1] }] as const;

const ONE: ModelMetadata = {
  name: "churn",
  inputs: [{ name: "features", type: "float32", shape: [null, 3] }],
  outputs,
  batchAxis: true,
};

const TWO: ModelMetadata = {
  name: "rank",
  inputs: [
    { name: "ids", type: "int64", shape: [null, null] },
    { name: "mask", type: "bool", shape: [null, null] },
  ],
  outputs,
  batchAxis: true,
};

const floats = (...dims: number[]): Tensor =>
  new Tensor("float32", new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
const ids = (rows: number): Tensor => new Tensor("int64", new BigInt64Array(rows * 2), [rows, 2]);
const mask = (rows: number): Tensor => new Tensor("bool", new Uint8Array(rows * 2), [rows, 2]);

function refusal(metadata: ModelMetadata, given: unknown): TuttiError {
  try {
    checkInputs(metadata, given as TensorMap);
  } catch (error) {
    if (error instanceof TuttiError) return error;
    throw error;
  }
  throw new Error("the inputs were accepted");
}

describe("checkInputs", () => {
  it("takes a bare tensor for a model with one input", () => {
    const x = floats(4, 3);
    expect(checkInputs(ONE, x)).toEqual({ inputs: { features: x }, rows: 4 });
  });

  it("takes tensors by name and counts their rows", () => {
    const given = { ids: ids(5), mask: mask(5) };
    expect(checkInputs(TWO, given)).toEqual({ inputs: given, rows: 5 });
  });

  it("refuses a bare tensor for a model with several inputs", () => {
    expect(refusal(TWO, ids(1)).message).toBe(
      "model rank: expected 2 inputs by name (ids, mask), got one tensor",
    );
  });

  it.each([
    ["a missing input", TWO, { ids: ids(1) }, "model rank: input mask (bool[*, *]) is missing; got ids"],
    ["no input at all", ONE, {}, "model churn: input features (float32[*, 3]) is missing; got no inputs"],
    [
      "an extra input",
      ONE,
      { features: floats(1, 3), more: ids(1) },
      "model churn: there is no input more; its inputs are features",
    ],
    ["another type", ONE, ids(1), "model churn: input features: expected float32[*, 3], got int64[1, 2]"],
    ["another rank", ONE, floats(3), "model churn: input features: expected float32[*, 3], got float32[3]"],
    [
      "another fixed size",
      ONE,
      floats(2, 4),
      "model churn: input features: expected float32[*, 3], got float32[2, 4]",
    ],
    [
      "unequal rows",
      TWO,
      { ids: ids(2), mask: mask(3) },
      "model rank: input mask has 3 rows, input ids has 2",
    ],
    ["no rows", ONE, floats(0, 3), "model churn: input features has no rows"],
    [
      "something that is no tensor",
      ONE,
      { features: [1, 2, 3] },
      "model churn: input features: expected a tensor float32[*, 3], got object",
    ],
    ["nothing", ONE, null, "model churn: expected a tensor, or tensors by name (features), got null"],
    [
      "an inherited name",
      { ...ONE, inputs: [{ ...ONE.inputs[0]!, name: "toString" }] },
      {},
      "model churn: input toString (float32[*, 3]) is missing; got no inputs",
    ],
  ])("refuses %s, naming it", (_, metadata, given, message) => {
    const error = refusal(metadata, given);
    expect(error.message).toBe(message);
    expect(error).toMatchObject({ code: "TensorMismatch", started: "no" });
  });

  it("says which input is meant", () => {
    expect(refusal(TWO, { ids: ids(1) }).path).toBe("inputs.mask");
  });

  it("counts a model without a batch axis as one row, whatever its shape", () => {
    const fixed: ModelMetadata = { ...ONE, inputs: [{ ...ONE.inputs[0]!, shape: [8, 3] }], batchAxis: false };
    expect(checkInputs(fixed, floats(8, 3)).rows).toBe(1);
  });
});
