import { addExtension, Packr } from "msgpackr";
import { TuttiError } from "../errors/tutti-error.ts";
import { checkStructured, TENSOR_EXTENSION, TYPED_ARRAY_EXTENSION } from "./check-structured.ts";
import { DEFAULT_WIRE_LIMITS, PayloadKind, SINGLE_ARGUMENT } from "./protocol.ts";
import { type DataType, Tensor } from "./tensor.ts";
import {
  isTensorMap,
  readTensor,
  readTensorMap,
  tensorBytes,
  tensorMapBytes,
  writeTensor,
  writeTensorMap,
} from "./tensor-codec.ts";

/**
 * Values as payloads. Tensors, maps of tensors and byte arrays travel raw; everything else as MessagePack, where
 * tensors and typed arrays nested inside are extensions. Plain data only: an object keeps its own enumerable
 * properties and loses its class; functions and symbols are refused.
 *
 * This is one of the few files whose job is to give types to what came as bytes.
 */

const packr = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  // Left alone, msgpackr turns a function into `undefined` without a word.
  writeFunction: () => {
    throw new TypeError("it holds a function");
  },
} as ConstructorParameters<typeof Packr>[0]);

addExtension({
  Class: Tensor,
  type: TENSOR_EXTENSION,
  pack: (tensor: Tensor) => {
    const out = Buffer.alloc(tensorBytes(tensor));
    writeTensor(out, 0, tensor);
    return out;
  },
  unpack: (bytes: Uint8Array) => {
    // MessagePack does not align: copied once into memory of its own, which is. Not by `slice`, which for a `Buffer`
    // is a view of the frame.
    const aligned = new Uint8Array(bytes);
    return readTensor(aligned, 0, aligned.length).value;
  },
});

const NESTED_ARRAYS: readonly (readonly [DataType, new (data: ArrayBuffer) => ArrayBufferView])[] = [
  ["float32", Float32Array],
  ["float64", Float64Array],
  ["int8", Int8Array],
  ["int16", Int16Array],
  ["uint16", Uint16Array],
  ["int32", Int32Array],
  ["uint32", Uint32Array],
  ["int64", BigInt64Array],
  ["uint64", BigUint64Array],
];
NESTED_ARRAYS.forEach(([, ArrayClass], index) => {
  addExtension({
    Class: ArrayClass,
    type: TYPED_ARRAY_EXTENSION,
    pack: (array: ArrayBufferView) => {
      const out = Buffer.alloc(1 + array.byteLength);
      out[0] = index;
      out.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), 1);
      return out;
    },
    unpack: (bytes: Uint8Array) => {
      const Found = NESTED_ARRAYS[bytes[0] ?? -1]?.[1];
      if (Found === undefined) throw new TuttiError("ProtocolError", "typed array: unknown type");
      return new Found(new Uint8Array(bytes.subarray(1)).buffer);
    },
  });
});

/** A payload that is still an object; `bytes()` and `write()` are called when its frame is put together. */
export interface EncodedValue {
  readonly kind: number;
  readonly bytes: number;
  write(out: Buffer, at: number): void;
}

const NOTHING: EncodedValue = { kind: PayloadKind.nothing, bytes: 0, write: () => {} };

class EncodedTensor implements EncodedValue {
  readonly kind = PayloadKind.tensor;
  readonly bytes: number;
  readonly #tensor: Tensor;
  constructor(tensor: Tensor) {
    this.#tensor = tensor;
    this.bytes = tensorBytes(tensor);
  }
  write(out: Buffer, at: number): void {
    writeTensor(out, at, this.#tensor);
  }
}

class EncodedBytes implements EncodedValue {
  readonly kind: number;
  readonly bytes: number;
  readonly #data: Uint8Array;
  constructor(kind: number, data: Uint8Array) {
    this.kind = kind;
    this.#data = data;
    this.bytes = data.byteLength;
  }
  write(out: Buffer, at: number): void {
    out.set(this.#data, at);
  }
}

/** A copy that nobody else can change. */
export function writtenDown(value: EncodedValue): EncodedValue {
  const out = Buffer.alloc(value.bytes);
  value.write(out, 0);
  return new EncodedBytes(value.kind, out);
}

/**
 * @param maxDepth the receiver's: a deeper value must fail here, alone, since there it would end the connection.
 * @throws TuttiError `NotSerialisable` naming what cannot cross a process border.
 */
export function encodeValue(value: unknown, maxDepth = DEFAULT_WIRE_LIMITS.maxDepth): EncodedValue {
  if (value === undefined) return NOTHING;
  if (value instanceof Tensor) return new EncodedTensor(value);
  if (value instanceof Uint8Array) return new EncodedBytes(PayloadKind.bytes, value);
  if (isTensorMap(value)) {
    const out = Buffer.allocUnsafe(tensorMapBytes(value));
    out.fill(0);
    writeTensorMap(out, 0, value);
    return new EncodedBytes(PayloadKind.tensorMap, out);
  }
  try {
    const packed = packr.pack(value);
    // Each level takes a byte: what is short enough cannot be too deep.
    if (packed.length > maxDepth) checkStructured(packed, maxDepth);
    return new EncodedBytes(PayloadKind.structured, packed);
  } catch (thrown) {
    throw new TuttiError(
      "NotSerialisable",
      `a value cannot cross a process border: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      { cause: thrown },
    );
  }
}

/** A list of arguments; a single one is encoded as itself, so that a lone tensor stays raw. */
export function encodeArguments(
  args: readonly unknown[],
  maxDepth = DEFAULT_WIRE_LIMITS.maxDepth,
): EncodedValue {
  if (args.length !== 1) return args.length === 0 ? NOTHING : encodeValue(args, maxDepth);
  const single = encodeValue(args[0], maxDepth);
  return {
    kind: single.kind | SINGLE_ARGUMENT,
    bytes: single.bytes,
    write: (out, at) => single.write(out, at),
  };
}

/** @throws TuttiError `ProtocolError` when the bytes are not a value of that kind. */
export function decodeValue(kind: number, bytes: Uint8Array, maxDepth: number): unknown {
  switch (kind) {
    case PayloadKind.nothing:
      return undefined;
    case PayloadKind.tensor:
      return readTensor(bytes, 0, bytes.length).value;
    case PayloadKind.tensorMap:
      return readTensorMap(bytes, 0, bytes.length);
    case PayloadKind.bytes:
      return bytes;
    case PayloadKind.structured:
      checkStructured(bytes, maxDepth);
      try {
        return packr.unpack(bytes);
      } catch (thrown) {
        throw TuttiError.from(thrown, "ProtocolError");
      }
    default:
      throw new TuttiError("ProtocolError", `payload kind ${kind} is not known here`);
  }
}

export function decodeArguments(kind: number, bytes: Uint8Array, maxDepth: number): readonly unknown[] {
  if (kind === PayloadKind.nothing) return [];
  if (kind & SINGLE_ARGUMENT) return [decodeValue(kind & ~SINGLE_ARGUMENT, bytes, maxDepth)];
  const value = decodeValue(kind, bytes, maxDepth);
  if (!Array.isArray(value)) throw new TuttiError("ProtocolError", "arguments are not a list");
  return value;
}
