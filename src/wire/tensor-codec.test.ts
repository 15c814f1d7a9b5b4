import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyTensor, anyTensorMap, comparable, DATA_TYPES } from "../../test/wire/arbitraries.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { Tensor } from "./tensor.ts";
import {
  readTensor,
  readTensorMap,
  tensorBytes,
  tensorMapBytes,
  writeTensor,
  writeTensorMap,
} from "./tensor-codec.ts";

function written(tensor: Tensor): Buffer {
  const out = Buffer.alloc(tensorBytes(tensor), 0xee);
  expect(writeTensor(out, 0, tensor)).toBe(out.length);
  return out;
}

const codeOf = (action: () => unknown): string => {
  try {
    action();
    return "no error";
  } catch (thrown) {
    return thrown instanceof TuttiError ? thrown.code : `not a TuttiError: ${String(thrown)}`;
  }
};

describe("writeTensor and readTensor", () => {
  it.each(DATA_TYPES)("give back any %s tensor, of any rank, empty ones too", (type) => {
    fc.assert(
      fc.property(anyTensor([type]), (tensor) => {
        const bytes = written(tensor);
        const { value, end } = readTensor(bytes, 0, bytes.length);
        expect(comparable(value)).toEqual(comparable(tensor));
        expect(end).toBe(bytes.length);
      }),
    );
  });

  it("take whole multiples of 8, with padding of zeros", () => {
    fc.assert(
      fc.property(anyTensor(), (tensor) => {
        const [first, second] = [tensorBytes(tensor), written(tensor)];
        expect(first % 8).toBe(0);
        const other = Buffer.alloc(first, 0x11);
        writeTensor(other, 0, tensor);
        expect(other.equals(second)).toBe(true);
      }),
    );
  });

  it("give back a scalar, and the largest rank", () => {
    for (const dims of [[], new Array(16).fill(1)]) {
      const tensor = new Tensor("int32", Int32Array.of(-7), dims);
      const bytes = written(tensor);
      expect(comparable(readTensor(bytes, 0, bytes.length).value)).toEqual(comparable(tensor));
    }
  });

  it("copy data that are not aligned for their type, rather than misread them", () => {
    const tensor = new Tensor("float64", Float64Array.of(1.5, 2.5), [2]);
    const bytes = written(tensor);
    for (let shift = 0; shift < 8; shift++) {
      const moved = Buffer.alloc(bytes.length + 8).subarray(shift, shift + bytes.length);
      bytes.copy(moved);
      expect([...(readTensor(moved, 0, moved.length).value.data as Float64Array)]).toEqual([1.5, 2.5]);
    }
  });

  it("refuse every strict prefix", () => {
    fc.assert(
      fc.property(anyTensor(), (tensor) => {
        const bytes = written(tensor);
        const dataEnd =
          bytes.readUInt32LE(4) + (8 + tensor.dims.length * 4 + 7 - ((7 + tensor.dims.length * 4) % 8));
        for (let end = 0; end < Math.min(dataEnd, bytes.length); end += 1 + (end >> 4)) {
          expect(codeOf(() => readTensor(bytes, 0, end))).toBe("ProtocolError");
        }
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ["an unknown type", [99, 0], []],
    ["a rank above 16", [0, 17], []],
    ["a rank of 255", [0, 255], []],
    ["dims whose product is not what the data hold", [0, 1], [3]],
    ["dims whose product overflows", [0, 4], [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff]],
    ["four billion strings", [12, 1], [0xffff_ffff]],
  ])("refuse %s", (_, head, dims) => {
    const bytes = Buffer.alloc(2_048);
    bytes.set(head);
    bytes.writeUInt32LE(8, 4);
    for (const [i, dim] of dims.entries()) bytes.writeUInt32LE(dim, 8 + i * 4);
    expect(codeOf(() => readTensor(bytes, 0, bytes.length))).toBe("ProtocolError");
  });

  it("take huge dims when one of them is 0, since there are no data", () => {
    const tensor = new Tensor("float32", new Float32Array(0), [0xffff_ffff, 0, 0xffff_ffff]);
    const bytes = written(tensor);
    expect(readTensor(bytes, 0, bytes.length).value.dims).toEqual([0xffff_ffff, 0, 0xffff_ffff]);
  });

  it("refuse strings that claim more than there is, less than there is, or end outside", () => {
    const bytes = written(new Tensor("string", ["ab", "c"], [2]));
    for (const [at, value] of [
      [16, 3],
      [16, 1],
      [16, 0xffff_ffff],
      [4, 10],
      [4, 16],
      [8, 3],
      [8, 1],
    ] as const) {
      const lie = Buffer.from(bytes);
      lie.writeUInt32LE(value, at);
      expect(codeOf(() => readTensor(lie, 0, lie.length))).toBe("ProtocolError");
    }
  });
});

describe("writeTensorMap and readTensorMap", () => {
  it("give back any map of tensors, in order", () => {
    fc.assert(
      fc.property(anyTensorMap, (tensors) => {
        const out = Buffer.alloc(tensorMapBytes(tensors));
        expect(writeTensorMap(out, 0, tensors)).toBe(out.length);
        expect(comparable(readTensorMap(out, 0, out.length))).toEqual(comparable(tensors));
      }),
    );
  });

  it("refuse to read a tensor named __proto__, and more than 1,024 of them", () => {
    const tensors = { __proto_x: new Tensor("int8", new Int8Array(1), [1]) };
    const out = Buffer.alloc(tensorMapBytes(tensors));
    writeTensorMap(out, 0, tensors);
    out.write("__proto__", 10);
    expect(codeOf(() => readTensorMap(out, 0, out.length))).toBe("ProtocolError");
    out.writeUInt32LE(1_025, 0);
    expect(codeOf(() => readTensorMap(out, 0, out.length))).toBe("ProtocolError");
  });

  it("take names such as constructor as mere names", () => {
    const tensors = {
      constructor: new Tensor("int8", new Int8Array(1), [1]),
      toString: new Tensor("int8", new Int8Array(2), [2]),
    };
    const out = Buffer.alloc(tensorMapBytes(tensors));
    writeTensorMap(out, 0, tensors);
    const decoded = readTensorMap(out, 0, out.length);
    expect(Object.keys(decoded)).toEqual(["constructor", "toString"]);
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  });
});
