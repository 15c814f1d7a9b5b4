import type { CompactCache } from "../onnx/compact-model.ts";
import { hashModelFile, type ModelFile } from "../onnx/model-file.ts";
import { compactAhead, loadModelSession, type ModelSession } from "../onnx/model-session.ts";
import type { ModelSpecToHost } from "./control-messages.ts";

/** Where an executor's model sessions come from. */
export interface ModelLoader {
  /** The SHA-256 of a model's file. @throws TuttiError `ModelNotFound` or `ModelInvalid`. */
  hash(path: string): Promise<string>;
  /** Makes ready what a later load can use; never fails. */
  prepare(spec: ModelSpecToHost): Promise<void>;
  /** @throws TuttiError `ModelNotFound`, `ModelInvalid` or `InvalidOptions`. */
  load(spec: ModelSpecToHost): Promise<ModelSession>;
}

/** Sessions of ONNX Runtime, from model files. */
export class OnnxModelLoader implements ModelLoader {
  readonly #cache: CompactCache;

  /** @param cache shared with the other executors of the node. */
  constructor(cache: CompactCache) {
    this.#cache = cache;
  }

  hash(path: string): Promise<string> {
    return hashModelFile(path);
  }

  prepare(spec: ModelSpecToHost): Promise<void> {
    return compactAhead(toFile(spec), spec.session, this.#cache);
  }

  load(spec: ModelSpecToHost): Promise<ModelSession> {
    return loadModelSession(toFile(spec), spec.session, { cache: this.#cache });
  }
}

const toFile = ({ deployment, path, sha256 }: ModelSpecToHost): ModelFile => ({
  name: deployment,
  path,
  sha256,
});
