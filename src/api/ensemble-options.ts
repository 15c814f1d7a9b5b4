import { checkKeys, describe, finiteNumber, oneOf } from "../config/check-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { EnsembleRules } from "../policy/ensemble-decision.ts";
import type { RowsOfResult } from "../wire/messages.ts";
import { Tensor, type TensorMap } from "../wire/tensor.ts";
import type { Combiner, MemberAnswer } from "./combiners.ts";

/** What an ensemble does about members that are missing although enough have answered. */
const ON_MISSING = ["renormalise", "default", "fail"] as const;
export type OnMissing = (typeof ON_MISSING)[number];

export interface EnsembleOptions<O, V, R> {
  /** `mean`, `weightedMean`, `vote`, one of these with `decisive`, or a function of the answers. */
  readonly combine: Combiner<V, R>;
  /**
   * What of a member's answer is combined: an output's name, or a function. Default: the answer itself when it is a
   * number or a string, the one number of a tensor, or of a model's only output.
   */
  readonly select?: string | ((output: O) => V);
  /** Weight of a member, by deployment name. Default 1 each. */
  readonly weights?: Readonly<Record<string, number>>;
  /**
   * How many members must answer: a count (1 or more), or a fraction of all (below 1, rounded up). Must be reachable
   * without the optional ones. Default: every member that is not optional.
   */
  readonly quorum?: number;
  /** Members without which there is no answer, by deployment name. Default: those the quorum asks for, whichever. */
  readonly required?: readonly string[];
  /** Members that are left out while the edge is overloaded, by deployment name. Default: none. */
  readonly optional?: readonly string[];
  /** What the weights of the members that answered must add up to. Default 0. */
  readonly minWeight?: number;
  /** From the moment of the call, in ms. Default: the request's deadline alone counts. */
  readonly deadlineMs?: number;
  /** Time kept of the request's deadline for what comes after the ensemble, in ms. Default 25. */
  readonly reserveMs?: number;
  /**
   * When members are missing: `renormalise` combines those that answered, `default` lets `default` stand in for the
   * others, `fail` rejects unless every member that is not optional answered. Default `renormalise`.
   */
  readonly onMissing?: OnMissing;
  /** What stands in for a missing member: one value, or a function of the member's name. It counts for no quorum. */
  readonly default?: NoInfer<V> | ((member: string) => NoInfer<V>);
  /** Members that take unusually long are tried on another replica too, if they are idempotent. Default false. */
  readonly hedge?: boolean;
}

const OPTION_NAMES = [
  "combine",
  "select",
  "weights",
  "quorum",
  "required",
  "optional",
  "minWeight",
  "deadlineMs",
  "reserveMs",
  "onMissing",
  "default",
  "hedge",
] as const satisfies readonly (keyof EnsembleOptions<unknown, unknown, unknown>)[];

export interface ResolvedEnsembleOptions<V, R> {
  readonly combine: Combiner<V, R>;
  readonly select: (output: unknown) => V;
  /** The same without cutting the rows out, where what is selected is one number; undefined where it is not. */
  readonly selectNumber: ((rows: RowsOfResult) => number | undefined) | undefined;
  readonly rules: EnsembleRules;
  readonly optional: readonly boolean[];
  readonly deadlineMs: number | undefined;
  readonly reserveMs: number;
  /** What stands in for each member that is missing; undefined where nothing does. */
  readonly defaults: readonly MemberAnswer<V>[] | undefined;
  readonly hedge: boolean;
}

/** @throws TuttiError `InvalidOptions` naming the option. */
export function resolveEnsembleOptions<O, V, R>(
  names: readonly string[],
  options: EnsembleOptions<O, V, R>,
): ResolvedEnsembleOptions<V, R> {
  checkKeys("ensemble", options, OPTION_NAMES);
  if (typeof options.combine !== "function") {
    throw invalid("combine is mean, weightedMean, vote or a function");
  }
  const { deadlineMs, hedge } = options;
  if (hedge !== undefined && typeof hedge !== "boolean") {
    throw invalid(`hedge must be true or false, got ${describe(hedge)}`);
  }
  const weights = resolveWeights(names, options.weights ?? {});
  const optional = resolveNames(names, "optional", options.optional);
  if (!optional.includes(false)) throw invalid("a member at least must not be optional");
  return Object.freeze({
    combine: options.combine,
    select: resolveSelect<O, V>(options.select),
    selectNumber: typeof options.select === "function" ? undefined : numberSelector(options.select),
    rules: resolveRules(names, options, weights, optional),
    optional,
    deadlineMs:
      deadlineMs === undefined
        ? undefined
        : finiteNumber("ensemble: deadlineMs", deadlineMs, { default: 0, min: 1 }),
    reserveMs: finiteNumber("ensemble: reserveMs", options.reserveMs, { default: 25, min: 0 }),
    defaults: resolveDefaults(names, options, weights),
    hedge: hedge ?? false,
  });
}

