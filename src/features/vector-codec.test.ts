import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeVector, encodeVector } from "./vector-codec.ts";

describe("the stored form of a vector", () => {
  it("is little-endian float32", () => {
    expect([...encodeVector(Float32Array.of(1, -2))]).toEqual([0, 0, 128, 63, 0, 0, 0, 192]);
  });

  it("comes back as it was, wherever in a buffer it lay", () => {
    fc.assert(
      fc.property(fc.float32Array({ minLength: 1 }), fc.nat(9), (vector, offset) => {
        const bytes = encodeVector(vector);
        const moved = new Uint8Array(bytes.length + 20);
        moved.set(bytes, offset);
        const decoded = decodeVector(moved.subarray(offset, offset + bytes.length), vector.length);
        expect(decoded).toEqual(vector);
      }),
    );
  });

  it("does not keep a larger buffer alive, and does not copy bytes that own theirs", () => {
    const own = encodeVector(Float32Array.of(1, 2)).slice();
    const decoded = decodeVector(own, undefined);
    expect(decoded instanceof Float32Array && decoded.buffer === own.buffer).toBe(true);
    const pooled = decodeVector(own.subarray(0, 4), undefined);
    expect(pooled instanceof Float32Array && pooled.buffer.byteLength).toBe(4);
  });

  it("says why bytes are no vector", () => {
    expect(decodeVector(new Uint8Array(0), undefined)).toBe(
      "its vector has 0 bytes, expected a positive multiple of 4",
    );
    expect(decodeVector(new Uint8Array(6), undefined)).toMatch(/has 6 bytes/);
    expect(decodeVector(new Uint8Array(8), 3)).toBe("its vector has 2 elements, expected 3");
  });
});
