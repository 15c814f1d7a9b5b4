import { endianness } from "node:os";

const HOST_IS_LITTLE_ENDIAN = endianness() === "LE";

/** The stored form of a vector: raw little-endian float32. On a little-endian host a view, not a copy. */
export function encodeVector(vector: Float32Array): Uint8Array<ArrayBuffer> {
  if (HOST_IS_LITTLE_ENDIAN && vector.buffer instanceof ArrayBuffer) {
    return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  }
  const bytes = new Uint8Array(vector.byteLength);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < vector.length; index += 1) {
    view.setFloat32(index * 4, vector[index] ?? Number.NaN, true);
  }
  return bytes;
}

/**
 * Takes the bytes over without a copy where they own their buffer. Bytes that are a window of a larger one (Node's
 * 8 KB pool) are copied, or a cached row would keep all of it alive.
 *
 * @returns why not, as a clause for an error message, when the bytes are no vector of `dimensions` elements.
 */
export function decodeVector(bytes: Uint8Array, dimensions: number | undefined): Float32Array | string {
  const { byteLength } = bytes;
  if (byteLength === 0 || byteLength % 4 !== 0) {
    return `its vector has ${byteLength} bytes, expected a positive multiple of 4`;
  }
  if (dimensions !== undefined && byteLength !== dimensions * 4) {
    return `its vector has ${byteLength / 4} elements, expected ${dimensions}`;
  }
  if (!HOST_IS_LITTLE_ENDIAN) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength);
    return Float32Array.from({ length: byteLength / 4 }, (_, index) => view.getFloat32(index * 4, true));
  }
  if (bytes.buffer.byteLength === byteLength) return new Float32Array(bytes.buffer);
  return new Float32Array(bytes.slice().buffer);
}
