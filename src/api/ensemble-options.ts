import { checkKeys, describe, finiteNumber } from "../config/check-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { RowsOfResult } from "../wire/messages.ts";
import { Tensor, type TensorMap } from "../wire/tensor.ts";
import type { Combiner } from "./combiners.ts";

export interface EnsembleOptions<O, V, R> {
  /** `mean`, `weightedMean`, `vote`, or a function of the answers. */
  readonly combine: Combiner<V, R>;
  /**
   * What of a member's answer is combined: an output's name, or a function. Default: the answer itself when it is a
   * number or a string, the one number of a tensor, or of a model's only output.
   */
  readonly select?: string | ((output: O) => V);
  /** Weight of a member, by deployment name. Default 1 each. */
  readonly weights?: Readonly<Record<string, number>>;
  /** How many members must answer: a count (1 or more), or a fraction of all (below 1). Default all. */
  readonly quorum?: number;
  /** From the moment of the call, in ms. Default: the request's deadline alone counts. */
  readonly deadlineMs?: number;
  /** Time kept of the request's deadline for what comes after the ensemble, in ms. Default 25. */
  readonly reserveMs?: number;
}

export interface ResolvedEnsembleOptions<V, R> {
  readonly combine: Combiner<V, R>;
  readonly select: (output: unknown) => V;
  /** The same without cutting the rows out, where what is selected is one number; undefined where it is not. */
  readonly selectNumber: ((rows: RowsOfResult) => number | undefined) | undefined;
  readonly weights: readonly number[];
  readonly quorum: number;
  readonly deadlineMs: number | undefined;
  readonly reserveMs: number;
}

/** @throws TuttiError `InvalidOptions` naming the option. */
export function resolveEnsembleOptions<O, V, R>(
  names: readonly string[],
  options: EnsembleOptions<O, V, R>,
): ResolvedEnsembleOptions<V, R> {
  checkKeys("ensemble", options, ["combine", "select", "weights", "quorum", "deadlineMs", "reserveMs"]);
  if (typeof options.combine !== "function") {
    throw new TuttiError("InvalidOptions", "ensemble: combine is mean, weightedMean, vote or a function");
  }
  const { deadlineMs } = options;
  return Object.freeze({
    combine: options.combine,
    select: resolveSelect<O, V>(options.select),
    selectNumber: typeof options.select === "function" ? undefined : numberSelector(options.select),
    weights: resolveWeights(names, options.weights ?? {}),
    quorum: resolveQuorum(names.length, options.quorum),
    deadlineMs:
      deadlineMs === undefined
        ? undefined
        : finiteNumber("ensemble: deadlineMs", deadlineMs, { default: 0, min: 1 }),
    reserveMs: finiteNumber("ensemble: reserveMs", options.reserveMs, { default: 25, min: 0 }),
  });
}

function resolveQuorum(members: number, quorum: number | undefined): number {
  if (quorum === undefined) return members;
  if (quorum > 0 && quorum < 1) return Math.max(1, Math.ceil(quorum * members - 1e-9));
  if (Number.isInteger(quorum) && quorum >= 1 && quorum <= members) return quorum;
  throw new TuttiError(
    "InvalidOptions",
    `ensemble: quorum must be a count from 1 to ${members} or a fraction above 0 and below 1, got ${describe(quorum)}`,
  );
}

function resolveWeights(
  names: readonly string[],
  weights: Readonly<Record<string, number>>,
): readonly number[] {
  for (const [name, weight] of Object.entries(weights)) {
    if (!names.includes(name)) {
      throw new TuttiError(
        "InvalidOptions",
        `ensemble: weights names ${name}, which is no member: ${names.join(", ")}`,
      );
    }
    if (!(Number.isFinite(weight) && weight >= 0)) {
      throw new TuttiError(
        "InvalidOptions",
        `ensemble: the weight of ${name} must be 0 or more, got ${weight}`,
      );
    }
  }
  return Object.freeze(names.map((name) => weights[name] ?? 1));
}

function resolveSelect<O, V>(select: EnsembleOptions<O, V, unknown>["select"]): (output: unknown) => V {
  // The casts are where a member's answer, known only to the member's own type, becomes what the combiner takes.
  if (select === undefined) return selectOnly as (output: unknown) => V;
  if (typeof select === "function") return select as (output: unknown) => V;
  return ((output: unknown) => {
    const tensor = typeof output === "object" && output !== null ? (output as TensorMap)[select] : undefined;
    if (tensor === undefined)
      throw new TuttiError("InvalidArgument", `ensemble: a member has no output ${select}`);
    return selectOnly(tensor);
  }) as (output: unknown) => V;
}

function numberSelector(name: string | undefined): (rows: RowsOfResult) => number | undefined {
  return ({ tensors, firstRow, rows }) => {
    let chosen: Tensor | undefined;
    if (name !== undefined) chosen = tensors[name];
    else {
      for (const output in tensors) {
        if (chosen !== undefined) return undefined;
        chosen = tensors[output];
      }
    }
    // One row of one element: the element's index is the row's.
    if (chosen === undefined || rows !== 1 || chosen.data.length !== chosen.dims[0]) return undefined;
    const value = chosen.data[firstRow];
    return typeof value === "number" ? value : undefined;
  };
}

/** The one number there is; anything else needs the option `select`. */
function selectOnly(output: unknown): unknown {
  if (typeof output === "number" || typeof output === "string") return output;
  let tensor = output;
  if (typeof output === "object" && output !== null && !(output instanceof Tensor)) {
    let count = 0;
    for (const name in output) {
      tensor = (output as TensorMap)[name];
      count += 1;
    }
    if (count > 1) {
      throw new TuttiError("InvalidArgument", `ensemble: a member has ${count} outputs; say which by select`);
    }
  }
  if (tensor instanceof Tensor && tensor.data.length === 1) {
    const [only] = tensor.data;
    return typeof only === "bigint" ? Number(only) : only;
  }
  throw new TuttiError(
    "InvalidArgument",
    "ensemble: a member's answer is not one number or string; give select",
  );
}
