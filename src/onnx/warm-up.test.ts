import { describe, expect, it } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import { Tensor, type TensorMap } from "../wire/tensor.ts";
import type { ModelMetadata } from "./model-metadata.ts";
import type { ModelSession } from "./model-session.ts";
import { warmUp, zeros } from "./warm-up.ts";

const METADATA: ModelMetadata = {
  name: "m",
  inputs: [
    { name: "x", type: "float32", shape: [null, 3] },
    { name: "word", type: "string", shape: [null, null] },
  ],
  outputs: [{ name: "y", type: "float32", shape: [null] }],
  batchAxis: true,
};

function fakeSession(run: (inputs: TensorMap) => TensorMap, metadata = METADATA): ModelSession {
  return { metadata, run: async (inputs) => run(inputs), close: async () => {} };
}

const rowsOf = (inputs: TensorMap): number => inputs.x?.dims[0] ?? 0;
const answer = (rows: number): TensorMap => ({ y: new Tensor("float32", new Float32Array(rows), [rows]) });

describe("warmUp", () => {
  it("reports the middle one of three times for each size", async () => {
    const runs: number[] = [];
    const times = [0, 9, 10, 11, 20, 22, 30, 38, 40, 41, 50, 53];
    const session = fakeSession((inputs) => {
      runs.push(rowsOf(inputs));
      return answer(rowsOf(inputs));
    });
    const samples = await warmUp(session, { sizes: [1, 16], now: () => times.shift() ?? 0 });
    expect(runs).toEqual([1, 1, 1, 16, 16, 16]);
    expect(samples).toEqual([
      { rows: 1, ms: 2 },
      { rows: 16, ms: 3 },
    ]);
  });

  it("refuses a model whose output rows do not follow its input rows", async () => {
    const session = fakeSession(() => answer(1));
    await expect(warmUp(session)).rejects.toMatchObject({ code: "ModelInvalid" });
  });

  it("refuses a model of known shapes that cannot run", async () => {
    const known = { ...METADATA, inputs: [METADATA.inputs[0]!] };
    const session = fakeSession(() => {
      throw new TuttiError("ApplicationError", "model m: its run failed: out of luck");
    }, known);
    await expect(warmUp(session)).rejects.toMatchObject({
      code: "ModelInvalid",
      message: "model m: its run failed: out of luck (tried with zeros, before taking calls)",
    });
  });
});

describe("zeros", () => {
  it("fill every type, with the batch on axis 0 and 1 on other free axes", () => {
    const { x, word } = zeros(METADATA, 2);
    expect(x).toEqual(new Tensor("float32", new Float32Array(6), [2, 3]));
    expect(word).toEqual(new Tensor("string", ["", ""], [2, 1]));
  });
});