const invalid = (message: string) => new TuttiError("InvalidOptions", `ensemble: ${message}`);

/** What can be asked for must be there without the optional members, or lean requests could never be answered. */
function resolveRules<O, V, R>(
  names: readonly string[],
  options: EnsembleOptions<O, V, R>,
  weights: readonly number[],
  optional: readonly boolean[],
): EnsembleRules {
  const { quorum, onMissing } = options;
  const named = resolveNames(names, "required", options.required);
  const both = names.find((_, member) => named[member] && optional[member]);
  if (both !== undefined) throw invalid(`${both} cannot be both required and optional`);
  if (onMissing === "fail" && quorum !== undefined) {
    throw invalid("onMissing fail asks for every member that is not optional: leave quorum out");
  }
  const sure = optional.filter((isOptional) => !isOptional).length;
  const sureWeight = weights.reduce((sum, weight, member) => (optional[member] ? sum : sum + weight), 0);
  return Object.freeze({
    weights,
    totalWeight: weights.reduce((sum, weight) => sum + weight, 0),
    required: quorum === undefined ? Object.freeze(optional.map((isOptional) => !isOptional)) : named,
    quorum: quorum === undefined ? sure : resolveQuorum(names.length, sure, quorum),
    minWeight: finiteNumber("ensemble: minWeight", options.minWeight, {
      default: 0,
      min: 0,
      // Weights that should add up to 1 rarely do so exactly.
      max: sureWeight * (1 + 1e-9),
    }),
  });
}

function resolveQuorum(members: number, sure: number, quorum: number): number {
  const count = quorum > 0 && quorum < 1 ? Math.max(1, Math.ceil(quorum * members - 1e-9)) : quorum;
  if (Number.isInteger(count) && count >= 1 && count <= sure) return count;
  const most = sure === members ? "" : `, at most the ${sure} members that are not optional`;
  throw invalid(
    `quorum must be a count from 1 to ${members} or a fraction above 0 and below 1${most}, got ${describe(quorum)}`,
  );
}

/** By member, whether the list has it. */
function resolveNames(
  names: readonly string[],
  option: "required" | "optional",
  list: readonly string[] = [],
): readonly boolean[] {
  if (!Array.isArray(list)) throw invalid(`${option} must be a list of members, got ${describe(list)}`);
  const unknown = list.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw invalid(`${option} names ${describe(unknown)}, which is no member: ${names.join(", ")}`);
  }
  return Object.freeze(names.map((name) => list.includes(name)));
}

function resolveWeights(
  names: readonly string[],
  weights: Readonly<Record<string, number>>,
): readonly number[] {
  for (const [name, weight] of Object.entries(weights)) {
    if (!names.includes(name)) {
      throw invalid(`weights names ${name}, which is no member: ${names.join(", ")}`);
    }
    if (!(Number.isFinite(weight) && weight >= 0)) {
      throw invalid(`the weight of ${name} must be 0 or more, got ${weight}`);
    }
  }
  return Object.freeze(names.map((name) => weights[name] ?? 1));
}

function resolveDefaults<O, V, R>(
  names: readonly string[],
  { onMissing, combine, default: given }: EnsembleOptions<O, V, R>,
  weights: readonly number[],
): readonly MemberAnswer<V>[] | undefined {
  const chosen = oneOf("ensemble: onMissing", onMissing, ON_MISSING, "renormalise");
  if (chosen !== "default") {
    if (given === undefined) return undefined;
    throw invalid(`a default is given, but onMissing is ${chosen}; say onMissing: "default"`);
  }
  if (given === undefined) throw invalid("onMissing is default, but no default is given");
  const defaults = names.map((name, member) => {
    // The cast: a value that is itself a function cannot be told from one that makes values, and is none a model gives.
    const value = typeof given === "function" ? (given as (member: string) => V)(name) : given;
    const refusal = combine.refusal?.(value);
    if (refusal !== undefined) throw invalid(`the default of ${name} cannot be combined: ${refusal}`);
    return Object.freeze({ name, value, weight: weights[member]! });
  });
  return Object.freeze(defaults);
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
