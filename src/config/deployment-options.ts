import { availableParallelism } from "node:os";
import { TuttiError } from "../errors/tutti-error.ts";
import { checkKeys, describe, finiteNumber, wholeNumber } from "./check-options.ts";

export interface ReplicaBounds {
  readonly min: number;
  readonly max: number;
  /** Started at first. Default `min`. */
  readonly initial?: number;
}

export interface HealthCheckOptions {
  /** Between two calls of `checkHealth`. Default 10,000. */
  readonly periodMs?: number;
  /** A check that takes longer counts as failed. Default 30,000. */
  readonly timeoutMs?: number;
}

/** Options of any deployment. */
export interface DeploymentOptions {
  /** Default: the class's name. Two deployments of one class need it. */
  readonly name?: string;
  /** How many copies, or within which bounds. Default 1. */
  readonly replicas?: number | ReplicaBounds;
  /** Calls one replica works on at a time; more are refused. Default 1,024, for models 4,096 waiting items. */
  readonly maxOngoingRequests?: number;
  /** A call that waited longer than this is refused instead of started. Default: only the deadline bounds it. */
  readonly maxQueueMs?: number;
  readonly resources?: { readonly memoryMb?: number };
  /** The class computes for long stretches: each replica gets an executor of its own. Default false. */
  readonly compute?: boolean;
  /** Given to `reconfigure()` before the replica is ready. Must be JSON. */
  readonly userConfig?: unknown;
  readonly healthCheck?: HealthCheckOptions;
  /** How long a replica that is to stop may finish what it has. Default 20,000. */
  readonly gracefulShutdownMs?: number;
  /** All methods, or those named, may be repeated when it is not known whether they ran. Default false. */
  readonly idempotent?: boolean | readonly string[];
}

export interface ResolvedDeploymentOptions {
  readonly replicas: { readonly min: number; readonly max: number; readonly initial: number };
  readonly maxOngoingRequests: number;
  readonly maxQueueMs: number | undefined;
  readonly memoryMb: number;
  readonly compute: boolean;
  readonly userConfig: unknown;
  readonly healthCheckPeriodMs: number;
  readonly healthCheckTimeoutMs: number;
  readonly gracefulShutdownMs: number;
  readonly idempotent: boolean | readonly string[];
}

export const DEPLOYMENT_OPTION_NAMES: readonly string[] = [
  "name",
  "replicas",
  "maxOngoingRequests",
  "maxQueueMs",
  "resources",
  "compute",
  "userConfig",
  "healthCheck",
  "gracefulShutdownMs",
  "idempotent",
];

export interface KindDefaults {
  readonly maxOngoingRequests: number;
  readonly memoryMb: number;
  readonly idempotent: boolean;
}

export const CODE_DEFAULTS: KindDefaults = { maxOngoingRequests: 512, memoryMb: 64, idempotent: false };
export const MODEL_DEFAULTS: KindDefaults = { maxOngoingRequests: 4096, memoryMb: 8, idempotent: true };

/** Node's timers fire at once when they are told more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What numbers may be, here and in a config file. */
export const DEPLOYMENT_BOUNDS = {
  maxOngoingRequests: { min: 1, max: 1_000_000 },
  maxQueueMs: { min: 1 },
  memoryMb: { min: 0 },
  healthCheckMs: { min: 10, max: MAX_TIMER_MS },
  gracefulShutdownMs: { min: 0 },
} as const;

/** @throws TuttiError `InvalidOptions` naming the option, what was expected and what was found. */
export function resolveDeploymentOptions(
  name: string,
  options: DeploymentOptions,
  defaults: KindDefaults,
): ResolvedDeploymentOptions {
  const at = (option: string) => `deployment ${name}: ${option}`;
  checkKeys(`deployment ${name}`, options, DEPLOYMENT_OPTION_NAMES);
  const { healthCheck = {}, resources = {}, idempotent, maxQueueMs } = options;
  checkKeys(at("healthCheck"), healthCheck, ["periodMs", "timeoutMs"]);
  checkKeys(at("resources"), resources, ["memoryMb"]);
  return Object.freeze({
    replicas: resolveReplicas(at("replicas"), options.replicas),
    maxOngoingRequests: wholeNumber(at("maxOngoingRequests"), options.maxOngoingRequests, {
      default: defaults.maxOngoingRequests,
      ...DEPLOYMENT_BOUNDS.maxOngoingRequests,
    }),
    maxQueueMs:
      maxQueueMs === undefined
        ? undefined
        : finiteNumber(at("maxQueueMs"), maxQueueMs, { default: 0, ...DEPLOYMENT_BOUNDS.maxQueueMs }),
    memoryMb: finiteNumber(at("resources.memoryMb"), resources.memoryMb, {
      default: defaults.memoryMb,
      ...DEPLOYMENT_BOUNDS.memoryMb,
    }),
    compute: resolveBoolean(at("compute"), options.compute),
    userConfig: options.userConfig,
    healthCheckPeriodMs: finiteNumber(at("healthCheck.periodMs"), healthCheck.periodMs, {
      default: 10_000,
      ...DEPLOYMENT_BOUNDS.healthCheckMs,
    }),
    healthCheckTimeoutMs: finiteNumber(at("healthCheck.timeoutMs"), healthCheck.timeoutMs, {
      default: 30_000,
      ...DEPLOYMENT_BOUNDS.healthCheckMs,
    }),
    gracefulShutdownMs: finiteNumber(at("gracefulShutdownMs"), options.gracefulShutdownMs, {
      default: 20_000,
      ...DEPLOYMENT_BOUNDS.gracefulShutdownMs,
    }),
    idempotent: resolveIdempotent(at("idempotent"), idempotent, defaults.idempotent),
  });
}

/** Every copy costs memory on this machine: more than this many for each core is a mistake, not a wish. */
const MAX_REPLICAS = Math.max(64, availableParallelism() * 16);

function resolveReplicas(where: string, value: DeploymentOptions["replicas"]) {
  if (value === undefined || typeof value === "number") {
    const count = wholeNumber(where, value, { default: 1, min: 1, max: MAX_REPLICAS });
    return Object.freeze({ min: count, max: count, initial: count });
  }
  if (typeof value !== "object" || value === null) {
    throw new TuttiError(
      "InvalidOptions",
      `${where}: expected a number or { min, max }, got ${describe(value)}`,
    );
  }
  checkKeys(where, value, ["min", "max", "initial"]);
  const max = wholeNumber(`${where}.max`, value.max, { default: 1, min: 1, max: MAX_REPLICAS });
  const min = wholeNumber(`${where}.min`, value.min, { default: 1, min: 1, max });
  return Object.freeze({
    min,
    max,
    initial: wholeNumber(`${where}.initial`, value.initial, { default: min, min, max }),
  });
}

function resolveBoolean(where: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean")
    throw new TuttiError("InvalidOptions", `${where}: expected true or false, got ${describe(value)}`);
  return value;
}

function resolveIdempotent(where: string, value: unknown, fallback: boolean): boolean | readonly string[] {
  if (value === undefined) return fallback;
  if (typeof value === "boolean") return value;
  if (Array.isArray(value) && value.every((name) => typeof name === "string"))
    return Object.freeze([...value]);
  throw new TuttiError(
    "InvalidOptions",
    `${where}: expected true, false or method names, got ${describe(value)}`,
  );
}
