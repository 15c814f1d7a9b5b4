import { TuttiError } from "../errors/tutti-error.ts";
import { Tensor, type TensorMap } from "../wire/tensor.ts";
import { createTensorData } from "./merge-batch.ts";
import type { ModelMetadata } from "./model-metadata.ts";
import type { ModelSession } from "./model-session.ts";

/** One measured run: the seed of a replica's cost table. */
export interface CostSample {
  readonly rows: number;
  readonly ms: number;
}

export interface WarmUpOptions {
  /** Batch sizes to run, in this order. Default 1 and 8; a model without a batch axis runs once at its own size. */
  readonly sizes?: readonly number[];
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

/** The first run of a size allocates and plans; the middle one of three is the cost that later calls see. */
const RUNS_PER_SIZE = 3;

/**
 * Runs zeros through a model before it takes calls, so that no call pays for first-run allocations, and proves that axis
 * 0 of its outputs follows axis 0 of its inputs.
 *
 * Free axes beyond axis 0 are tried with size 1. A model that cannot run on that (an image model with free height and
 * width, for instance) is not at fault: there are just no samples. Zeros are kind to trees (all rows take one path, perfectly
 * predicted: about half the cost of real rows), so the samples are a lower bound to start learning from.
 *
 * @throws TuttiError `ModelInvalid` when a model whose shapes are known cannot run on zeros, or is no batch model.
 */
export async function warmUp(session: ModelSession, options: WarmUpOptions = {}): Promise<CostSample[]> {
  const { metadata } = session;
  const now = options.now ?? (() => performance.now());
  const sizes = metadata.batchAxis ? (options.sizes ?? [1, 8]) : [1];
  const samples: CostSample[] = [];
  for (const rows of sizes) {
    const inputs = zeros(metadata, rows);
    const times: number[] = [];
    for (let run = 0; run < RUNS_PER_SIZE; run++) {
      const start = now();
      const outputs = await tryRun(session, inputs);
      if (outputs === undefined) return samples;
      times.push(now() - start);
      if (metadata.batchAxis) checkRows(metadata, outputs, rows);
    }
    times.sort((a, b) => a - b);
    samples.push({ rows, ms: times[Math.floor(times.length / 2)] ?? 0 });
  }
  return samples;
}

/** Inputs of zeros, empty strings or false; free axes beyond axis 0 have size 1. */
export function zeros(metadata: ModelMetadata, rows: number): TensorMap {
  const inputs: Record<string, Tensor> = {};
  for (const { name, type, shape } of metadata.inputs) {
    const dims = shape.map((size, axis) => size ?? (axis === 0 && metadata.batchAxis ? rows : 1));
    const length = dims.reduce((product, size) => product * size, 1);
    const data = type === "string" ? new Array<string>(length).fill("") : createTensorData(type, length);
    inputs[name] = new Tensor(type, data, dims);
  }
  return inputs;
}

async function tryRun(session: ModelSession, inputs: TensorMap): Promise<TensorMap | undefined> {
  const { metadata } = session;
  try {
    return await session.run(inputs);
  } catch (error) {
    const guessed = metadata.inputs.some(({ shape }) =>
      shape.some((size, axis) => size === null && axis > 0),
    );
    if (guessed) return undefined;
    const { message } = TuttiError.from(error);
    throw new TuttiError("ModelInvalid", `${message} (tried with zeros, before taking calls)`, {
      cause: error,
    });
  }
}

function checkRows(metadata: ModelMetadata, outputs: TensorMap, rows: number): void {
  for (const { name } of metadata.outputs) {
    const found = outputs[name]?.dims[0];
    if (found === rows) continue;
    throw new TuttiError(
      "ModelInvalid",
      `model ${metadata.name}: output ${name} has ${found ?? "no"} rows for ${rows} input rows, so axis 0 is not its batch; ` +
        "set session.batchAxis to false",
    );
  }
}
