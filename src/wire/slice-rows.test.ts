import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyTensor, comparable } from "../../test/wire/arbitraries.ts";
import { sliceRows } from "./slice-rows.ts";
import { Tensor } from "./tensor.ts";

describe("sliceRows", () => {
  it("cuts rows that put together again are the whole, whatever the type and shape", () => {
    const batch = anyTensor().filter(({ dims }) => dims.length > 0);
    fc.assert(
      fc.property(batch, fc.array(fc.nat({ max: 5 })), (tensor, cuts) => {
        const total = tensor.dims[0]!;
        const parts: Tensor[] = [];
        let first = 0;
        for (const cut of [...cuts, total]) {
          const rows = Math.min(cut, total - first);
          parts.push(sliceRows({ tensor }, first, rows)["tensor"]!);
          first += rows;
        }
        expect(parts.every((part) => part.type === tensor.type)).toBe(true);
        expect(parts.reduce((sum, part) => sum + part.dims[0]!, 0)).toBe(total);
        const joined = parts.flatMap((part) => (comparable(part) as { data: unknown[] }).data);
        expect(joined).toEqual((comparable(tensor) as { data: unknown[] }).data);
      }),
      { numRuns: 300 },
    );
  });

  it("views numbers in place and copies strings", () => {
    const numbers = new Tensor("float32", Float32Array.of(1, 2, 3, 4), [2, 2]);
    const strings = new Tensor("string", ["a", "b"], [2]);
    const slice = sliceRows({ numbers, strings }, 1, 1);
    expect((slice["numbers"]!.data as Float32Array).buffer).toBe(numbers.data.buffer);
    expect(slice["strings"]!.data).toEqual(["b"]);
  });

  it.each([
    ["rows beyond the last", { t: new Tensor("int8", new Int8Array(2), [2]) }, 1, 2],
    ["a first row beyond the last", { t: new Tensor("int8", new Int8Array(2), [2]) }, 3, 0],
    ["rows of a scalar", { t: new Tensor("int8", new Int8Array(1), []) }, 0, 1],
    ["what is no tensor", { t: [1, 2, 3] }, 0, 1],
    ["nothing", null, 0, 1],
    ["text", "text", 0, 1],
  ])("refuses %s as a ProtocolError", (_, value, first, rows) => {
    expect(() => sliceRows(value, first, rows)).toThrow(expect.objectContaining({ code: "ProtocolError" }));
  });
});
