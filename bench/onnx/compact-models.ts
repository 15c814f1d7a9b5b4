/**
 * Measures what models take when they are loaded from ONNX and from ONNX Runtime's own format. Not a test; it is how
 * the figures of docs/decisions/0009-compact-tree-models.md were taken:
 *
 *   node bench/onnx/compact-models.ts > bench/results/compact-models.json
 *
 * Each cell runs in a process of its own and the ways alternate, so that other work on the machine hits all of them.
 * Memory is what was written to and is the process's own (`Private_Dirty`), grown since before the first load.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { InferenceSession } from "onnxruntime-node";
import { loadOnnxRuntime } from "../../src/onnx/load-onnx-runtime.ts";
import { readModelFile } from "../../src/onnx/model-file.ts";
import { resolveSessionOptions, toOrtOptions } from "../../src/onnx/session-options.ts";
import { type ModelOptions, treeModel, writeModel } from "../../test/onnx/model-proto.ts";
import { machine, versions } from "../measure/machine.ts";
import { median, spread } from "../measure/statistics.ts";
import { modelFiles } from "../reference/model-files.ts";
import { MODEL_DIRECTORY } from "../reference/paths.ts";

const ROUNDS = 3;
const FEATURES = 19;
const BATCHES = [1, 8, 64];
const RUNS = 10;

/** How a process comes by its sessions. */
const WAYS = {
  onnx: async (load: Loading) => each(load.files, load.fromBytes),
  "onnx, given its path": async (load: Loading) => each(load.files, load.fromPath),
  /** The first executor of a node. */
  "converted, then ort": async (load: Loading) => {
    await each(load.files, load.convert);
    return each(load.files, (file) => load.fromPath(load.ortOf(file)));
  },
  /** As one of two executors that share the work. */
  "half converted, then ort": async (load: Loading) => {
    await each(load.files.slice(load.files.length >> 1), load.convert);
    return each(load.files, (file) => load.fromPath(load.ortOf(file)));
  },
  ort: async (load: Loading) => each(load.files, (file) => load.fromPath(load.ortOf(file))),
  "ort, given its bytes": async (load: Loading) =>
    each(load.files, (file) => load.fromBytes(load.ortOf(file))),
};

type Way = keyof typeof WAYS;

interface Loading {
  readonly files: readonly string[];
  readonly ortOf: (file: string) => string;
  readonly fromBytes: (file: string) => Promise<InferenceSession>;
  readonly fromPath: (file: string) => Promise<InferenceSession>;
  readonly convert: (file: string) => Promise<void>;
}

async function each<T>(files: readonly string[], load: (file: string) => Promise<T>): Promise<T[]> {
  const loaded: T[] = [];
  for (const file of files) loaded.push(await load(file));
  return loaded;
}

function dirtyMb(): number {
  const smaps = readFileSync("/proc/self/smaps_rollup", "utf8");
  return Number(/^Private_Dirty:\s+(\d+)/m.exec(smaps)?.[1]) / 1024;
}

async function runCell(
  way: Way,
  directory: string,
  files: readonly string[],
): Promise<Record<string, number>> {
  const ort = await loadOnnxRuntime();
  const options = resolveSessionOptions();
  const ortOf = (file: string) => path.join(directory, `${file.replaceAll("/", "_")}.ort`);
  const load: Loading = {
    files,
    ortOf,
    async fromBytes(file) {
      const bytes = await readModelFile({ name: file, path: file });
      const session = await ort.InferenceSession.create(bytes, toOrtOptions(options));
      bytes.buffer.transfer(0);
      return session;
    },
    fromPath: (file) => ort.InferenceSession.create(file, toOrtOptions(options)),
    async convert(file) {
      const bytes = await readModelFile({ name: file, path: file });
      const session = await ort.InferenceSession.create(bytes, {
        ...toOrtOptions(options, { save_model_format: "ORT" }),
        optimizedModelFilePath: ortOf(file),
      });
      await session.release();
      bytes.buffer.transfer(0);
    },
  };
  globalThis.gc?.();
  const before = dirtyMb();
  const startMs = performance.now();
  const sessions = await WAYS[way](load);
  const loadMs = performance.now() - startMs;
  const result: Record<string, number> = { loadMs };
  for (const batch of BATCHES) {
    const times: number[] = [];
    for (const session of sessions) {
      for (let run = 0; run < RUNS; run++) {
        const rows = Float32Array.from({ length: batch * FEATURES }, Math.random);
        const feeds = { [session.inputNames[0] ?? ""]: new ort.Tensor("float32", rows, [batch, FEATURES]) };
        const runMs = performance.now();
        await session.run(feeds);
        times.push((performance.now() - runMs) * 1000);
      }
    }
    result[`run${batch}Us`] = median(times);
  }
  globalThis.gc?.();
  result.dirtyMb = dirtyMb() - before;
  return result;
}

