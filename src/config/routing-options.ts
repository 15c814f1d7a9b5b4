import { TuttiError } from "../errors/tutti-error.ts";
import { checkKeys, describe, finiteNumber, oneOf } from "./check-options.ts";

/** How calls of one application are routed, and what is done about those that take too long or fail. */
export interface RoutingOptions {
  /**
   * What decides between two replicas: `predictedFinish` (default), by what their lanes have to do, what a call costs and
   * how late they were found to answer; `outstanding`, by how many calls they have.
   */
  readonly choice?: "predictedFinish" | "outstanding";
  /** Leave out for a while, and try again with single calls, replicas that fail or answer late and lanes that stall. Default true. */
  readonly eject?: boolean;
  /** Silence of an executor, beyond what its work explains, after which that work is done elsewhere. Default 100. */
  readonly stallMs?: number;
  /** Repetitions, for each call made. Default 0.2. */
  readonly retryFraction?: number;
  /** Repetitions a second that are allowed besides, however few calls there are. Default 100. */
  readonly retriesPerSecond?: number;
  /** Second attempts at slow calls that ask for it (`hedge: true`), for each call made. 0: none. Default 0.02. */
  readonly hedgeFraction?: number;
  /** A call is slow when it takes longer than this share of its deployment's recent calls. Default 0.95. */
  readonly hedgeQuantile?: number;
  /** No second attempt on a lane that is busier than this. Default 0.7. */
  readonly hedgeMaxBusyFraction?: number;
}

export type ResolvedRoutingOptions = Readonly<Required<RoutingOptions>>;

const NAMES = [
  "choice",
  "eject",
  "stallMs",
  "retryFraction",
  "retriesPerSecond",
  "hedgeFraction",
  "hedgeQuantile",
  "hedgeMaxBusyFraction",
];

/** @throws TuttiError `InvalidOptions` naming the option, what was expected and what was found. */
export function resolveRoutingOptions(options: RoutingOptions = {}): ResolvedRoutingOptions {
  checkKeys("routing", options, NAMES);
  const { choice, eject = true } = options;
  if (typeof eject !== "boolean") {
    throw new TuttiError("InvalidOptions", `routing: eject: expected true or false, got ${describe(eject)}`);
  }
  const number = (name: Exclude<keyof RoutingOptions, "choice" | "eject">, bounds: Bounds) =>
    finiteNumber(`routing: ${name}`, options[name], bounds);
  return Object.freeze({
    choice: oneOf("routing: choice", choice, ["predictedFinish", "outstanding"], "predictedFinish"),
    eject,
    stallMs: number("stallMs", { default: 100, min: 10, max: 60_000 }),
    retryFraction: number("retryFraction", { default: 0.2, min: 0, max: 10 }),
    retriesPerSecond: number("retriesPerSecond", { default: 100, min: 0, max: 1_000_000 }),
    hedgeFraction: number("hedgeFraction", { default: 0.02, min: 0, max: 1 }),
    hedgeQuantile: number("hedgeQuantile", { default: 0.95, min: 0.5, max: 0.9999 }),
    hedgeMaxBusyFraction: number("hedgeMaxBusyFraction", { default: 0.7, min: 0, max: 1 }),
  });
}

type Bounds = Parameters<typeof finiteNumber>[2];
