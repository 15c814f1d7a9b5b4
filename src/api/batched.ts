import { checkKeys, wholeNumber } from "../config/check-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";

export interface BatchedOptions {
  /** Most inputs given to one run. Default 64. */
  readonly maxBatchSize?: number;
  /** Runs at the same time in one replica. Default 1. */
  readonly maxConcurrentBatches?: number;
}

export interface ResolvedBatchedOptions {
  readonly maxBatchSize: number;
  readonly maxConcurrentBatches: number;
}

/**
 * A method that is given many callers' inputs at once; its handle takes one `X` and returns `Promise<Y>`. Also callable
 * from the class itself with a list, as it was written.
 */
export interface Batched<X, Y> {
  (inputs: X[]): Promise<Y[]>;
  readonly batchedOptions: ResolvedBatchedOptions;
}

/**
 * Makes a class field a batched method. A batch is formed when a run ends (D7), from whatever waits: nothing is
 * delayed to gather company.
 *
 * @param run must resolve to as many results as it got inputs, in their order; else the whole batch fails with
 *   `BatchSizeMismatch`.
 */
export function batched<X, Y>(options: BatchedOptions, run: (inputs: X[]) => Promise<Y[]>): Batched<X, Y> {
  if (typeof run !== "function")
    throw new TuttiError("InvalidOptions", "batched: the second argument is a function");
  return Object.assign((inputs: X[]) => run(inputs), { batchedOptions: resolveBatchedOptions(options) });
}

function resolveBatchedOptions(options: BatchedOptions): ResolvedBatchedOptions {
  checkKeys("batched", options, ["maxBatchSize", "maxConcurrentBatches"]);
  return Object.freeze({
    maxBatchSize: wholeNumber("batched: maxBatchSize", options.maxBatchSize, {
      default: 64,
      min: 1,
      max: 65_535,
    }),
    maxConcurrentBatches: wholeNumber("batched: maxConcurrentBatches", options.maxConcurrentBatches, {
      default: 1,
      min: 1,
      max: 1024,
    }),
  });
}

export function isBatched(value: unknown): value is Batched<unknown, unknown> {
  return typeof value === "function" && "batchedOptions" in value;
}
