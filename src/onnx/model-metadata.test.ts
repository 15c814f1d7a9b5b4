/** Invariant O1 of `model-metadata.ts`. */
import { describe, expect, it } from "vitest";
import { type DeclaredTensor, describeSpec, findBatchAxis } from "./model-metadata.ts";

const tensor = (...axes: (number | string)[]): DeclaredTensor => ({ name: "t", type: "float32", axes });

describe("findBatchAxis (O1)", () => {
  it.each([
    ["free axes with one name", [tensor("N", 3)], [tensor("N", 1)], true],
    ["free axes without names", [tensor("", 3)], [tensor("", 1)], true],
    ["a name on one side only", [tensor("batch", 3)], [tensor("", 1)], true],
    ["a name that PyTorch invented", [tensor("batch", 3)], [tensor("Gemmy_dim_0", 1)], true],
    ["a name that tf2onnx invented", [tensor("unk__12", 3)], [tensor("unk__13", 1)], true],
    ["two inputs with one name", [tensor("N", 3), tensor("N")], [tensor("N", 1)], true],
    ["two inputs with different names", [tensor("N", 3), tensor("M")], [tensor("", 1)], false],
    ["an output with a name of its own", [tensor("batch", 3)], [tensor("num_boxes", 4)], false],
    [
      "one of several outputs with a name of its own",
      [tensor("N", 3)],
      [tensor("N", 1), tensor("found", 1)],
      false,
    ],
    ["a fixed input", [tensor(1, 3)], [tensor("N", 1)], false],
    ["a fixed output", [tensor("N", 3)], [tensor(1)], false],
    ["a scalar output", [tensor("N", 3)], [tensor()], false],
    ["no inputs", [], [tensor("N")], false],
  ])("judges %s", (_, inputs, outputs, batchable) => {
    expect(findBatchAxis(inputs, outputs)).toBe(batchable);
  });
});

describe("describeSpec", () => {
  it("shows free axes as stars", () => {
    expect(describeSpec({ type: "int64", shape: [null, 19] })).toBe("int64[*, 19]");
  });
});
