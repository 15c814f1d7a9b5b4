import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { TuttiError } from "../errors/tutti-error.ts";
import { Tensor, type TensorArrays, type TensorMap } from "../wire/tensor.ts";
import { type CompactCache, convertAhead, MAX_COMPACT_BYTES, openCompact } from "./compact-model.ts";
import { asLoadError, asRunError } from "./explain-failure.ts";
import { loadOnnxRuntime, type OrtModule } from "./load-onnx-runtime.ts";
import { type ModelFile, readModelFile } from "./model-file.ts";
import { type HeaderValue, type ModelHeader, readModelHeader } from "./model-header.ts";
import {
  type DeclaredTensor,
  findBatchAxis,
  isDataType,
  type ModelMetadata,
  toTensorSpec,
} from "./model-metadata.ts";
import {
  type ResolvedSessionOptions,
  resolveSessionOptions,
  type SessionOptions,
  toOrtOptions,
} from "./session-options.ts";

/**
 * One ONNX model in memory.
 *
 * O4. No bare ONNX Runtime error leaves this room: a load ends as `ModelInvalid` or `ModelNotFound` naming the file, a
 *     run as `TensorMismatch` or `ApplicationError` naming the model.
 *
 * A load and a run block the calling thread (the Node binding runs models synchronously), and a process must not end
 * the thread during one: that aborts the whole process.
 */
export interface ModelSession {
  readonly metadata: ModelMetadata;
  /**
   * Runs one batch. The inputs must have passed `checkInputs`; they are read, not copied, so they must not change
   * until the promise settles. Outputs own their memory.
   */
  run(inputs: TensorMap): Promise<TensorMap>;
  /** Frees the model. Idempotent; runs after it fail. */
  close(): Promise<void>;
}

export interface LoadOptions {
  /** Where compact forms of models are shared; none by default. Used for files whose SHA-256 is given. */
  readonly cache?: CompactCache | undefined;
}

/**
 * @throws TuttiError `ModelNotFound`, `ModelInvalid` or `InvalidOptions`.
 */
export async function loadModelSession(
  file: ModelFile,
  options: SessionOptions = {},
  { cache }: LoadOptions = {},
): Promise<ModelSession> {
  const resolved = resolveSessionOptions(options);
  const [ort, bytes] = await Promise.all([loadOnnxRuntime(), readModelFile(file, resolved.maxModelBytes)]);
  const header = readModelHeader(bytes, file.path);
  refuseUnsupported(file, header);
  const { sha256 } = file;
  const compact =
    cache && sha256 && (await openCompact(ort, cache, { bytes, header, sha256, options: resolved }));
  const session = compact || (await createSession(ort, file, bytes, header, resolved));
  bytes.buffer.transfer(0);
  try {
    return new OnnxSession(ort, session, toMetadata(file, session, header, resolved));
  } catch (error) {
    await session.release();
    throw error;
  }
}

/**
 * Makes a model's compact form ahead of its load, where that pays and no other executor has begun to. What conversions
 * leave scattered in the heap is then used by the loads that follow.
 *
 * It never fails: what is wrong with the model or its options is for its load to say.
 */
export async function compactAhead(
  file: ModelFile,
  options: SessionOptions,
  cache: CompactCache,
): Promise<void> {
  const { sha256 } = file;
  if (sha256 === undefined) return;
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  try {
    const resolved = resolveSessionOptions(options);
    await convertAhead(await loadOnnxRuntime(), cache, { sha256, options: resolved }, async () => {
      bytes = await readModelFile(file, Math.min(resolved.maxModelBytes, MAX_COMPACT_BYTES));
      const header = readModelHeader(bytes, file.path);
      refuseUnsupported(file, header);
      return { bytes, header, sha256, options: resolved };
    });
  } catch {
    // A wrong option, or no ONNX Runtime.
  } finally {
    bytes?.buffer.transfer(0);
  }
}

class OnnxSession implements ModelSession {
  readonly metadata: ModelMetadata;
  readonly #ort: OrtModule;
  readonly #fetches: Readonly<Record<string, null>>;
  #session: InferenceSession | undefined;

  constructor(ort: OrtModule, session: InferenceSession, metadata: ModelMetadata) {
    this.#ort = ort;
    this.#session = session;
    this.metadata = metadata;
    this.#fetches = Object.fromEntries(metadata.outputs.map(({ name }) => [name, null]));
  }

