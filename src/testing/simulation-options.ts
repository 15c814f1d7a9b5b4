import { checkKeys, finiteNumber, wholeNumber } from "../config/check-options.ts";
import { type NodeOptions, type ResolvedNodeOptions, resolveNodeOptions } from "../config/node-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import {
  type IngressOptions,
  type ResolvedIngressOptions,
  resolveIngressOptions,
} from "../ingress/ingress-options.ts";
import type { SimulatedModel } from "./simulated-model.ts";

/** Every option of a simulated world. */
export interface SimulationOptions {
  /** The same seed gives the same decisions. Default 1. */
  readonly seed?: number;
  /** By deployment; `*` is for those not named. An application without models needs none. */
  readonly models?: Readonly<Record<string, SimulatedModel>>;
  /** Lanes, code executors, spares and limits, as of any node. Default two lanes, else those of a node. */
  readonly node?: NodeOptions;
  /** Limits of the edge. It listens nowhere. */
  readonly http?: Omit<IngressOptions, "host" | "port">;
  /** How long an executor's process takes to start. Default 150. */
  readonly startUpMs?: number;
}

export interface ResolvedSimulationOptions {
  readonly seed: number;
  readonly modelOf: (deployment: string) => SimulatedModel;
  readonly node: ResolvedNodeOptions;
  readonly http: ResolvedIngressOptions;
  readonly startUpMs: number;
}

export const SIMULATION_OPTIONS: readonly string[] = ["seed", "models", "node", "http", "startUpMs"];
/** So that a world does not depend on the machine that simulates it. */
const LANES = 2;

/** @throws TuttiError `InvalidOptions` */
export function resolveSimulationOptions(options: SimulationOptions = {}): ResolvedSimulationOptions {
  checkKeys("simulate", options, SIMULATION_OPTIONS);
  const { models = {} } = options;
  for (const [name, { costMs }] of Object.entries(models)) {
    if (typeof costMs === "function") continue;
    throw new TuttiError("InvalidOptions", `simulate: models.${name}: costMs must be a function of the rows`);
  }
  return Object.freeze({
    seed: wholeNumber("simulate: seed", options.seed, { default: 1, min: 0, max: 2 ** 32 - 1 }),
    modelOf: (deployment: string) => {
      const model = models[deployment] ?? models["*"];
      if (model !== undefined) return model;
      throw new TuttiError(
        "InvalidOptions",
        `simulate: models has neither ${deployment} nor "*"; say what a run of it costs`,
      );
    },
    node: resolveNodeOptions({ lanes: LANES, ...options.node }),
    http: resolveIngressOptions(options.http),
    startUpMs: finiteNumber("simulate: startUpMs", options.startUpMs, { default: 150, min: 0 }),
  });
}
