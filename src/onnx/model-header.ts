import { TuttiError } from "../errors/tutti-error.ts";

/**
 * Reads just enough of a model file to say what is wrong with it in words: ONNX Runtime answers "Protobuf parsing
 * failed" to everything, and its Node binding "Unsupported data type: 16" without naming the tensor. Only the message
 * lengths of the upper levels are walked, weights and nodes are skipped, so it costs microseconds.
 *
 * O2. Every length in the file is checked against the bytes that are there; hostile bytes end as `ModelInvalid`.
 */
export interface ModelHeader {
  readonly inputs: readonly HeaderValue[];
  readonly outputs: readonly HeaderValue[];
  /** The operator sets that the model asks for; the default domain is `ai.onnx`. */
  readonly opsets: ReadonlyMap<string, number>;
  /** Where weights are that lie outside the file; undefined when all are inside. */
  readonly externalFile: string | undefined;
}

export interface HeaderValue {
  readonly name: string;
  readonly kind: "tensor" | "sequence" | "map" | "optional" | "sparse tensor" | "unknown";
  /** Element type in ONNX's words, e.g. `bfloat16`; empty for what is no tensor. */
  readonly type: string;
  /** Whether the file says how many axes there are. */
  readonly ranked: boolean;
}

/** `TensorProto.DataType`, by number. */
const ELEMENT_TYPES = [
  "undefined",
  "float32",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "string",
  "bool",
  "float16",
  "float64",
  "uint32",
  "uint64",
  "complex64",
  "complex128",
  "bfloat16",
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
  "uint4",
  "int4",
  "float4e2m1",
];

/** `TypeProto`'s one-of, by field number. */
const VALUE_KINDS: Readonly<Record<number, HeaderValue["kind"]>> = {
  1: "tensor",
  4: "sequence",
  5: "map",
  8: "sparse tensor",
  9: "optional",
};

const EXTERNAL = 1;

/** The first bytes of a file that Git LFS has not fetched. */
const LFS_POINTER = "version https://git-lfs";

interface Field {
  readonly number: number;
  /** The value of a number field; 0 for bytes. */
  readonly value: number;
  /** Where a bytes field begins and ends; an empty range for a number. */
  readonly from: number;
  readonly to: number;
}

class Damage extends Error {}

function* fields(bytes: Uint8Array, from: number, to: number): Generator<Field> {
  let at = from;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1, count = 0; count < 10; scale *= 128, count++) {
      if (at >= to) throw new Damage(`it ends in the middle of a field, at byte ${at}: is it truncated?`);
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new Damage(`byte ${at} cannot be read as protobuf`);
  };
  while (at < to) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (number === 0) throw new Damage(`byte ${at} cannot be read as protobuf`);
    if (wireType === 0) {
      yield { number, value: varint(), from: at, to: at };
      continue;
    }
    const length = wireType === 2 ? varint() : wireType === 1 ? 8 : wireType === 5 ? 4 : -1;
    if (length < 0) throw new Damage(`byte ${at} cannot be read as protobuf`);
    if (length > to - at) {
      throw new Damage(`a field needs ${length} bytes, only ${to - at} are left: is it truncated?`);
    }
    yield { number, value: 0, from: at, to: at + length };
    at += length;
  }
}

const textOf = (bytes: Uint8Array, field: Field): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + field.from, field.to - field.from).toString("utf8");

function readTensorType(bytes: Uint8Array, type: Field): Pick<HeaderValue, "type" | "ranked"> {
  let element = 0;
  let ranked = false;
  for (const field of fields(bytes, type.from, type.to)) {
    if (field.number === 1) element = field.value;
    if (field.number === 2) ranked = true;
  }
  return { type: ELEMENT_TYPES[element] ?? `type ${element}`, ranked };
}

/** `ValueInfoProto`: name = 1, type = 2. */
function readValue(bytes: Uint8Array, value: Field): HeaderValue {
  let name = "";
  let found: Omit<HeaderValue, "name"> = { kind: "unknown", type: "", ranked: false };
  for (const field of fields(bytes, value.from, value.to)) {
    if (field.number === 1) name = textOf(bytes, field);
    if (field.number !== 2) continue;
    for (const type of fields(bytes, field.from, field.to)) {
      const kind = VALUE_KINDS[type.number];
      if (kind === undefined) continue;
      found = { kind, ...(kind === "tensor" ? readTensorType(bytes, type) : { type: "", ranked: false }) };
    }
  }
  return { name, ...found };
}

/** `TensorProto`: external_data = 13 with pairs of key = 1 and value = 2, data_location = 14. */
function externalFileOf(bytes: Uint8Array, tensor: Field): string | undefined {
  let location = "";
  let external = false;
  for (const field of fields(bytes, tensor.from, tensor.to)) {
    if (field.number === 14) external = field.value === EXTERNAL;
    if (field.number !== 13) continue;
    let key = "";
    let value = "";
    for (const entry of fields(bytes, field.from, field.to)) {
      if (entry.number === 1) key = textOf(bytes, entry);
      if (entry.number === 2) value = textOf(bytes, entry);
    }
    if (key === "location") location = value;
  }
  return external ? location : undefined;
}

interface Graph {
  readonly inputs: HeaderValue[];
  readonly outputs: HeaderValue[];
  externalFile: string | undefined;
}

/** `GraphProto`: initializer = 5, input = 11, output = 12. */
function readGraph(bytes: Uint8Array, graph: Field): Graph {
  const read: Graph = { inputs: [], outputs: [], externalFile: undefined };
  for (const field of fields(bytes, graph.from, graph.to)) {
    if (field.number === 5) read.externalFile ??= externalFileOf(bytes, field);
    if (field.number === 11) read.inputs.push(readValue(bytes, field));
    if (field.number === 12) read.outputs.push(readValue(bytes, field));
  }
  return read;
}

/** `OperatorSetIdProto`: domain = 1, version = 2. */
function readOpset(bytes: Uint8Array, opset: Field): [string, number] {
  let domain = "";
  let version = 0;
  for (const field of fields(bytes, opset.from, opset.to)) {
    if (field.number === 1) domain = textOf(bytes, field);
    if (field.number === 2) version = field.value;
  }
  return [domain === "" ? "ai.onnx" : domain, version];
}

/**
 * @param path for messages.
 * @throws TuttiError `ModelInvalid` when the bytes are not an ONNX model or end too early.
 */
export function readModelHeader(bytes: Uint8Array, path: string): ModelHeader {
  const invalid = (reason: string): TuttiError =>
    new TuttiError("ModelInvalid", `model file ${path}: ${reason}`);
  if (bytes.length === 0) throw invalid("it is empty");
  if (
    Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(64, bytes.length)).toString().startsWith(LFS_POINTER)
  ) {
    throw invalid("it is a Git LFS pointer, not the model itself; run `git lfs pull`");
  }
  const opsets = new Map<string, number>();
  let graph: Graph | undefined;
  let irVersion = 0;
  try {
    for (const field of fields(bytes, 0, bytes.length)) {
      if (field.number === 1) irVersion = field.value;
      if (field.number === 7) graph = readGraph(bytes, field);
      if (field.number === 8) opsets.set(...readOpset(bytes, field));
    }
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    // A file that began like a model and stops is damaged; anything else never was one.
    throw invalid(irVersion > 0 ? error.message : `it is not an ONNX model (${error.message})`);
  }
  if (graph === undefined || irVersion === 0) {
    throw invalid("it is not an ONNX model (no graph in it)");
  }
  return { inputs: graph.inputs, outputs: graph.outputs, opsets, externalFile: graph.externalFile };
}
