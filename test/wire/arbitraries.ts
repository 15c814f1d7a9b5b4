import fc from "fast-check";
import { type DataType, ELEMENT_BYTES, Tensor, type TensorMap } from "../../src/wire/tensor.ts";

/** The bits, since NaN equals nothing and -0 equals 0. */
export function bitsOf(data: ArrayBufferView): number[] {
  return [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}

const MAKE: { [T in Exclude<DataType, "string">]: (buffer: ArrayBuffer) => Tensor<T>["data"] } = {
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
  uint64: (buffer) => new BigUint64Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
  float16: (buffer) => new Uint16Array(buffer),
};

export const DATA_TYPES = Object.keys(ELEMENT_BYTES) as DataType[];

/** Whole code points only: a lone surrogate has no UTF-8. */
export const text = (maxLength = 20) => fc.string({ unit: "binary", maxLength });

/** Every type, rank 0 to 5, dimensions of 0 and more. */
export const anyTensor = (types: readonly DataType[] = DATA_TYPES): fc.Arbitrary<Tensor> =>
  fc
    .tuple(fc.constantFrom(...types), fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 5 }))
    .chain(([type, dims]): fc.Arbitrary<Tensor> => {
      const items = dims.reduce((product, dim) => product * dim, 1);
      if (type === "string") {
        return fc
          .array(text(), { minLength: items, maxLength: items })
          .map((data) => new Tensor("string", data, dims));
      }
      const bytes = items * ELEMENT_BYTES[type];
      return fc
        .uint8Array({ minLength: bytes, maxLength: bytes })
        .map((data) => new Tensor(type, MAKE[type](data.slice().buffer), dims));
    });

export const anyTensorMap: fc.Arbitrary<TensorMap> = fc
  .dictionary(
    text(12).filter((name) => name !== "__proto__"),
    anyTensor(),
    { minKeys: 1, maxKeys: 5 },
  )
  .map((tensors) => ({ ...tensors }));

/** A double's every value but -0, which MessagePack writes as the integer 0. */
const anyNumber = fc.oneof(
  fc.double().map((value) => (value === 0 ? 0 : value)),
  fc.integer(),
  fc.constantFrom(
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    2 ** 53,
    -(2 ** 53),
    2 ** 63,
    1e308,
  ),
);

const typedArray = fc.oneof(
  fc.float32Array({ maxLength: 9 }),
  fc.float64Array({ maxLength: 9 }),
  fc.int8Array({ maxLength: 9 }),
  fc.int16Array({ maxLength: 9 }),
  fc.uint16Array({ maxLength: 9 }),
  fc.int32Array({ maxLength: 9 }),
  fc.uint32Array({ maxLength: 9 }),
  fc.bigInt64Array({ maxLength: 9 }),
  fc.bigUint64Array({ maxLength: 9 }),
);

const anyKey = fc
  .oneof(text(12), fc.constantFrom("constructor", "prototype", "toString", "then", "0", ""))
  .filter((key) => key !== "__proto__");

/** Plain data: what a structured value may hold, and comes back as it was. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom(null, undefined, true, false),
    anyNumber,
    text(60),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array({ maxLength: 20 }),
    typedArray,
    anyTensor(),
  ),
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(anyKey, tie("value"), { maxKeys: 20 }).map((object) => ({ ...object })),
  ),
})).value;

/** A form in which two values are equal when they are the same data, whatever memory holds them. */
export function comparable(value: unknown): unknown {
  if (value instanceof Tensor) {
    const data = value.type === "string" ? [...(value.data as string[])] : bitsOf(value.data as Uint8Array);
    return { tensor: value.type, dims: [...value.dims], data };
  }
  if (value instanceof Uint8Array) return { array: "Uint8Array", bits: bitsOf(value) };
  if (ArrayBuffer.isView(value)) return { array: value.constructor.name, bits: bitsOf(value) };
  if (value instanceof Date) return { date: value.getTime() };
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value === "object" && value !== null) {
    return { keys: Object.entries(value).map(([key, inner]) => [key, comparable(inner)]) };
  }
  return value;
}
