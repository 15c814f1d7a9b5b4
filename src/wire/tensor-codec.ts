import { TuttiError } from "../errors/tutti-error.ts";
import { viewOf } from "./frame-view.ts";
import { alignUp8 } from "./protocol.ts";
import { type DataType, ELEMENT_BYTES, Tensor, type TensorMap } from "./tensor.ts";

/**
 * Tensors as bytes, starting on a multiple of 8:
 *
 * ```
 * tensor  u8 type | u8 rank | u16 0 | u32 data bytes | u32 dims… | padding to 8 | data | padding to 8
 * map     u32 count | u32 0 | count × (u16 name bytes | name | padding to 8 | tensor)
 * ```
 *
 * Data are little-endian, as in memory on every platform Node runs on. Strings are u32 length + UTF-8 each. Nothing is
 * copied on decoding when the data are aligned for their type; nothing a length claims is believed before it is
 * compared with the bytes there are.
 */
const TYPES: readonly DataType[] = [
  "float32",
  "float64",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
  "float16",
  "string",
];
const TYPE_CODES = new Map<DataType, number>(TYPES.map((type, code) => [type, code]));

const MAX_RANK = 16;
export const MAX_MAP_ENTRIES = 1024;

const bad = (why: string): TuttiError => new TuttiError("ProtocolError", `tensor: ${why}`);
const refused = (why: string): TuttiError => new TuttiError("NotSerialisable", `tensor: ${why}`);

/** @throws TuttiError `NotSerialisable` when `writeTensor` could not write it, since that comes too late to refuse. */
export function tensorBytes(tensor: Tensor): number {
  const rank = tensor.dims.length;
  if (rank > MAX_RANK) throw refused(`rank ${rank} is above ${MAX_RANK}`);
  if (!TYPE_CODES.has(tensor.type)) throw refused(`type ${tensor.type} is not known here`);
  for (const dim of tensor.dims)
    if (dim > 0xffff_ffff) throw refused(`a dimension of ${dim} is above 2^32 - 1`);
  return alignUp8(8 + rank * 4) + alignUp8(dataBytes(tensor));
}

function dataBytes(tensor: Tensor): number {
  if (tensor.type !== "string") return (tensor.data as Uint8Array).byteLength;
  let bytes = 0;
  for (const text of tensor.data as readonly string[]) bytes += 4 + Buffer.byteLength(text);
  return bytes;
}

/** Writes at `at` (a multiple of 8) and returns the first free multiple of 8 behind it. */
export function writeTensor(out: Buffer, at: number, tensor: Tensor): number {
  const rank = tensor.dims.length;
  const bytes = dataBytes(tensor);
  out[at] = TYPE_CODES.get(tensor.type)!;
  out[at + 1] = rank;
  out[at + 2] = 0;
  out[at + 3] = 0;
  out.writeUInt32LE(bytes, at + 4);
  for (let i = 0; i < rank; i++) out.writeUInt32LE(tensor.dims[i]!, at + 8 + i * 4);
  const dataAt = at + alignUp8(8 + rank * 4);
  if (rank % 2 === 1) out.writeUInt32LE(0, dataAt - 4);
  if (tensor.type === "string") {
    let textAt = dataAt;
    for (const text of tensor.data as readonly string[]) {
      const written = out.write(text, textAt + 4);
      out.writeUInt32LE(written, textAt);
      textAt += 4 + written;
    }
  } else {
    const data = tensor.data as Uint8Array;
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), dataAt);
  }
  const end = dataAt + alignUp8(bytes);
  for (let i = dataAt + bytes; i < end; i++) out[i] = 0;
  return end;
}

export interface Decoded<T> {
  readonly value: T;
  readonly end: number;
}

export function readTensor(bytes: Uint8Array, at: number, end: number): Decoded<Tensor> {
  if (at + 8 > end) throw bad("truncated");
  const view = viewOf(bytes);
  const type = TYPES[bytes[at]!];
  const rank = bytes[at + 1]!;
  if (type === undefined) throw bad(`type code ${bytes[at]} is not known here`);
  if (rank > MAX_RANK) throw bad(`rank ${rank} is above ${MAX_RANK}`);
  const size = view.getUint32(at + 4, true);
  const dataAt = at + alignUp8(8 + rank * 4);
  if (dataAt + size > end) throw bad(`${size} bytes of data claimed, ${Math.max(0, end - dataAt)} left`);
  const dims = new Array<number>(rank);
  let items = 1;
  for (let i = 0; i < rank; i++) {
    const dim = view.getUint32(at + 8 + i * 4, true);
    dims[i] = dim;
    items *= dim;
  }
  const data =
    type === "string"
      ? readStrings(bytes, dataAt, dataAt + size, items)
      : typedView(type, bytes, dataAt, size, items);
  return { value: new Tensor(type, data, dims), end: Math.min(end, dataAt + alignUp8(size)) };
}

