import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { anyValue } from "../../test/wire/arbitraries.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { checkStructured } from "./check-structured.ts";
import { PayloadKind } from "./protocol.ts";
import { decodeValue, encodeValue } from "./value-codec.ts";

const DEPTH = 64;

function packed(value: unknown): Buffer | undefined {
  const encoded = encodeValue(value);
  if (encoded.kind !== PayloadKind.structured) return undefined;
  const out = Buffer.alloc(encoded.bytes);
  encoded.write(out, 0);
  return out;
}

const refusalOf = (bytes: Uint8Array, depth = DEPTH): string | undefined => {
  try {
    checkStructured(bytes, depth);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof TuttiError && thrown.code === "ProtocolError") return thrown.message;
    throw thrown;
  }
};

/** The same settings as the codec's, without its extensions: a decoder that knows nothing of the check. */
const plain = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true });
const decodes = (bytes: Uint8Array): boolean => {
  try {
    plain.unpack(bytes);
    return true;
  } catch {
    return false;
  }
};

describe("checkStructured", () => {
  it("accepts whatever encodeValue makes", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = packed(value);
        if (bytes !== undefined) expect(refusalOf(bytes)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it("accepts every width of length and number that MessagePack has", () => {
    const sizes = [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536];
    const values = sizes.flatMap((size) => [
      "x".repeat(size),
      ["é".repeat(size)],
      new Array(size).fill(0),
      Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, i])),
      { bytes: new Uint8Array(size) },
      { array: new Int16Array(size) },
    ]);
    const numbers = [
      0,
      127,
      128,
      255,
      256,
      65_535,
      65_536,
      2 ** 32 - 1,
      2 ** 32,
      -1,
      -32,
      -33,
      -128,
      -129,
      -32_769,
    ];
    for (const value of [...values, numbers, numbers.map(BigInt)]) {
      expect(refusalOf(packed(value)!)).toBeUndefined();
    }
  });

  it("refuses every strict prefix, as the decoder does, and anything that follows", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = packed(value);
        if (bytes === undefined) return;
        for (let end = 0; end < bytes.length; end += 1 + (end >> 6)) {
          expect(refusalOf(bytes.subarray(0, end))).toBeDefined();
          expect(decodes(bytes.subarray(0, end))).toBe(false);
        }
        expect(refusalOf(Buffer.concat([bytes, Buffer.of(0xc0)]))).toMatch("1 bytes follow its end");
      }),
      { numRuns: 80 },
    );
  });

  it("lets no bytes reach the decoder that it does not end with exactly, or that are not a ProtocolError there", () => {
    // msgpackr throws when it ends elsewhere than at the last byte: then the two would disagree on where values lie.
    const token = fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(
        0x91,
        0x92,
        0x81,
        0xa1,
        0xc4,
        0xc7,
        0xd4,
        0xd5,
        0xd6,
        0xd7,
        0xd9,
        0xdc,
        0xde,
        0x00,
        0x41,
        0xff,
      ),
    );
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(token, { maxLength: 24 }), (tokens) => {
        const bytes = Buffer.from(tokens);
        if (refusalOf(bytes) !== undefined) return;
        accepted += 1;
        try {
          decodeValue(PayloadKind.structured, bytes, DEPTH);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "ProtocolError" });
          expect(String(thrown)).not.toContain("end of buffer");
        }
      }),
      { numRuns: 20_000, seed: 7 },
    );
    expect(accepted).toBeGreaterThan(1_000);
  });

  it.each([
    ["an array of four billion items", [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ["an array of 65,535 items", [0xdc, 0xff, 0xff, 1, 2, 3]],
    ["a map of four billion entries", [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ["a map of 65,535 entries", [0xde, 0xff, 0xff]],
    ["four billion bytes", [0xc6, 0xff, 0xff, 0xff, 0xff]],
    ["a text of four billion bytes", [0xdb, 0xff, 0xff, 0xff, 0xff, 0x61]],
    ["an extension of four billion bytes", [0xc9, 0xff, 0xff, 0xff, 0xff, 0x54]],
    ["an extension without its type", [0xc7, 0x00]],
    ["a record definition of msgpackr", [0xd4, 0x72, 0x40]],
    ["a long record definition of msgpackr", [0xd5, 0x72, 0x40, 0x01]],
    ["an extension with a class of msgpackr", [0xd4, 0x65, 0x00]],
    ["bundled strings of msgpackr", [0xd6, 0x62, 0, 0, 0, 0]],
    ["a reference of msgpackr", [0xd6, 0x70, 0, 0, 0, 1]],
    ["an identifier of msgpackr", [0xd6, 0x69, 0, 0, 0, 1, 0x90]],
    ["the byte that is never used", [0xc1]],
    ["nothing at all", []],
  ])("refuses %s", (_, bytes) => {
    expect(refusalOf(Buffer.from(bytes))).toBeDefined();
  });

  it("takes maxDepth levels of arrays or maps, and refuses one more", () => {
    for (const level of [[0x91], [0x81, 0xa1, 0x61]]) {
      const nestedBy = (depth: number) => Buffer.from([...new Array(depth).fill(level).flat(), 0xc0]);
      expect(refusalOf(nestedBy(5), 5)).toBeUndefined();
      expect(refusalOf(nestedBy(6), 5)).toMatch("nested too deeply");
    }
  });

  it("refuses a million levels without running out of stack", () => {
    expect(refusalOf(Buffer.alloc(1_000_000, 0x91))).toMatch("nested too deeply");
  });
});
