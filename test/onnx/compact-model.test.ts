/** Invariants O11, O12 and O13 of `src/onnx/compact-model.ts`, with real ONNX Runtime. */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import { MODEL_DIRECTORY } from "../../bench/reference/paths.ts";
import { application } from "../../src/api/application.ts";
import { deployment } from "../../src/api/deployment.ts";
import type { Handle } from "../../src/api/handle.ts";
import type { OnnxModel } from "../../src/api/onnx-model.ts";
import {
  type CompactCache,
  type CompactSource,
  compactPath,
  convertAhead,
  MAX_COMPACT_BYTES,
  openCompact,
} from "../../src/onnx/compact-model.ts";
import { loadOnnxRuntime } from "../../src/onnx/load-onnx-runtime.ts";
import { readModelHeader } from "../../src/onnx/model-header.ts";
import { compactAhead, loadModelSession, type ModelSession } from "../../src/onnx/model-session.ts";
import { onnxModel } from "../../src/onnx/onnx-model.ts";
import { listModelRepository } from "../../src/onnx/repository.ts";
import { resolveSessionOptions, type SessionOptions } from "../../src/onnx/session-options.ts";
import { zeros } from "../../src/onnx/warm-up.ts";
import { serve } from "../../src/runtime/serve.ts";
import { Tensor, type TensorMap } from "../../src/wire/tensor.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { type ElementName, encodeModel, identityModel, type ModelOptions, treeModel } from "./model-proto.ts";

const ort = await loadOnnxRuntime();
const folder = new TempFolder();
const open: ModelSession[] = [];
let caches = 0;
let cache: CompactCache;

beforeEach(() => {
  cache = { directory: folder.at(`cache-${caches++}`) };
  mkdirSync(cache.directory);
});

afterAll(async () => {
  for (const session of open) await session.close();
  folder[Symbol.dispose]();
});

const ML = { "ai.onnx.ml": 3 };
const TREES = treeModel({ trees: 30, depth: 5, features: 19, seed: 7 });

function sourceOf(model: ModelOptions | Uint8Array, options: SessionOptions = {}): CompactSource {
  const bytes = new Uint8Array(model instanceof Uint8Array ? model : encodeModel(model));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { bytes, sha256, header: readModelHeader(bytes, "m"), options: resolveSessionOptions(options) };
}

function fileOf({ bytes, sha256 }: CompactSource) {
  return { name: "m", path: folder.write(`${sha256}.onnx`, bytes), sha256 };
}

async function load(source: CompactSource, from?: CompactCache): Promise<ModelSession> {
  const session = await loadModelSession(fileOf(source), {}, { cache: from });
  open.push(session);
  return session;
}

/** Rows that take many paths through trees; some values are missing. */
function rows(count: number, seed: number): Tensor {
  const values = Float32Array.from({ length: count * 19 }, (_, index) =>
    index % 41 === 40 ? Number.NaN : (Math.imul(index + seed, 2654435761) >>> 0) / 2 ** 32,
  );
  return new Tensor("float32", values, [count, 19]);
}

/** The same shapes with something in them. */
function filled(tensors: TensorMap): TensorMap {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { type, data, dims }]) => {
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.fill(1n);
      else if (ArrayBuffer.isView(data)) data.fill(1);
      else return [name, new Tensor(type, data.map((_, index) => `${index} ü 🎲`) as never, dims)];
      return [name, new Tensor(type, data, dims)];
    }),
  );
}

/** Every bit, so that NaN and the sign of zero count too. */
function bitsOf(outputs: TensorMap): unknown {
  return Object.entries(outputs).map(([name, { type, dims, data }]) => [
    name,
    type,
    dims,
    ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : data,
  ]);
}

const ortFiles = () => readdirSync(cache.directory).filter((name) => name.endsWith(".ort"));