  async run(inputs: TensorMap): Promise<TensorMap> {
    if (this.#session === undefined) {
      throw new TuttiError("NotRunning", `model ${this.metadata.name}: it is closed`, { started: "no" });
    }
    const feeds: Record<string, OrtTensor> = {};
    const outputs: Record<string, Tensor> = {};
    try {
      for (const { name } of this.metadata.inputs) feeds[name] = this.#toOrt(inputs[name]);
      const results = await this.#session.run(feeds, this.#fetches);
      for (const { name } of this.metadata.outputs) outputs[name] = fromOrt(results[name]);
    } catch (error) {
      throw asRunError(this.metadata, error);
    }
    return outputs;
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.release();
  }

  #toOrt(tensor: Tensor | undefined): OrtTensor {
    if (tensor === undefined) throw new TypeError("an input is missing");
    const { type, data } = tensor;
    // ONNX Runtime's constructor wants mutable arrays and has one overload for each type; `Tensor` has checked the pair.
    const dims = tensor.dims as number[];
    if (type === "float16") return rawHalves(new this.#ort.Tensor("uint16", data as Uint16Array, dims));
    return new this.#ort.Tensor(type as "float32", data as Float32Array, dims);
  }
}

/**
 * Where Node has `Float16Array` (24 on), `ort.Tensor` turns raw halves into one, and the binding (1.30) then reads zero
 * bytes from it: "not enough space: expected 6, got 0". The binding itself takes a `Uint16Array` for float16.
 */
function rawHalves(tensor: OrtTensor): OrtTensor {
  return Object.assign(tensor, { type: "float16" });
}

/** Wraps without a copy. Where Node has `Float16Array`, halves come as one; a `Tensor` holds their raw bits. */
function fromOrt(value: OrtTensor | undefined): Tensor {
  if (value === undefined || !isDataType(value.type)) {
    throw new TypeError(`an output is missing or of type ${value?.type}`);
  }
  const { data } = value;
  const held =
    value.type === "float16" && ArrayBuffer.isView(data) && !(data instanceof Uint16Array)
      ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
      : data;
  return new Tensor(value.type, held as TensorArrays[typeof value.type], value.dims);
}

async function createSession(
  ort: OrtModule,
  file: ModelFile,
  bytes: Uint8Array,
  header: ModelHeader,
  options: ResolvedSessionOptions,
): Promise<InferenceSession> {
  try {
    return await ort.InferenceSession.create(bytes, toOrtOptions(options));
  } catch (error) {
    throw asLoadError(file, header, error);
  }
}

function refuseUnsupported(file: ModelFile, header: ModelHeader): void {
  if (header.externalFile !== undefined) {
    throw new TuttiError(
      "ModelInvalid",
      `model file ${file.path}: its weights are in another file (${header.externalFile}), which is not supported; ` +
        "save the model as one file",
    );
  }
  for (const value of header.inputs) refuseValue(file, "input", value);
  for (const value of header.outputs) refuseValue(file, "output", value);
}

function refuseValue(file: ModelFile, role: string, value: HeaderValue): void {
  // Tensors travel as objects keyed by name, where this one key would set the prototype.
  if (value.name === "__proto__") {
    throw new TuttiError("ModelInvalid", `model file ${file.path}: ${role} __proto__ must have another name`);
  }
  if (value.kind === "tensor" && isDataType(value.type)) return;
  const type = value.kind === "tensor" ? `a tensor of ${value.type}` : `a ${value.kind}`;
  throw new TuttiError(
    "ModelInvalid",
    `model file ${file.path}: ${role} ${value.name} is ${type}; supported are tensors of numbers, bool and string`,
  );
}

function toMetadata(
  file: ModelFile,
  session: InferenceSession,
  header: ModelHeader,
  options: ResolvedSessionOptions,
): ModelMetadata {
  const inputs = session.inputMetadata.map((value) => toDeclared(file, value));
  const outputs = session.outputMetadata.map((value) => toDeclared(file, value));
  const unranked = header.inputs.find(
    ({ name, ranked }) => !ranked && inputs.some((input) => input.name === name),
  );
  if (unranked !== undefined) {
    throw new TuttiError(
      "ModelInvalid",
      `model file ${file.path}: input ${unranked.name} declares no shape; export the model with one (free axes are allowed)`,
    );
  }
  return Object.freeze({
    name: file.name,
    inputs: inputs.map(toTensorSpec),
    outputs: outputs.map(toTensorSpec),
    batchAxis: options.batchAxis === "auto" ? findBatchAxis(inputs, outputs) : options.batchAxis,
  });
}

function toDeclared(file: ModelFile, value: InferenceSession.ValueMetadata): DeclaredTensor {
  if (value.isTensor && isDataType(value.type)) {
    return { name: value.name, type: value.type, axes: value.shape };
  }
  const type = value.isTensor ? value.type : "not a tensor";
  throw new TuttiError(
    "ModelInvalid",
    `model file ${file.path}: ${value.name} is ${type}, which is not supported`,
  );
}
