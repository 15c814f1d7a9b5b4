import { writeModel } from "../../test/onnx/model-proto.ts";

/**
 * A model that goes round a loop as often as its input says, and does nothing in it: one float input `trips` [N, 1],
 * the largest of which counts, and the same as output. With a large number it blocks its lane's thread for good.
 */
export function writeBlockingModel(path: string): string {
  const scalar = (name: string, type: "int64" | "bool" | "float32") => ({ name, type, shape: [] });
  return writeModel(path, {
    inputs: [{ name: "trips", type: "float32", shape: ["N", 1] }],
    outputs: [{ name: "out", type: "float32", shape: ["N", 1] }],
    initializers: [
      { name: "one", dims: [], floats: [1] },
      { name: "zero", dims: [], floats: [0] },
    ],
    nodes: [
      {
        op: "ReduceMax",
        inputs: ["trips"],
        outputs: ["most"],
        attributes: { keepdims: { int: 0 } },
      },
      { op: "Cast", inputs: ["most"], outputs: ["count"], attributes: { to: { int: 7 } } },
      { op: "Cast", inputs: ["one"], outputs: ["goOn"], attributes: { to: { int: 9 } } },
      {
        op: "Loop",
        inputs: ["count", "goOn", "zero"],
        outputs: ["nothing"],
        attributes: {
          body: {
            graph: {
              inputs: [scalar("trip", "int64"), scalar("wasGoing", "bool"), scalar("before", "float32")],
              outputs: [scalar("goesOn", "bool"), scalar("after", "float32")],
              nodes: [
                { op: "Identity", inputs: ["wasGoing"], outputs: ["goesOn"] },
                { op: "Neg", inputs: ["before"], outputs: ["after"] },
              ],
            },
          },
        },
      },
      { op: "Add", inputs: ["trips", "nothing"], outputs: ["out"] },
    ],
  });
}