describe("a model from its compact form (O13)", () => {
  it("answers as from ONNX, bit for bit: the 15 models of the example", async () => {
    const entries = listModelRepository(MODEL_DIRECTORY.trees);
    expect(entries).toHaveLength(15);
    for (const { path } of entries) {
      const source = sourceOf(readFileSync(path));
      const plain = await load(source);
      await (await load(source, cache)).close();
      const compact = await load(source, cache);
      expect(compact.metadata).toEqual(plain.metadata);
      const [input = ""] = plain.metadata.inputs.map(({ name }) => name);
      for (const count of [1, 8, 64, 200]) {
        const given = { [input]: rows(count, count) };
        expect(bitsOf(await compact.run(given))).toEqual(bitsOf(await plain.run(given)));
      }
    }
    expect(ortFiles()).toHaveLength(15);
  });

  const types: readonly ElementName[] = [
    ...(["float32", "float64", "float16", "bool", "string"] as const),
    ...(["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"] as const),
  ];
  it.each(types)("has the same metadata and answers for %s", async (type) => {
    for (const shape of [
      ["N", 3],
      [null, 3],
      ["batch", "inner"],
      [4, 3],
    ]) {
      const source = sourceOf({ ...identityModel(type, shape), domains: ML });
      const plain = await load(source);
      await (await load(source, cache)).close();
      const compact = await load(source, cache);
      expect(compact.metadata).toEqual(plain.metadata);
      const given = filled(zeros(plain.metadata, 2));
      expect(bitsOf(await compact.run(given))).toEqual(bitsOf(await plain.run(given)));
      expect(existsSync(compactPath(ort, cache, source))).toBe(true);
    }
  });

  it("is really loaded from there: another model put in its place answers instead", async () => {
    const source = sourceOf(TREES);
    const other = sourceOf(treeModel({ trees: 30, depth: 5, features: 19, seed: 8 }));
    await load(other, cache);
    copyFileSync(compactPath(ort, cache, other), compactPath(ort, cache, source));
    const given = { features: rows(5, 1) };
    const answer = bitsOf(await (await load(source, cache)).run(given));
    expect(answer).toEqual(bitsOf(await (await load(other)).run(given)));
    expect(answer).not.toEqual(bitsOf(await (await load(source)).run(given)));
  });

  it("runs with every session option set", async () => {
    const options: SessionOptions = {
      prepacking: false,
      graphOptimizationLevel: "basic",
      enableMemPattern: true,
    };
    const session = await openCompact(ort, cache, sourceOf(TREES, options));
    expect(session?.outputNames).toEqual(["probability"]);
    await session?.release();
  });

  it("is of one optimisation level", () => {
    const paths = (["all", "basic"] as const).map((graphOptimizationLevel) =>
      compactPath(ort, cache, sourceOf(TREES, { graphOptimizationLevel })),
    );
    expect(new Set(paths).size).toBe(2);
  });
});

describe("a compact form is not made", () => {
  it.each([
    ["when it is switched off", sourceOf(TREES, { compact: false })],
    ["of a model without trees and their like", sourceOf(identityModel("float32"))],
    ["of a large model", { ...sourceOf(TREES), bytes: new Uint8Array(MAX_COMPACT_BYTES + 1) }],
  ])("%s", async (_, source) => {
    expect(await openCompact(ort, cache, source)).toBeUndefined();
    await convertAhead(ort, cache, source, async () => source);
    expect(ortFiles()).toEqual([]);
  });

  it("of a file whose SHA-256 nobody gave, or without a cache", async () => {
    const { name, path } = fileOf(sourceOf(TREES));
    open.push(await loadModelSession({ name, path }, {}, { cache }), await loadModelSession({ name, path }));
    expect(readdirSync(cache.directory)).toEqual([]);
  });
});

