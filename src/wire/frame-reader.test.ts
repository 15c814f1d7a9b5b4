import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameReader } from "./frame-reader.ts";
import { DEFAULT_WIRE_LIMITS } from "./protocol.ts";
import { numberedFrame } from "./transport.conformance.ts";

const LIMITS = { ...DEFAULT_WIRE_LIMITS, maxFrameBytes: 1 << 20 };

function read(chunks: readonly Buffer[]): Buffer[] {
  const frames: Buffer[] = [];
  const reader = new FrameReader(LIMITS, (frame) => frames.push(frame));
  for (const chunk of chunks) reader.push(chunk);
  return frames;
}

describe("FrameReader", () => {
  it("reads the same frames however their bytes are cut into chunks, each on a multiple of 8", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 });
    const cuts = fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 60 });
    // Where a chunk starts in memory differs from its place in the stream.
    fc.assert(
      fc.property(sizes, cuts, fc.nat({ max: 7 }), (eighths, lengths, shift) => {
        const frames = eighths.map((eighth, i) => numberedFrame(i, eighth * 8));
        const stream = Buffer.concat(frames);
        const chunks: Buffer[] = [];
        let at = 0;
        for (const length of [...lengths, stream.length]) {
          const part = stream.subarray(at, at + length);
          const chunk = Buffer.alloc(part.length + shift).subarray(shift);
          part.copy(chunk);
          chunks.push(chunk);
          at += part.length;
        }
        const received = read(chunks);
        expect(received.map((frame) => frame.toString("hex"))).toEqual(frames.map((f) => f.toString("hex")));
        expect(received.every((frame) => frame.byteOffset % 8 === 0)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("hands on without a copy what lies whole and aligned in a chunk", () => {
    const chunk = Buffer.concat([numberedFrame(0, 64), numberedFrame(1, 64)]);
    const aligned = Buffer.from(new Uint8Array(chunk).buffer);
    expect(read([aligned]).map((frame) => frame.buffer)).toEqual([aligned.buffer, aligned.buffer]);
  });

  it("takes a frame of the largest size, in one chunk and in small ones", () => {
    const frame = numberedFrame(1, LIMITS.maxFrameBytes);
    const small = Array.from({ length: 64 }, (_, i) => frame.subarray(i << 14, (i + 1) << 14));
    for (const chunks of [[frame], small]) expect(read(chunks)[0]!.equals(frame)).toBe(true);
  });

  it.each([0, 7, 9, LIMITS.maxFrameBytes + 8, 0xffff_ffff])(
    "refuses the length %i, whole or in pieces",
    (length) => {
      const header = Buffer.alloc(8);
      header.writeUInt32LE(length, 0);
      const refusal = expect.objectContaining({ code: "ProtocolError" });
      expect(() => read([header])).toThrow(refusal);
      expect(() => read([header.subarray(0, 3), header.subarray(3)])).toThrow(refusal);
    },
  );

  it("claims memory as bytes arrive, not as a length promises (D4)", () => {
    const before = process.memoryUsage().arrayBuffers;
    const limits = DEFAULT_WIRE_LIMITS;
    const readers = Array.from({ length: 100 }, () => {
      const reader = new FrameReader(limits, () => {});
      const header = Buffer.alloc(16);
      header.writeUInt32LE(limits.maxFrameBytes, 0);
      reader.push(header);
      return reader;
    });
    // 100 senders that announce 64 MiB and send 16 bytes: 64 KiB each, not 6 GB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    expect(readers).toHaveLength(100);
  });
});
