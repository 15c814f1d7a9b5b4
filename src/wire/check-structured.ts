import { TuttiError } from "../errors/tutti-error.ts";

/** Extension types a structured value may hold; every other one is refused before it reaches the decoder. */
export const UNDEFINED_EXTENSION = 0x00;
export const TENSOR_EXTENSION = 0x54;
export const TYPED_ARRAY_EXTENSION = 0x41;
const TIMESTAMP_EXTENSION = 0xff;

/**
 * Lists, objects, byte strings and extensions in one value. Each costs the receiver some hundred bytes however few it
 * takes on the wire, so their number is bounded by itself.
 */
export const MAX_CONTAINERS = 1 << 20;

const bad = (why: string): TuttiError => new TuttiError("ProtocolError", `structured value: ${why}`);

/**
 * Walks MessagePack bytes without building anything, so that the decoder proper only ever sees a value whose every
 * length is covered by bytes that are really there. Without this a five-byte array header claiming four billion
 * elements makes a decoder allocate for them.
 *
 * @throws TuttiError `ProtocolError` when truncated, nested beyond `maxDepth`, of more than `MAX_CONTAINERS`, of an
 *   unknown extension, or followed by more bytes.
 */
export function checkStructured(bytes: Uint8Array, maxDepth: number): void {
  const end = new StructuredWalk(bytes).value(0, maxDepth);
  if (end !== bytes.length) throw bad(`${bytes.length - end} bytes follow its end`);
}

/** Every method takes the offset where something begins and returns the one behind its end. */
class StructuredWalk {
  readonly #bytes: Uint8Array;
  #containersLeft = MAX_CONTAINERS;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  value(start: number, depthLeft: number): number {
    if (depthLeft < 0) throw bad("nested too deeply");
    if (start >= this.#bytes.length) throw bad("truncated");
    const token = this.#bytes[start]!;
    const next = start + 1;
    if (token <= 0x7f || token >= 0xe0 || token === 0xc0 || token === 0xc2 || token === 0xc3) return next;
    if (token <= 0x8f) return this.#items(next, (token & 0x0f) * 2, depthLeft);
    if (token <= 0x9f) return this.#items(next, token & 0x0f, depthLeft);
    if (token <= 0xbf) return this.#skip(next, token & 0x1f);
    switch (token) {
      case 0xc4:
        return this.#container(this.#skip(next + 1, this.#length(next, 1)));
      case 0xc5:
        return this.#container(this.#skip(next + 2, this.#length(next, 2)));
      case 0xc6:
        return this.#container(this.#skip(next + 4, this.#length(next, 4)));
      case 0xd9:
        return this.#skip(next + 1, this.#length(next, 1));
      case 0xda:
        return this.#skip(next + 2, this.#length(next, 2));
      case 0xdb:
        return this.#skip(next + 4, this.#length(next, 4));
      case 0xc7:
        return this.#extension(next + 1, this.#length(next, 1));
      case 0xc8:
        return this.#extension(next + 2, this.#length(next, 2));
      case 0xc9:
        return this.#extension(next + 4, this.#length(next, 4));
      case 0xca:
      case 0xce:
      case 0xd2:
        return this.#skip(next, 4);
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return this.#skip(next, 8);
      case 0xcc:
      case 0xd0:
        return this.#skip(next, 1);
      case 0xcd:
      case 0xd1:
        return this.#skip(next, 2);
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(next, 1 << (token - 0xd4));
      case 0xdc:
        return this.#items(next + 2, this.#length(next, 2), depthLeft);
      case 0xdd:
        return this.#items(next + 4, this.#length(next, 4), depthLeft);
      case 0xde:
        return this.#items(next + 2, this.#length(next, 2) * 2, depthLeft);
      case 0xdf:
        return this.#items(next + 4, this.#length(next, 4) * 2, depthLeft);
      default:
        throw bad(`byte 0x${token.toString(16)} starts no value`);
    }
  }

  #items(start: number, count: number, depthLeft: number): number {
    // Each item takes at least one byte: a count beyond what is left is a lie, found before any work is done.
    const left = this.#bytes.length - start;
    if (count > left) throw bad(`${count} items claimed, ${left} bytes left`);
    let at = this.#container(start);
    for (let i = 0; i < count; i++) at = this.value(at, depthLeft - 1);
    return at;
  }

  #length(at: number, width: 1 | 2 | 4): number {
    if (at + width > this.#bytes.length) throw bad("truncated");
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + this.#bytes[at + i]!;
    return value;
  }

  #skip(at: number, count: number): number {
    if (count > this.#bytes.length - at) throw bad("truncated");
    return at + count;
  }

  #extension(at: number, count: number): number {
    const type = this.#bytes[at];
    if (
      type !== UNDEFINED_EXTENSION &&
      type !== TIMESTAMP_EXTENSION &&
      type !== TENSOR_EXTENSION &&
      type !== TYPED_ARRAY_EXTENSION
    ) {
      throw bad(type === undefined ? "truncated" : `extension type ${type} is not known here`);
    }
    return this.#container(this.#skip(at + 1, count));
  }

  #container(at: number): number {
    this.#containersLeft -= 1;
    if (this.#containersLeft < 0) throw bad(`more than ${MAX_CONTAINERS} lists, objects and byte strings`);
    return at;
  }
}
