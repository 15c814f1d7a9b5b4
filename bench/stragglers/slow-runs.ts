import { loadOnnxRuntime } from "../../dist/onnx/load-onnx-runtime.js";

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Each run of a model takes so many times as long and holds this thread for it. The rest is slept, not burnt: a slow lane
 * must not make the other one slow too, by taking its core.
 */
export async function slowRuns(times: number): Promise<void> {
  const { prototype } = (await loadOnnxRuntime()).InferenceSession as unknown as { prototype: Runs };
  const { run } = prototype;
  prototype.run = async function (...args) {
    const startedAtMs = performance.now();
    const outputs = await run.apply(this, args);
    Atomics.wait(sleeper, 0, 0, (times - 1) * (performance.now() - startedAtMs));
    return outputs;
  };
}

/** The session of `onnxruntime-node`, whose interface has no prototype. */
interface Runs {
  run(...args: unknown[]): Promise<unknown>;
}
