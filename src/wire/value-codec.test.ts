import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyTensor, anyTensorMap, anyValue, comparable } from "../../test/wire/arbitraries.ts";
import { PayloadKind } from "./protocol.ts";
import { Tensor } from "./tensor.ts";
import { decodeArguments, decodeValue, encodeArguments, encodeValue } from "./value-codec.ts";

const DEPTH = 64;

/** Lays a payload down as frames do: on a multiple of 8, in a buffer that holds other things too. */
function payloadOf(encoded: { readonly bytes: number; write(out: Buffer, at: number): void }): Buffer {
  const frame = Buffer.alloc(64 + encoded.bytes, 0xee);
  encoded.write(frame, 32);
  return frame.subarray(32, 32 + encoded.bytes);
}

function roundTrip(value: unknown): unknown {
  const encoded = encodeValue(value);
  return decodeValue(encoded.kind, payloadOf(encoded), DEPTH);
}

describe("encodeValue and decodeValue", () => {
  it("give back any plain value, with tensors and typed arrays nested anywhere", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(comparable(roundTrip(value))).toEqual(comparable(value));
      }),
      { numRuns: 500 },
    );
  });

  it("give back arguments: none, one of each kind, several", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(anyValue, anyTensor(), anyTensorMap), { maxLength: 4 }), (args) => {
        const encoded = encodeArguments(args);
        const decoded = decodeArguments(encoded.kind, payloadOf(encoded), DEPTH);
        expect(comparable(decoded)).toEqual(comparable(args));
      }),
      { numRuns: 300 },
    );
  });

  it("give back a typed array of a shared buffer alone, not its neighbours in memory", () => {
    const memory = Float32Array.from([1, 2, 3, 4]);
    const decoded = roundTrip({ odd: "x", part: memory.subarray(1, 3) }) as { part: Float32Array };
    expect([...decoded.part]).toEqual([2, 3]);
    expect(decoded.part.buffer.byteLength).toBe(8);
  });

  it("give back a nested tensor at every alignment of its bytes", () => {
    for (let length = 0; length < 16; length++) {
      const tensor = new Tensor("float64", Float64Array.of(1.5, -2.5), [2]);
      const decoded = roundTrip(["x".repeat(length), tensor, length]) as [string, Tensor, number];
      expect([...(decoded[1].data as Float64Array)]).toEqual([1.5, -2.5]);
    }
  });

  it("view a lone tensor, a map of tensors and bytes in place, without a copy", () => {
    const tensor = new Tensor("float32", Float32Array.of(1, 2), [2]);
    for (const value of [tensor, { tensor }, new Uint8Array(16)]) {
      const encoded = encodeValue(value);
      const payload = payloadOf(encoded);
      const decoded = decodeValue(encoded.kind, payload, DEPTH) as Tensor | { tensor: Tensor } | Uint8Array;
      const view =
        decoded instanceof Uint8Array
          ? decoded
          : decoded instanceof Tensor
            ? decoded.data
            : decoded.tensor.data;
      expect((view as Uint8Array).buffer).toBe(payload.buffer);
    }
  });

  it("write -0 as 0, as JSON does, but keep it in tensors and typed arrays", () => {
    expect(roundTrip([-0])).toEqual([0]);
    const [array] = roundTrip([Float64Array.of(-0)]) as [Float64Array];
    expect(Object.is(array[0], -0)).toBe(true);
  });

  it("lose a class and keep its own enumerable properties", () => {
    class Offer {
      readonly price = 5;
      get double() {
        return this.price * 2;
      }
    }
    expect(roundTrip(new Offer())).toEqual({ price: 5 });
    expect(Object.getPrototypeOf(roundTrip(new Offer()))).toBe(Object.prototype);
  });

  it("set no prototype from a key named __proto__", () => {
    const decoded = roundTrip(JSON.parse('{"__proto__": {"admin": true}, "a": [{"__proto__": 1}]}'));
    expect((decoded as { admin?: boolean }).admin).toBeUndefined();
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it.each([
    ["a function", () => 1],
    ["a function inside", [{ f() {} }]],
    ["a symbol", Symbol("s")],
    ["an integer above 64 bits", [2n ** 64n]],
    ["an integer below 64 bits", [-(2n ** 63n) - 1n]],
  ])("refuse as NotSerialisable: %s", (_, value) => {
    expect(() => encodeValue(value)).toThrow(expect.objectContaining({ code: "NotSerialisable" }));
  });

  it("go on encoding after a value was refused", () => {
    expect(() =>
      encodeValue([new Tensor("int8", new Int8Array(1), new Array(17).fill(1)), Symbol("s")]),
    ).toThrow();
    expect(() => encodeValue({ a: Symbol("s") })).toThrow();
    expect(roundTrip({ a: [1, "two"] })).toEqual({ a: [1, "two"] });
  });

  it("refuse to decode a kind that is not known, and arguments that are no list", () => {
    expect(() => decodeValue(9, Buffer.alloc(8), DEPTH)).toThrow("payload kind 9 is not known here");
    const text = payloadOf(encodeValue("text"));
    expect(() => decodeArguments(PayloadKind.structured, text, DEPTH)).toThrow("arguments are not a list");
  });

  it("refuse a nested typed array whose bytes are no whole elements, and one of an unknown type", () => {
    for (const bytes of [
      [0xd5, 0x41, 0x00, 0x01],
      [0xd4, 0x41, 0x7f],
      [0xc7, 0x00, 0x41],
    ]) {
      expect(() => decodeValue(PayloadKind.structured, Buffer.from(bytes), DEPTH)).toThrow(
        expect.objectContaining({ code: "ProtocolError" }),
      );
    }
  });
});
