/**
 * Real ONNX Runtime on models made by `model-proto.ts`. Invariants: O1 batch axis, O2 hostile bytes, O4 named errors
 * (`src/onnx/`).
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkInputs } from "../../src/onnx/check-inputs.ts";
import { mergeBatch, splitBatch } from "../../src/onnx/merge-batch.ts";
import { loadModelSession, type ModelSession } from "../../src/onnx/model-session.ts";
import type { SessionOptions } from "../../src/onnx/session-options.ts";
import { warmUp } from "../../src/onnx/warm-up.ts";
import { type DataType, Tensor, type TensorArrays } from "../../src/wire/tensor.ts";
import { encodeModel, identityModel, type ModelOptions, treeModel, writeModel } from "./model-proto.ts";

const dir = mkdtempSync(join(tmpdir(), "tutti-onnx-"));
const open: ModelSession[] = [];
let files = 0;

afterAll(async () => {
  for (const session of open) await session.close();
  rmSync(dir, { recursive: true });
});

async function load(model: ModelOptions, options: SessionOptions = {}): Promise<ModelSession> {
  const path = writeModel(join(dir, `model-${files++}.onnx`), model);
  const session = await loadModelSession({ name: "m", path }, options);
  open.push(session);
  return session;
}

const loadBytes = (bytes: Uint8Array): Promise<ModelSession> => {
  const path = join(dir, `bytes-${files++}.onnx`);
  writeFileSync(path, bytes);
  return loadModelSession({ name: "m", path });
};

const SAMPLES: { readonly [T in DataType]: TensorArrays[T] } = {
  float32: Float32Array.of(1.5, -0, Number.NaN),
  float64: Float64Array.of(1e300, -1, 0.1),
  int8: Int8Array.of(-128, 0, 127),
  uint8: Uint8Array.of(0, 1, 255),
  int16: Int16Array.of(-32768, 0, 32767),
  uint16: Uint16Array.of(0, 1, 65535),
  int32: Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1),
  uint32: Uint32Array.of(0, 1, 2 ** 32 - 1),
  int64: BigInt64Array.of(-(2n ** 63n), 0n, 2n ** 63n - 1n),
  uint64: BigUint64Array.of(0n, 1n, 2n ** 64n - 1n),
  bool: Uint8Array.of(1, 0, 1),
  float16: Uint16Array.of(0x3c00, 0x8000, 0x7e01),
  string: ["", "ascii", "ünïcode 🎲"],
};

const floats = (tensor: Tensor | undefined): number[] => [...(tensor?.data ?? [])].map(Number);

const ADD_PAIR: ModelOptions = {
  inputs: [
    { name: "a", type: "float32", shape: ["N", 2] },
    { name: "b", type: "float32", shape: ["N", 2] },
  ],
  outputs: [
    { name: "sum", type: "float32", shape: ["N", 2] },
    { name: "product", type: "float32", shape: ["N", 2] },
  ],
  nodes: [
    { op: "Add", inputs: ["a", "b"], outputs: ["sum"] },
    { op: "Mul", inputs: ["a", "b"], outputs: ["product"] },
  ],
};

describe("a model session", () => {
  for (const type of Object.keys(SAMPLES) as DataType[]) {
    it(`carries ${type} tensors through a model unchanged`, async () => {
      const session = await load(identityModel(type));
      expect(session.metadata.inputs).toEqual([{ name: "x", type, shape: [null, 3] }]);
      const x = new Tensor(type, SAMPLES[type], [1, 3]);
      const { y } = await session.run({ x });
      expect(y?.type).toBe(type);
      expect(y?.dims).toEqual([1, 3]);
      expect(y?.data).toEqual(SAMPLES[type]);
      expect(await warmUp(session)).toHaveLength(2);
    });
  }

  it("answers a batch of merged calls as it answers each alone", async () => {
    const session = await load(treeModel({ trees: 20, depth: 4, features: 5, seed: 3 }));
    const items = [1, 2, 3].map((rows) => {
      const data = Float32Array.from(
        { length: rows * 5 },
        (_, index) => ((index * 37 + rows * 5) % 101) / 101,
      );
      return checkInputs(session.metadata, new Tensor("float32", data, [rows, 5])).inputs;
    });
    const together = splitBatch(await session.run(mergeBatch(session.metadata, items)), [1, 2, 3]);
    for (const [index, item] of items.entries()) {
      const alone = await session.run(item);
      expect(together[index]?.probability?.data).toEqual(alone.probability?.data);
    }
    expect(new Set(together.flatMap((part) => floats(part.probability))).size).toBeGreaterThan(3);
  });

  it("takes several inputs and gives several outputs by name", async () => {
    const session = await load(ADD_PAIR);
    expect(session.metadata.batchAxis).toBe(true);
    const outputs = await session.run({
      a: new Tensor("float32", Float32Array.of(1, 2), [1, 2]),
      b: new Tensor("float32", Float32Array.of(3, 4), [1, 2]),
    });
    expect(floats(outputs.sum)).toEqual([4, 6]);
    expect(floats(outputs.product)).toEqual([3, 8]);
  });

  it("leaves the caller's inputs as they were, and gives outputs memory of their own", async () => {
    const session = await load(identityModel("float32"));
    const data = Float32Array.of(1, 2, 3);
    const { y } = await session.run({ x: new Tensor("float32", data, [1, 3]) });
    data.fill(9);
    expect(floats(y)).toEqual([1, 2, 3]);
  });

  it("names the model when the graph refuses sizes that only it knows", async () => {
    const session = await load({
      ...ADD_PAIR,
      inputs: ADD_PAIR.inputs.map((input) => ({ ...input, shape: ["N", null] })),
      outputs: ADD_PAIR.outputs.map((output) => ({ ...output, shape: ["N", null] })),
    });
    const run = session.run({
      a: new Tensor("float32", new Float32Array(2), [1, 2]),
      b: new Tensor("float32", new Float32Array(3), [1, 3]),
    });
    await expect(run).rejects.toMatchObject({
      name: "TuttiError",
      message: expect.stringContaining("model m: "),
    });
  });

  it("can be closed twice, and refuses runs after that", async () => {
    const session = await load(identityModel("float32"));
    await session.close();
    await session.close();
    const run = session.run({ x: new Tensor("float32", new Float32Array(3), [1, 3]) });
    await expect(run).rejects.toMatchObject({ code: "NotRunning", started: "no" });
  });

  it("runs with every session option set", async () => {
    const session = await load(identityModel("float32"), {
      intraOpThreads: 2,
      interOpThreads: 2,
      graphOptimizationLevel: "basic",
      enableCpuMemArena: false,
      enableMemPattern: true,
      prepacking: false,
      batchAxis: false,
      maxModelBytes: 10_000,
    });
    expect(session.metadata.batchAxis).toBe(false);
    expect(await warmUp(session)).toHaveLength(1);
  });
});

describe("the batch axis (O1)", () => {
  const found = async (model: ModelOptions): Promise<boolean> => (await load(model)).metadata.batchAxis;

  it("is found on free axes with one name, with none, and with an exporter's invented names", async () => {
    expect(await found(identityModel("float32", ["batch", 3]))).toBe(true);
    expect(await found(identityModel("float32", [null, 3]))).toBe(true);
    const invented = identityModel("float32", ["x_dynamic_axes_1", 3]);
    const outputs = [{ name: "y", type: "float32", shape: ["y_dynamic_axes_1", 3] }] as const;
    expect(await found({ ...invented, outputs })).toBe(true);
  });

  it("is not seen on a fixed size or a scalar", async () => {
    expect(await found(identityModel("float32", [4, 3]))).toBe(false);
    expect(await found(identityModel("float32", []))).toBe(false);
  });

  it("is not seen where the author named the axes differently", async () => {
    const nonZero: ModelOptions = {
      inputs: [{ name: "x", type: "float32", shape: ["batch"] }],
      outputs: [{ name: "y", type: "int64", shape: ["found", null] }],
      nodes: [
        { op: "NonZero", inputs: ["x"], outputs: ["t"] },
        { op: "Transpose", inputs: ["t"], outputs: ["y"] },
      ],
    };
    expect(await found(nonZero)).toBe(false);
  });

  it("is proved by the warm-up: a model whose rows do not follow is refused by name", async () => {
    const sum: ModelOptions = {
      inputs: [{ name: "x", type: "float32", shape: [null, 2] }],
      outputs: [{ name: "y", type: "float32", shape: [null, 2] }],
      nodes: [{ op: "ReduceMean", inputs: ["x"], outputs: ["y"], attributes: { axes: { ints: [0] } } }],
    };
    const session = await load(sum, { batchAxis: true });
    await expect(warmUp(session)).rejects.toMatchObject({
      code: "ModelInvalid",
      message: expect.stringContaining("output y has 1 rows for 8 input rows"),
    });
  });

  it("is absent from a model with a fixed batch, which is served one call at a time", async () => {
    const session = await load(identityModel("float32", [4, 3]));
    const { inputs, rows } = checkInputs(
      session.metadata,
      new Tensor("float32", new Float32Array(12), [4, 3]),
    );
    expect(rows).toBe(1);
    const [answer] = splitBatch(await session.run(mergeBatch(session.metadata, [inputs])), [rows]);
    expect(answer?.y?.dims).toEqual([4, 3]);
    expect(() => checkInputs(session.metadata, new Tensor("float32", new Float32Array(3), [1, 3]))).toThrow(
      /input x: expected float32\[4, 3\], got float32\[1, 3\]/,
    );
  });
});

describe("the warm-up", () => {
  it("gives one cost sample for each size", async () => {
    const session = await load(treeModel({ trees: 20, depth: 4, features: 5, seed: 3 }));
    const samples = await warmUp(session, { sizes: [1, 4, 64] });
    expect(samples.map(({ rows }) => rows)).toEqual([1, 4, 64]);
    for (const { ms } of samples) expect(ms).toBeGreaterThan(0);
  });

  it("does not hold a guessed size of a free inner axis against a model", async () => {
    const session = await load({
      inputs: [{ name: "x", type: "float32", shape: ["N", null] }],
      outputs: [{ name: "y", type: "float32", shape: ["N", 2] }],
      nodes: [{ op: "MatMul", inputs: ["x", "w"], outputs: ["y"] }],
      initializers: [{ name: "w", dims: [3, 2], floats: [1, 2, 3, 4, 5, 6] }],
    });
    expect(await warmUp(session)).toEqual([]);
  });
});

describe("a model file that cannot be served", () => {
  const good = encodeModel(identityModel("float32"));

  const refusal = async (
    loading: Promise<ModelSession>,
    message: RegExp,
    code = "ModelInvalid",
  ): Promise<void> => {
    await expect(loading).rejects.toMatchObject({
      name: "TuttiError",
      code,
      message: expect.stringMatching(message),
    });
  };

  it("is named when it does not exist", async () => {
    const path = join(dir, "none.onnx");
    await refusal(
      loadModelSession({ name: "m", path }),
      /model m: there is no file .*none\.onnx/,
      "ModelNotFound",
    );
  });

  it("is named when it is a folder, empty, text or a Git LFS pointer", async () => {
    await refusal(loadModelSession({ name: "m", path: dir }), /is not a file/);
    await refusal(loadBytes(Buffer.alloc(0)), /it is empty/);
    await refusal(loadBytes(Buffer.from("hello, I am no model at all")), /not an ONNX model/);
    await refusal(
      loadBytes(Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:00")),
      /git lfs pull/,
    );
  });

  it("is refused at every length it may be cut to", async () => {
    for (let length = 1; length < good.length; length++) {
      const failure = await loadBytes(good.subarray(0, length)).catch((error: unknown) => error);
      expect(failure).toMatchObject({ name: "TuttiError", code: "ModelInvalid" });
    }
    await refusal(loadBytes(good.subarray(0, good.length - 9)), /truncated/);
  });

  it("ends as a named error, or loads, whichever byte is damaged (O2, O4)", async () => {
    for (let at = 0; at < good.length; at++) {
      for (const value of [0x00, 0x7f, 0xff]) {
        const damaged = Buffer.from(good);
        damaged[at] = value;
        const outcome = await loadBytes(damaged).catch((error: unknown) => error);
        if (outcome instanceof Error)
          expect(outcome).toMatchObject({ name: "TuttiError", code: "ModelInvalid" });
        else await (outcome as ModelSession).close();
      }
    }
  });

  it("is named with both hashes when it is another file than expected", async () => {
    const path = join(dir, "hashed.onnx");
    writeFileSync(path, good);
    const sha256 = createHash("sha256").update(good).digest("hex");
    await (await loadModelSession({ name: "m", path, sha256 })).close();
    await (await loadModelSession({ name: "m", path, sha256: sha256.toUpperCase() })).close();
    const wrong = "0".repeat(64);
    await refusal(
      loadModelSession({ name: "m", path, sha256: wrong }),
      new RegExp(`${wrong}, found ${sha256}`),
    );
  });

  it("is refused above the size limit", async () => {
    const path = join(dir, "large.onnx");
    writeFileSync(path, good);
    await refusal(loadModelSession({ name: "m", path }, { maxModelBytes: 16 }), /the limit is 16/);
  });

  it("is named with the tensor and its type when that type cannot be carried", async () => {
    await refusal(load(identityModel("bfloat16")), /input x is a tensor of bfloat16/);
    await refusal(load(identityModel("complex64")), /input x is a tensor of complex64/);
    const sequence: ModelOptions = {
      inputs: [{ name: "x", type: "float32", shape: [null] }],
      outputs: [{ name: "ys", type: "float32", shape: [null], kind: "sequence" }],
      nodes: [{ op: "SequenceConstruct", inputs: ["x"], outputs: ["ys"] }],
    };
    await refusal(load(sequence), /output ys is a sequence/);
    const map = {
      ...identityModel("float32"),
      outputs: [{ name: "z", type: "float32", kind: "map" }],
    } as const;
    await refusal(load(map), /output z is a map/);
  });

  it("says that an input needs a declared shape", async () => {
    const model = { ...identityModel("float32"), inputs: [{ name: "x", type: "float32" }] } as const;
    await refusal(load(model), /input x declares no shape/);
  });

  it("says what to do about a newer operator set, an unknown operator and a broken graph", async () => {
    await refusal(load({ ...identityModel("float32"), opset: 999 }), /newer ONNX version.*ai\.onnx 999/);
    await refusal(load({ ...identityModel("float32"), irVersion: 99 }), /newer ONNX version/);
    const unknown = {
      ...identityModel("float32"),
      nodes: [{ op: "Frobnicate", inputs: ["x"], outputs: ["y"] }],
    };
    await refusal(load(unknown), /operator that this runtime lacks.*Frobnicate/);
    const broken = {
      ...identityModel("float32"),
      nodes: [{ op: "Identity", inputs: ["nowhere"], outputs: ["y"] }],
    };
    await refusal(load(broken), /ONNX Runtime refuses it: .*nowhere/);
  });

  it("says that weights in another file are not supported", async () => {
    const model: ModelOptions = {
      inputs: [{ name: "x", type: "float32", shape: ["N", 3] }],
      outputs: [{ name: "y", type: "float32", shape: ["N", 2] }],
      nodes: [{ op: "MatMul", inputs: ["x", "w"], outputs: ["y"] }],
      initializers: [{ name: "w", dims: [3, 2], floats: [], externalFile: "weights.bin" }],
    };
    await refusal(load(model), /another file \(weights\.bin\)/);
  });

  it("is not even read when an option is wrong", async () => {
    const path = join(dir, "none.onnx");
    const options = { intraOpThreads: 0 };
    await refusal(
      loadModelSession({ name: "m", path }, options),
      /session\.intraOpThreads/,
      "InvalidOptions",
    );
  });
});
