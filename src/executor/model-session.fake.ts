import type { ModelMetadata } from "../onnx/model-metadata.ts";
import type { ModelSession } from "../onnx/model-session.ts";
import { Tensor, type TensorMap } from "../wire/tensor.ts";

export interface FakeModelKnobs {
  /** Called with the values of each run; what it throws, the run fails with. */
  readonly onRun?: (values: readonly number[]) => void;
  /** Rows that the output has too many (or too few). Default 0. */
  readonly extraRows?: number;
  /** Values in an output row. Default 1. */
  readonly width?: number;
  readonly batchAxis?: boolean;
}

/** A model that doubles its one input column. While it is held, a run waits for `release`. */
export class FakeModelSession implements ModelSession {
  readonly metadata: ModelMetadata;
  /** The values of each run that was begun, in their order. */
  readonly runs: number[][] = [];
  isClosed = false;
  readonly #knobs: FakeModelKnobs;
  #held: PromiseWithResolvers<void> | undefined;

  constructor(knobs: FakeModelKnobs = {}) {
    this.#knobs = knobs;
    this.metadata = {
      name: "double",
      inputs: [{ name: "x", type: "float32", shape: [null, 1] }],
      outputs: [{ name: "y", type: "float32", shape: [null, knobs.width ?? 1] }],
      batchAxis: knobs.batchAxis ?? true,
    };
  }

  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  async run(inputs: TensorMap): Promise<TensorMap> {
    const values = [...(inputs["x"]!.data as Float32Array)];
    this.runs.push(values);
    await this.#held?.promise;
    this.#knobs.onRun?.(values);
    const { extraRows = 0, width = 1 } = this.#knobs;
    const rows = values.length + extraRows;
    const data = Float32Array.from(
      { length: rows * width },
      (_, at) => (values[Math.floor(at / width)] ?? 0) * 2,
    );
    return { y: new Tensor("float32", data, [rows, width]) };
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** Its input: one row for each value. */
export const column = (...values: number[]): Tensor =>
  new Tensor("float32", Float32Array.from(values), [values.length, 1]);

/** The values of its output. */
export const valuesOf = (output: unknown): number[] => [
  ...((output as TensorMap)["y"]!.data as Float32Array),
];
