import { TuttiError } from "../errors/tutti-error.ts";

/** Extension types a structured value may hold; every other one is refused before it reaches the decoder. */
export const UNDEFINED_EXTENSION = 0x00;
export const TENSOR_EXTENSION = 0x54;
export const TYPED_ARRAY_EXTENSION = 0x41;
const TIMESTAMP_EXTENSION = 0xff;

const bad = (why: string): TuttiError => new TuttiError("ProtocolError", `structured value: ${why}`);

/**
 * Walks MessagePack bytes without building anything, so that the decoder proper only ever sees a value whose every
 * length is covered by bytes that are really there. Without this a five-byte array header claiming four billion
 * elements makes a decoder allocate for them.
 *
 * @throws TuttiError `ProtocolError` when truncated, nested beyond `maxDepth`, of an unknown extension, or followed
 *   by more bytes.
 */
export function checkStructured(bytes: Uint8Array, maxDepth: number): void {
  const end = walk(bytes, 0, maxDepth);
  if (end !== bytes.length) throw bad(`${bytes.length - end} bytes follow its end`);
}

function walk(bytes: Uint8Array, start: number, depthLeft: number): number {
  if (depthLeft < 0) throw bad("nested too deeply");
  if (start >= bytes.length) throw bad("truncated");
  const token = bytes[start]!;
  const next = start + 1;
  if (token <= 0x7f || token >= 0xe0 || token === 0xc0 || token === 0xc2 || token === 0xc3) return next;
  if (token <= 0x8f) return walkItems(bytes, next, (token & 0x0f) * 2, depthLeft);
  if (token <= 0x9f) return walkItems(bytes, next, token & 0x0f, depthLeft);
  if (token <= 0xbf) return skip(bytes, next, token & 0x1f);
  switch (token) {
    case 0xc4:
    case 0xd9:
      return skip(bytes, next + 1, length(bytes, next, 1));
    case 0xc5:
    case 0xda:
      return skip(bytes, next + 2, length(bytes, next, 2));
    case 0xc6:
    case 0xdb:
      return skip(bytes, next + 4, length(bytes, next, 4));
    case 0xc7:
      return extension(bytes, next + 1, length(bytes, next, 1));
    case 0xc8:
      return extension(bytes, next + 2, length(bytes, next, 2));
    case 0xc9:
      return extension(bytes, next + 4, length(bytes, next, 4));
    case 0xca:
    case 0xce:
    case 0xd2:
      return skip(bytes, next, 4);
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return skip(bytes, next, 8);
    case 0xcc:
    case 0xd0:
      return skip(bytes, next, 1);
    case 0xcd:
    case 0xd1:
      return skip(bytes, next, 2);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return extension(bytes, next, 1 << (token - 0xd4));
    case 0xdc:
      return walkItems(bytes, next + 2, length(bytes, next, 2), depthLeft);
    case 0xdd:
      return walkItems(bytes, next + 4, length(bytes, next, 4), depthLeft);
    case 0xde:
      return walkItems(bytes, next + 2, length(bytes, next, 2) * 2, depthLeft);
    case 0xdf:
      return walkItems(bytes, next + 4, length(bytes, next, 4) * 2, depthLeft);
    default:
      throw bad(`byte 0x${token.toString(16)} starts no value`);
  }
}

function walkItems(bytes: Uint8Array, start: number, count: number, depthLeft: number): number {
  // Each item takes at least one byte: a count beyond what is left is a lie, found before any work is done.
  if (count > bytes.length - start) throw bad(`${count} items claimed, ${bytes.length - start} bytes left`);
  let at = start;
  for (let i = 0; i < count; i++) at = walk(bytes, at, depthLeft - 1);
  return at;
}

function length(bytes: Uint8Array, at: number, width: 1 | 2 | 4): number {
  if (at + width > bytes.length) throw bad("truncated");
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + bytes[at + i]!;
  return value;
}

function skip(bytes: Uint8Array, at: number, count: number): number {
  if (count > bytes.length - at) throw bad("truncated");
  return at + count;
}

function extension(bytes: Uint8Array, at: number, count: number): number {
  const type = bytes[at];
  if (
    type !== UNDEFINED_EXTENSION &&
    type !== TIMESTAMP_EXTENSION &&
    type !== TENSOR_EXTENSION &&
    type !== TYPED_ARRAY_EXTENSION
  ) {
    throw bad(type === undefined ? "truncated" : `extension type ${type} is not known here`);
  }
  return skip(bytes, at + 1, count);
}
