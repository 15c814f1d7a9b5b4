import { TuttiError } from "../errors/tutti-error.ts";
import type { ModelSpecToHost } from "../executor/control-messages.ts";
import type { ModelLoader } from "../executor/model-loader.ts";
import type { ModelMetadata, TensorSpec } from "../onnx/model-metadata.ts";
import { loadModelSession, type ModelSession } from "../onnx/model-session.ts";
import type { Random } from "../policy/seeded-random.ts";
import { Tensor, type TensorMap } from "../wire/tensor.ts";
import type { VirtualProcess } from "./virtual-process.ts";

/** A model that takes virtual time in place of real time. */
export interface SimulatedModel {
  /**
   * How long a run of so many rows holds its lane, in ms. The second argument draws from [0, 1), seeded, for a cost
   * that varies.
   */
  readonly costMs: (rows: number, random: Random) => number;
  /** The output of one row of the only input. Default the mean of its numbers. */
  readonly predict?: (row: readonly number[]) => number;
  /**
   * In place of `predict`: the outputs of a whole batch, by name. `"file"` runs the deployment's own ONNX file, which
   * then also says what the inputs and outputs are; that takes real time, and no virtual time.
   */
  readonly run?: ((inputs: TensorMap, rows: number) => TensorMap) | "file";
  /** Default one input `x`, `float32[*, *]`. */
  readonly inputs?: readonly TensorSpec[];
  /** Default one output `y`, `float32[*, 1]`. */
  readonly outputs?: readonly TensorSpec[];
  /** How long it takes to load, in ms. Default 20. */
  readonly loadMs?: number;
}

export interface ModelRun {
  readonly deployment: string;
  readonly replica: number;
  readonly target: number;
  readonly rows: number;
}

export interface SimulatedModelsOptions {
  readonly process: VirtualProcess;
  readonly random: Random;
  readonly modelOf: (deployment: string) => SimulatedModel;
  /** Told of each run as it begins; how many times as long it takes than it costs. */
  readonly onRun: (run: ModelRun) => number;
}

const DEFAULT_LOAD_MS = 20;
const INPUTS: readonly TensorSpec[] = [{ name: "x", type: "float32", shape: [null, null] }];
const OUTPUTS: readonly TensorSpec[] = [{ name: "y", type: "float32", shape: [null, 1] }];

/** Simulated models of one executor. A load and a run hold its thread, as those of ONNX Runtime do. */
export class SimulatedModels implements ModelLoader {
  readonly #options: SimulatedModelsOptions;

  constructor(options: SimulatedModelsOptions) {
    this.#options = options;
  }

  /** There are no files: each model is what its path says. */
  async hash(path: string): Promise<string> {
    return path;
  }

  async prepare(): Promise<void> {}

  async load(spec: ModelSpecToHost): Promise<ModelSession> {
    const model = this.#options.modelOf(spec.deployment);
    const { process } = this.#options;
    const file = { name: spec.deployment, path: spec.path };
    const real =
      model.run === "file" ? await process.hold(() => loadModelSession(file, spec.session)) : undefined;
    await blocked(process, model.loadMs ?? DEFAULT_LOAD_MS);
    return new SimulatedSession(spec, model, this.#options, real);
  }
}

class SimulatedSession implements ModelSession {
  readonly metadata: ModelMetadata;
  readonly #spec: ModelSpecToHost;
  readonly #model: SimulatedModel;
  readonly #options: SimulatedModelsOptions;
  readonly #real: ModelSession | undefined;
  #isClosed = false;

  /** @param real whose outputs are taken, if it is there. */
  constructor(
    spec: ModelSpecToHost,
    model: SimulatedModel,
    options: SimulatedModelsOptions,
    real: ModelSession | undefined,
  ) {
    this.#real = real;
    this.#spec = spec;
    this.#model = model;
    this.#options = options;
    const { inputs = INPUTS, outputs = OUTPUTS } = model;
    const batchAxis = [...inputs, ...outputs].every(({ shape }) => shape[0] === null);
    this.metadata = real?.metadata ?? { name: spec.deployment, inputs, outputs, batchAxis };
  }

  /** As the Node binding does: the run begins on the next turn, holds the thread, and is answered when it is over. */
  run(inputs: TensorMap): Promise<TensorMap> {
    const { process, random, onRun } = this.#options;
    if (this.#isClosed) {
      return Promise.reject(
        new TuttiError("NotRunning", `model ${this.metadata.name}: it is closed`, { started: "no" }),
      );
    }
    const rows = inputs[this.metadata.inputs[0]!.name]!.dims[0] ?? 1;
    return new Promise((resolve, reject) => {
      process.onNextTurn(() => {
        const { deployment, index, target } = this.#spec;
        const slowness = onRun({ deployment, replica: index, target, rows });
        const outputs = this.#outputs(inputs, rows);
        // Whoever waits hears of a failure, later.
        outputs.catch(() => {});
        process.block(this.#model.costMs(rows, random) * slowness, () => outputs.then(resolve, reject));
      });
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#real?.close();
  }

  async #outputs(inputs: TensorMap, rows: number): Promise<TensorMap> {
    const real = this.#real;
    if (real !== undefined) return this.#options.process.hold(() => real.run(inputs));
    const { run, predict = mean } = this.#model;
    if (typeof run === "function") return run(inputs, rows);
    const [input] = this.metadata.inputs;
    const [output] = this.metadata.outputs;
    const values = Array.from(inputs[input!.name]!.data as ArrayLike<number>, Number);
    const width = values.length / rows;
    const predicted = Float32Array.from({ length: rows }, (_, row) =>
      predict(values.slice(row * width, (row + 1) * width)),
    );
    return { [output!.name]: new Tensor("float32", predicted, [rows, 1]) };
  }
}

const mean = (row: readonly number[]): number => row.reduce((sum, value) => sum + value, 0) / row.length;

const blocked = (process: VirtualProcess, forMs: number) =>
  new Promise<void>((resolve) => process.onNextTurn(() => process.block(forMs, resolve)));
