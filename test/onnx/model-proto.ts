import { writeFileSync } from "node:fs";

/**
 * A hand-written encoder for the few ONNX protobuf messages that tests need, so that fixtures are readable code
 * instead of binary files, and tests need no Python. Field numbers are those of `onnx.proto` (ONNX 1.16).
 */

/** `TensorProto.DataType`: what ONNX calls the element types. */
export const ELEM = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  bfloat16: 16,
} as const;

export type ElementName = keyof typeof ELEM;

/** A fixed size, a symbolic name, or null for an axis without either. */
export type Axis = number | string | null;

export interface ValueOptions {
  readonly name: string;
  readonly type: ElementName;
  /** Left out: a tensor whose rank is not declared. */
  readonly shape?: readonly Axis[];
  readonly kind?: "tensor" | "sequence" | "map";
}

export type AttributeValue =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly texts: readonly string[] }
  | { readonly graph: GraphOptions };

export interface NodeOptions {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

export interface InitializerOptions {
  readonly name: string;
  readonly dims: readonly number[];
  readonly floats: readonly number[];
  /** The weights are said to be in a file of this name beside the model. */
  readonly externalFile?: string;
}

export interface GraphOptions {
  readonly inputs: readonly ValueOptions[];
  readonly outputs: readonly ValueOptions[];
  readonly nodes: readonly NodeOptions[];
  readonly initializers?: readonly InitializerOptions[];
}

export interface ModelOptions extends GraphOptions {
  readonly opset?: number;
  readonly irVersion?: number;
  /** Operator set domains beside the default one. */
  readonly domains?: Readonly<Record<string, number>>;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Buffer.from(bytes);
}

const int = (field: number, value: number): Buffer => Buffer.concat([varint(field << 3), varint(value)]);

const bytes = (field: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([varint((field << 3) | 2), varint(body.length), body]);
};

const text = (field: number, value: string): Buffer => bytes(field, Buffer.from(value, "utf8"));

function floatBytes(values: readonly number[]): Buffer {
  const raw = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => {
    raw.writeFloatLE(value, index * 4);
  });
  return raw;
}

function attribute(name: string, value: AttributeValue): Buffer {
  const head = text(1, name);
  if ("int" in value) return bytes(5, head, int(3, value.int), int(20, 2));
  if ("float" in value) return bytes(5, head, varint((2 << 3) | 5), floatBytes([value.float]), int(20, 1));
  if ("text" in value) return bytes(5, head, text(4, value.text), int(20, 3));
  if ("ints" in value) return bytes(5, head, bytes(8, Buffer.concat(value.ints.map(varint))), int(20, 7));
  if ("graph" in value) return bytes(5, head, bytes(6, ...graphFields(value.graph)), int(20, 5));
  if ("floats" in value) return bytes(5, head, bytes(7, floatBytes(value.floats)), int(20, 6));
  return bytes(5, head, Buffer.concat(value.texts.map((item) => text(9, item))), int(20, 8));
}

function node(options: NodeOptions): Buffer {
  return bytes(
    1,
    ...options.inputs.map((name) => text(1, name)),
    ...options.outputs.map((name) => text(2, name)),
    text(4, options.op),
    ...Object.entries(options.attributes ?? {}).map(([name, value]) => attribute(name, value)),
    ...(options.domain === undefined ? [] : [text(7, options.domain)]),
  );
}

function tensorType(options: ValueOptions): Buffer {
  const shape = options.shape?.map((axis) => {
    if (axis === null) return bytes(1);
    return typeof axis === "number" ? bytes(1, int(1, axis)) : bytes(1, text(2, axis));
  });
  return bytes(1, int(1, ELEM[options.type]), ...(shape === undefined ? [] : [bytes(2, ...shape)]));
}

function value(field: number, options: ValueOptions): Buffer {
  const tensor = tensorType(options);
  if (options.kind === "sequence")
    return bytes(field, text(1, options.name), bytes(2, bytes(4, bytes(1, tensor))));
  if (options.kind === "map") {
    return bytes(field, text(1, options.name), bytes(2, bytes(5, int(1, ELEM.int64), bytes(2, tensor))));
  }
  return bytes(field, text(1, options.name), bytes(2, tensor));
}

