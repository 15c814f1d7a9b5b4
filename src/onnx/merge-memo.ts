import { Tensor, type TensorMap } from "../wire/tensor.ts";
import type { NamedInputs } from "./check-inputs.ts";
import { mergeBatch } from "./merge-batch.ts";
import type { ModelMetadata } from "./model-metadata.ts";

/**
 * Remembers the last merged batch, and the last input by its name. The members of an ensemble get the same requests, and a
 * lane runs them one after the other: the second to the last of them find their batch merged already.
 */
export class MergeMemo implements NamedInputs {
  #items: readonly TensorMap[] = [];
  #name = "";
  #merged: TensorMap = {};
  #lastTensor: Tensor | undefined;
  #lastName = "";
  #lastInputs: TensorMap = {};

  named(name: string, tensor: Tensor): TensorMap {
    if (tensor !== this.#lastTensor || name !== this.#lastName) {
      this.#lastInputs = { [name]: tensor };
      this.#lastTensor = tensor;
      this.#lastName = name;
    }
    return this.#lastInputs;
  }

  merge(metadata: ModelMetadata, items: readonly TensorMap[]): TensorMap {
    const [only] = metadata.inputs;
    if (metadata.inputs.length !== 1 || only === undefined || items.length < 2)
      return mergeBatch(metadata, items);
    if (only.name !== this.#name || !sameTensors(only.name, items, this.#items)) {
      this.#merged = mergeBatch(metadata, items);
      this.#items = items;
      this.#name = only.name;
    }
    return this.#merged;
  }

  /** Lets go of them: between bursts nothing should be held. */
  clear(): void {
    this.#items = [];
    this.#name = "";
    this.#merged = {};
    this.#lastTensor = undefined;
    this.#lastInputs = {};
  }
}

function sameTensors(name: string, a: readonly TensorMap[], b: readonly TensorMap[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const tensor = a[i]![name];
    if (!(tensor instanceof Tensor) || tensor !== b[i]![name]) return false;
  }
  return true;
}