describe("whatever goes wrong with a compact form (O11)", () => {
  const source = sourceOf(TREES);
  const given = { features: rows(5, 1) };

  async function expectServedFromOnnx(from: CompactCache): Promise<void> {
    expect(await openCompact(ort, from, source)).toBeUndefined();
    const answer = await (await load(source, from)).run(given);
    expect(bitsOf(answer)).toEqual(bitsOf(await (await load(source)).run(given)));
  }

  it("a directory that is not there leaves the model served from ONNX", async () => {
    await expectServedFromOnnx({ directory: folder.at("nowhere") });
  });

  it("so does one that is a file and not a folder", async () => {
    const file = folder.at("a-file");
    writeFileSync(file, "");
    await expectServedFromOnnx({ directory: file });
  });

  it("so does a converted file that is empty, cut short or something else", async () => {
    const path = compactPath(ort, cache, source);
    await load(source, cache);
    for (const length of [readFileSync(path).length >> 1, 8, 0]) {
      truncateSync(path, length);
      await expectServedFromOnnx(cache);
    }
    writeFileSync(path, source.bytes);
    await expectServedFromOnnx(cache);
  });

  it("so does a folder in its place, and nothing unfinished is left", async () => {
    mkdirSync(compactPath(ort, cache, source));
    await expectServedFromOnnx(cache);
    expect(readdirSync(cache.directory)).toHaveLength(1);
  });

  it("a model that is broken itself ends with its own error", async () => {
    const broken = sourceOf({
      ...TREES,
      nodes: [{ op: "Identity", inputs: ["nowhere"], outputs: ["probability"] }],
    });
    const file = fileOf(broken);
    await compactAhead(file, {}, cache);
    await compactAhead({ ...file, path: folder.at("none.onnx") }, {}, cache);
    await expect(loadModelSession(file, {}, { cache })).rejects.toMatchObject({
      code: "ModelInvalid",
      message: expect.stringContaining("nowhere"),
    });
    expect(ortFiles()).toEqual([]);
  });
});

describe("executors that convert at the same time (O12)", () => {
  it("give each other whole files only", async () => {
    const source = sourceOf(TREES);
    const sessions = await Promise.all(Array.from({ length: 8 }, () => openCompact(ort, cache, source)));
    expect(sessions).not.toContain(undefined);
    for (const session of sessions) await session?.release();
    expect(readdirSync(cache.directory)).toHaveLength(1);
  });

  it("share the work when it is done ahead of the loads", async () => {
    const source = sourceOf(TREES);
    const path = compactPath(ort, cache, source);
    writeFileSync(`${path}.begun`, "");
    await compactAhead(fileOf(source), {}, cache);
    expect(ortFiles()).toEqual([]);
    const other = { directory: folder.at(`cache-${caches++}`) };
    mkdirSync(other.directory);
    await compactAhead(fileOf(source), {}, other);
    expect(existsSync(compactPath(ort, other, source))).toBe(true);
  });

  it("wait for nobody: what another began and never finished is converted by the load", async () => {
    const source = sourceOf(TREES);
    writeFileSync(`${compactPath(ort, cache, source)}.begun`, "");
    await load(source, cache);
    expect(ortFiles()).toHaveLength(1);
  });
});

class Front {
  readonly model: Handle<OnnxModel>;

  constructor(model: Handle<OnnxModel>) {
    this.model = model;
  }

  get(): string {
    return "here";
  }
}

describe("a node", () => {
  it("has its executors share compact forms in a directory that only its user can enter, until it ends", async () => {
    const path = folder.write("trees.onnx", encodeModel(TREES));
    const model = onnxModel({ name: "trees", path, replicas: 2 });
    const temporary = folder.at("tmp");
    mkdirSync(temporary);
    vi.stubEnv("TMPDIR", temporary);
    try {
      const node = await serve(
        application({
          name: "front",
          ingress: deployment(Front).bind(model),
          http: { "GET /": "get" },
        }),
        { http: { port: 0 }, node: { lanes: 2, spares: 0 } },
      );
      const [run = ""] = readdirSync(temporary);
      const models = join(temporary, run, "models");
      expect(statSync(models).mode & 0o777).toBe(0o700);
      expect(readdirSync(models).filter((name) => name.endsWith(".ort"))).toHaveLength(1);
      await node.close();
      expect(readdirSync(temporary)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