function initializer(options: InitializerOptions): Buffer {
  const data =
    options.externalFile === undefined
      ? [bytes(9, floatBytes(options.floats))]
      : [bytes(13, text(1, "location"), text(2, options.externalFile)), int(14, 1)];
  return bytes(
    5,
    ...options.dims.map((dim) => int(1, dim)),
    int(2, ELEM.float32),
    text(8, options.name),
    ...data,
  );
}

const graphFields = (options: GraphOptions): Buffer[] => [
  ...options.nodes.map(node),
  text(2, "graph"),
  ...(options.initializers ?? []).map(initializer),
  ...options.inputs.map((input) => value(11, input)),
  ...options.outputs.map((output) => value(12, output)),
];

/** The bytes of a `.onnx` file. */
export function encodeModel(options: ModelOptions): Buffer {
  const graph = bytes(7, ...graphFields(options));
  return Buffer.concat([
    int(1, options.irVersion ?? 8),
    text(2, "tutti-tests"),
    graph,
    bytes(8, text(1, ""), int(2, options.opset ?? 17)),
    ...Object.entries(options.domains ?? {}).map(([domain, version]) =>
      bytes(8, text(1, domain), int(2, version)),
    ),
  ]);
}

export function writeModel(path: string, options: ModelOptions): string {
  writeFileSync(path, encodeModel(options));
  return path;
}

/** One input `x` to one output `y` of the same type and shape. */
export function identityModel(type: ElementName, shape: readonly Axis[] = ["N", 3]): ModelOptions {
  return {
    inputs: [{ name: "x", type, shape }],
    outputs: [{ name: "y", type, shape }],
    nodes: [{ op: "Identity", inputs: ["x"], outputs: ["y"] }],
  };
}

/**
 * A gradient-boosted classifier's shape: `trees` full binary trees of `depth`, random thresholds from `seed`, one float
 * input [N, features], one float output [N, 1] through a logistic function.
 */
export function treeModel(options: {
  readonly trees: number;
  readonly depth: number;
  readonly features: number;
  readonly seed: number;
}): ModelOptions {
  let state = options.seed >>> 0 || 1;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const perTree = 2 ** (options.depth + 1) - 1;
  const inner = 2 ** options.depth - 1;
  const columns = {
    treeIds: [] as number[],
    nodeIds: [] as number[],
    featureIds: [] as number[],
    modes: [] as string[],
    values: [] as number[],
    trueIds: [] as number[],
    falseIds: [] as number[],
    leafTreeIds: [] as number[],
    leafIds: [] as number[],
    leafWeights: [] as number[],
  };
  for (let tree = 0; tree < options.trees; tree++) {
    for (let id = 0; id < perTree; id++) {
      const leaf = id >= inner;
      columns.treeIds.push(tree);
      columns.nodeIds.push(id);
      columns.featureIds.push(leaf ? 0 : Math.floor(random() * options.features));
      columns.modes.push(leaf ? "LEAF" : "BRANCH_LT");
      columns.values.push(leaf ? 0 : random());
      columns.trueIds.push(leaf ? 0 : 2 * id + 1);
      columns.falseIds.push(leaf ? 0 : 2 * id + 2);
      if (!leaf) continue;
      columns.leafTreeIds.push(tree);
      columns.leafIds.push(id);
      columns.leafWeights.push((random() - 0.5) / 10);
    }
  }
  return {
    inputs: [{ name: "features", type: "float32", shape: ["N", options.features] }],
    outputs: [{ name: "probability", type: "float32", shape: ["N", 1] }],
    domains: { "ai.onnx.ml": 3 },
    nodes: [
      {
        op: "TreeEnsembleRegressor",
        domain: "ai.onnx.ml",
        inputs: ["features"],
        outputs: ["probability"],
        attributes: {
          n_targets: { int: 1 },
          post_transform: { text: "LOGISTIC" },
          nodes_treeids: { ints: columns.treeIds },
          nodes_nodeids: { ints: columns.nodeIds },
          nodes_featureids: { ints: columns.featureIds },
          nodes_modes: { texts: columns.modes },
          nodes_values: { floats: columns.values },
          nodes_truenodeids: { ints: columns.trueIds },
          nodes_falsenodeids: { ints: columns.falseIds },
          target_treeids: { ints: columns.leafTreeIds },
          target_nodeids: { ints: columns.leafIds },
          target_ids: { ints: columns.leafIds.map(() => 0) },
          target_weights: { floats: columns.leafWeights },
        },
      },
    ],
  };
}
