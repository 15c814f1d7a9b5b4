/** Invariants O6, O7 and O8 of `merge-batch.ts`. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DataType, ELEMENT_BYTES, Tensor, type TensorData, type TensorMap } from "../wire/tensor.ts";
import { createTensorData, mergeBatch, splitBatch } from "./merge-batch.ts";
import type { ModelMetadata } from "./model-metadata.ts";

const TYPES = Object.keys(ELEMENT_BYTES) as DataType[];

const spec = (name: string, type: DataType) => ({ name, type, shape: [null, null] });

const model = (type: DataType): ModelMetadata => ({
  name: "m",
  inputs: [spec("a", type), spec("b", "float32")],
  outputs: [spec("a", type), spec("b", "float32")],
  batchAxis: true,
});

function randomTensor(type: DataType, dims: readonly number[], seed: number): Tensor {
  const length = dims.reduce((a, b) => a * b, 1);
  if (type === "string")
    return new Tensor(
      type,
      Array.from({ length }, (_, i) => `${seed}:${i}`),
      dims,
    );
  const data = createTensorData(type, length);
  // Any bits are a value of a number type, NaN included; only a bool must be 0 or 1.
  const bytes = new Uint8Array(data.buffer);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = type === "bool" ? (seed + i) % 2 : (seed * 31 + i * 17) % 256;
  return new Tensor(type, data, dims);
}

/** NaNs differ in bits, so compare bits. */
function bits(data: TensorData): unknown {
  return "buffer" in data ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex") : data;
}

describe("mergeBatch and splitBatch", () => {
  it.each(TYPES)("give every item back as it was, for %s (O6)", (type) => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 2 }),
        fc.nat(1000),
        (rowCounts, rowShape, seed) => {
          const items: TensorMap[] = rowCounts.map((rows, index) => ({
            a: randomTensor(type, [rows, ...rowShape], seed + index),
            b: randomTensor("float32", [rows], seed - index),
          }));
          const parts = splitBatch(mergeBatch(model(type), items), rowCounts);
          expect(parts).toHaveLength(items.length);
          for (const [index, item] of items.entries()) {
            for (const name of ["a", "b"]) {
              const [before, after] = [item[name]!, parts[index]![name]!];
              expect(after.type).toBe(before.type);
              expect(after.dims).toEqual(before.dims);
              expect(bits(after.data)).toEqual(bits(before.data));
            }
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("pass a single item on without a copy (O8)", () => {
    const item = { a: randomTensor("int8", [2, 2], 1), b: randomTensor("float32", [2], 1) };
    expect(mergeBatch(model("int8"), [item])).toBe(item);
    expect(splitBatch(item, [2])[0]).toBe(item);
  });

  it("split into views of the batch's memory (O8)", () => {
    const y = randomTensor("float32", [3, 2], 1);
    const [first, second] = splitBatch({ y }, [1, 2]);
    expect((first!.y!.data as Float32Array).buffer).toBe((y.data as Float32Array).buffer);
    expect((second!.y!.data as Float32Array).byteOffset).toBe(8);
  });

  it("refuse an output with another number of rows than went in (O7)", () => {
    const y = randomTensor("float32", [3, 2], 1);
    expect(() => splitBatch({ y }, [1, 1])).toThrow(/output y has 3 rows for 2 input rows/);
    const scalar = randomTensor("float32", [], 1);
    expect(() => splitBatch({ scalar }, [1, 1])).toThrow(/output scalar has no rows for 2 input rows/);
  });

  it("give a single item all of its output, whatever its shape (O7)", () => {
    const scalar = randomTensor("float32", [], 1);
    expect(splitBatch({ scalar }, [4])).toEqual([{ scalar }]);
  });

  it("refuse rows of different shapes, naming the input", () => {
    const item = (width: number): TensorMap => ({
      a: randomTensor("int8", [1, width], 1),
      b: randomTensor("float32", [1], 1),
    });
    expect(() => mergeBatch(model("int8"), [item(2), item(3)])).toThrow(
      /input a: rows of shapes \[1, 2\] and \[1, 3\]/,
    );
  });

  it("refuse to merge for a model without a batch axis, or nothing", () => {
    const item = { a: randomTensor("int8", [1], 1), b: randomTensor("float32", [1], 1) };
    expect(() => mergeBatch({ ...model("int8"), batchAxis: false }, [item, item])).toThrow(
      /has no batch axis/,
    );
    expect(() => mergeBatch(model("int8"), [])).toThrow(/no items/);
  });
});