/** `layers` dense layers of `width`, with weights that do not matter. */
function denseModel(width: number, layers: number): ModelOptions {
  const sizes = [FEATURES, ...new Array<number>(layers).fill(width)];
  const layer = (index: number) => ({ input: `h${index}`, weights: `w${index}`, output: `h${index + 1}` });
  const all = Array.from({ length: layers }, (_, index) => layer(index));
  return {
    inputs: [{ name: "h0", type: "float32", shape: ["N", FEATURES] }],
    outputs: [{ name: `h${layers}`, type: "float32", shape: ["N", width] }],
    nodes: all.map(({ input, weights, output }) => ({
      op: "MatMul",
      inputs: [input, weights],
      outputs: [output],
    })),
    initializers: all.map(({ weights }, index) => {
      const dims = [sizes[index] ?? 0, sizes[index + 1] ?? 0];
      return {
        name: weights,
        dims,
        floats: Array.from({ length: dims[0]! * dims[1]! }, () => Math.random() / width),
      };
    }),
  };
}

function writeModels(directory: string, name: string, count: number, model: (seed: number) => ModelOptions) {
  return Array.from({ length: count }, (_, index) =>
    writeModel(path.join(directory, `${name}-${index}.onnx`), model(index + 1)),
  );
}

async function inChild(way: Way, directory: string, files: readonly string[]) {
  const child = fork(fileURLToPath(import.meta.url), [way, directory, ...files], {
    execArgv: ["--expose-gc", "--disable-warning=ExperimentalWarning"],
  });
  const [result] = await once(child, "message");
  await once(child, "exit");
  return result as Record<string, number>;
}

const rounded = (value: number) => Number(value.toPrecision(4));

function summary(samples: readonly Record<string, number>[]) {
  return Object.fromEntries(
    Object.keys(samples[0] ?? {}).map((field) => {
      const found = spread(samples.map((sample) => sample[field] ?? Number.NaN));
      return [
        field,
        found && { median: rounded(found.median), min: rounded(found.min), max: rounded(found.max) },
      ];
    }),
  );
}

async function main(): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), "tutti-compact-"));
  const trees = (count: number) => (seed: number) =>
    treeModel({ trees: count, depth: 5, features: FEATURES, seed });
  const subjects: Readonly<Record<string, readonly string[]>> = {
    "15 of 300 trees (the example's), 0.6 MB": modelFiles(MODEL_DIRECTORY.trees),
    "4 of 2,400 trees, 3.4 MB": writeModels(directory, "trees-2400", 4, trees(2400)),
    "2 of 9,600 trees, 14 MB": writeModels(directory, "trees-9600", 2, trees(9600)),
    "15 dense, 0.5 MB": writeModels(directory, "dense-05", 15, () => denseModel(180, 5)),
    "15 dense (the example's), 8.2 MB": modelFiles(MODEL_DIRECTORY.dense),
  };
  const ways = Object.keys(WAYS) as Way[];
  const results: Record<string, unknown> = {};
  try {
    for (const [subject, files] of Object.entries(subjects)) {
      const cache = path.join(directory, "ort");
      mkdirSync(cache);
      await inChild("converted, then ort", cache, files);
      const samples: Record<string, Record<string, number>[]> = {};
      for (let round = 0; round < ROUNDS; round++) {
        for (const way of ways) {
          samples[way] ??= [];
          samples[way].push(await inChild(way, cache, files));
        }
      }
      for (const way of ways) results[`${subject}/${way}`] = summary(samples[way] ?? []);
      rmSync(cache, { recursive: true });
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  const parameters = { rounds: ROUNDS, runs: RUNS, batches: BATCHES };
  const about = { machine: machine(), versions: await versions(), date: new Date().toISOString() };
  console.log(JSON.stringify({ ...about, parameters, results }, undefined, 2));
}

const [way, directory, ...files] = process.argv.slice(2);
if (way === undefined || directory === undefined) await main();
else process.send?.(await runCell(way as Way, directory, files));
