import type { InferenceSession } from "onnxruntime-node";
import { TuttiError } from "../errors/tutti-error.ts";
import { MAX_MODEL_BYTES } from "./model-file.ts";

export interface SessionOptions {
  /** Threads inside one run. Default 1: a lane is one thread, and lanes run in parallel. */
  readonly intraOpThreads?: number;
  /** Threads for independent branches of a graph. Default 1. */
  readonly interOpThreads?: number;
  /** Default `all`. */
  readonly graphOptimizationLevel?: "disabled" | "basic" | "extended" | "layout" | "all";
  /** Keep freed run memory for the next run. Default true. */
  readonly enableCpuMemArena?: boolean;
  /** Plan run memory once for each input shape. Default false: batches have many shapes. */
  readonly enableMemPattern?: boolean;
  /** Repack weights at load: dense layers run up to twice as quickly and take about 40 % more memory. Default true. */
  readonly prepacking?: boolean;
  /** Load tree models from a converted file that takes less memory (`compact-model.ts`). Default true. */
  readonly compact?: boolean;
  /** Whether axis 0 is the batch, where the model's own shapes are wrong about it. Default: found from the model. */
  readonly batchAxis?: boolean;
  /** Larger model files are refused. Default 2 GiB. */
  readonly maxModelBytes?: number;
}

export interface ResolvedSessionOptions {
  readonly intraOpThreads: number;
  readonly interOpThreads: number;
  readonly graphOptimizationLevel: NonNullable<SessionOptions["graphOptimizationLevel"]>;
  readonly enableCpuMemArena: boolean;
  readonly enableMemPattern: boolean;
  readonly prepacking: boolean;
  readonly compact: boolean;
  /** `auto`: found from the model (O1). */
  readonly batchAxis: boolean | "auto";
  readonly maxModelBytes: number;
}

const MAX_THREADS = 256;
const LEVELS = ["disabled", "basic", "extended", "layout", "all"] as const;

const invalid = (key: string, expected: string, found: unknown): TuttiError =>
  new TuttiError(
    "InvalidOptions",
    `session.${key}: expected ${expected}, got ${JSON.stringify(found) ?? "undefined"}`,
    {
      path: `session.${key}`,
    },
  );

function whole(key: string, value: unknown, fallback: number, max: number): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw invalid(key, `a whole number from 1 to ${max}`, value);
}

function flag(key: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value === "boolean") return value;
  throw invalid(key, "true or false", value);
}

/**
 * Checks options that may come from a file, and completes them. Defaults are from measurements in
 * `docs/guides/onnx.md`.
 *
 * @throws TuttiError `InvalidOptions` naming the option.
 */
export function resolveSessionOptions(options: SessionOptions = {}): ResolvedSessionOptions {
  const {
    intraOpThreads,
    interOpThreads,
    graphOptimizationLevel = "all",
    enableCpuMemArena,
    enableMemPattern,
    prepacking,
    compact,
    batchAxis,
    maxModelBytes,
    ...unknown
  } = options;
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined) {
    throw new TuttiError("InvalidOptions", `session.${stranger}: there is no such option`, {
      path: `session.${stranger}`,
    });
  }
  const level = LEVELS.find((known) => known === graphOptimizationLevel);
  if (level === undefined) {
    throw invalid("graphOptimizationLevel", `one of ${LEVELS.join(", ")}`, graphOptimizationLevel);
  }
  return Object.freeze({
    intraOpThreads: whole("intraOpThreads", intraOpThreads, 1, MAX_THREADS),
    interOpThreads: whole("interOpThreads", interOpThreads, 1, MAX_THREADS),
    graphOptimizationLevel: level,
    enableCpuMemArena: flag("enableCpuMemArena", enableCpuMemArena, true),
    enableMemPattern: flag("enableMemPattern", enableMemPattern, false),
    prepacking: flag("prepacking", prepacking, true),
    compact: flag("compact", compact, true),
    batchAxis: batchAxis === undefined ? "auto" : flag("batchAxis", batchAxis, true),
    maxModelBytes: whole("maxModelBytes", maxModelBytes, MAX_MODEL_BYTES, MAX_MODEL_BYTES),
  });
}

/**
 * The same in ONNX Runtime's words.
 *
 * @param config further entries of its session configuration, by their names without `session.`.
 */
export function toOrtOptions(
  options: ResolvedSessionOptions,
  config: Readonly<Record<string, string>> = {},
): InferenceSession.SessionOptions {
  return {
    executionProviders: ["cpu"],
    executionMode: "sequential",
    intraOpNumThreads: options.intraOpThreads,
    interOpNumThreads: options.interOpThreads,
    graphOptimizationLevel: options.graphOptimizationLevel,
    enableCpuMemArena: options.enableCpuMemArena,
    enableMemPattern: options.enableMemPattern,
    logSeverityLevel: 4,
    extra: { session: { ...(options.prepacking ? {} : { disable_prepacking: "1" }), ...config } },
  };
}