function readStrings(bytes: Uint8Array, start: number, end: number, items: number): string[] {
  if (items > (end - start) / 4) throw bad(`${items} strings claimed in ${end - start} bytes`);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts = new Array<string>(items);
  let at = start;
  for (let i = 0; i < items; i++) {
    if (at + 4 > end) throw bad("truncated strings");
    const size = buffer.readUInt32LE(at);
    if (size > end - at - 4) throw bad("truncated strings");
    texts[i] = buffer.toString("utf8", at + 4, at + 4 + size);
    at += 4 + size;
  }
  if (at !== end) throw bad("bytes follow the last string");
  return texts;
}

function typedView(
  type: Exclude<DataType, "string">,
  bytes: Uint8Array,
  at: number,
  size: number,
  items: number,
) {
  const elementBytes = ELEMENT_BYTES[type];
  if (items * elementBytes !== size)
    throw bad(`dims need ${items * elementBytes} bytes, the data has ${size}`);
  let { buffer } = bytes;
  let offset = bytes.byteOffset + at;
  if (offset % elementBytes !== 0) {
    // Not `slice`, which for a `Buffer` is a view of the same memory.
    buffer = new Uint8Array(bytes.subarray(at, at + size)).buffer;
    offset = 0;
  }
  switch (type) {
    case "float32":
      return new Float32Array(buffer, offset, items);
    case "float64":
      return new Float64Array(buffer, offset, items);
    case "int8":
      return new Int8Array(buffer, offset, items);
    case "uint8":
    case "bool":
      return new Uint8Array(buffer, offset, items);
    case "int16":
      return new Int16Array(buffer, offset, items);
    case "uint16":
    case "float16":
      return new Uint16Array(buffer, offset, items);
    case "int32":
      return new Int32Array(buffer, offset, items);
    case "uint32":
      return new Uint32Array(buffer, offset, items);
    case "int64":
      return new BigInt64Array(buffer, offset, items);
    case "uint64":
      return new BigUint64Array(buffer, offset, items);
  }
}

export function tensorMapBytes(tensors: TensorMap): number {
  let bytes = 8;
  for (const name in tensors) {
    const nameBytes = Buffer.byteLength(name);
    if (nameBytes > 0xffff) throw refused(`a name of ${nameBytes} bytes is above 65,535`);
    if (name === "__proto__") throw refused("a tensor may not be named __proto__");
    bytes += alignUp8(2 + nameBytes) + tensorBytes(tensors[name]!);
  }
  return bytes;
}

export function writeTensorMap(out: Buffer, start: number, tensors: TensorMap): number {
  let count = 0;
  let at = start + 8;
  for (const name in tensors) {
    const written = out.write(name, at + 2);
    out.writeUInt16LE(written, at);
    at = writeTensor(out, at + alignUp8(2 + written), tensors[name]!);
    count += 1;
  }
  out.writeUInt32LE(count, start);
  out.writeUInt32LE(0, start + 4);
  return at;
}

export function readTensorMap(bytes: Uint8Array, start: number, end: number): TensorMap {
  if (start + 8 > end) throw bad("truncated map");
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = buffer.readUInt32LE(start);
  if (count > MAX_MAP_ENTRIES) throw bad(`${count} named tensors are above ${MAX_MAP_ENTRIES}`);
  const tensors: Record<string, Tensor> = {};
  let at = start + 8;
  for (let i = 0; i < count; i++) {
    if (at + 2 > end) throw bad("truncated map");
    const size = buffer.readUInt16LE(at);
    const tensorAt = at + alignUp8(2 + size);
    if (tensorAt > end) throw bad("truncated map");
    const name = buffer.toString("utf8", at + 2, at + 2 + size);
    const tensor = readTensor(bytes, tensorAt, end);
    if (name === "__proto__") throw bad("a tensor may not be named __proto__");
    tensors[name] = tensor.value;
    at = tensor.end;
  }
  return tensors;
}

/** The whole map is tensors: then it travels as bytes instead of as a structured value. */
export function isTensorMap(value: unknown): value is TensorMap {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return false;
  let count = 0;
  for (const name in value) {
    if (!((value as Record<string, unknown>)[name] instanceof Tensor)) return false;
    if (++count > MAX_MAP_ENTRIES) return false;
  }
  return count > 0;
}
