import { z } from "zod";
import type { DeploymentOverrides } from "../policy/desired-state.ts";
import { DEPLOYMENT_BOUNDS } from "./deployment-options.ts";
import { APPLICATION_NAME, ROUTE } from "./names.ts";
import { flag, number, strict, text, wholeNumber } from "./schema-parts.ts";

/**
 * What people write of an application, in `tutti.yaml` and in the admin API's `PUT /api/applications`. Types, checks,
 * `openapi.json` and the JSON Schema for editors are all made of it.
 */

/** Of any machine; a node refuses what is too many for its own. */
const MAX_REPLICAS = 4096;
const MAX_STEPS = 100;
const MAX_STEP_MS = 7 * 24 * 3600 * 1000;

const count = () => wholeNumber({ min: 1, max: MAX_REPLICAS });

const replicas = z
  .union([count(), strict({ min: count(), max: count(), initial: count().exactOptional() })], {
    error: () => `a whole number from 1 to ${MAX_REPLICAS}, or { min, max, initial }`,
  })
  .describe("How many copies, or within which bounds.");

const checkMs = () => number(DEPLOYMENT_BOUNDS.healthCheckMs);

export const overridesSchema = strict({
  replicas: replicas.exactOptional(),
  maxOngoingRequests: wholeNumber(DEPLOYMENT_BOUNDS.maxOngoingRequests)
    .exactOptional()
    .describe("Calls one replica works on at a time; more are refused."),
  maxQueueMs: number(DEPLOYMENT_BOUNDS.maxQueueMs)
    .exactOptional()
    .describe("A call that waited longer than this is refused instead of started."),
  resources: strict({ memoryMb: number(DEPLOYMENT_BOUNDS.memoryMb).exactOptional() })
    .exactOptional()
    .describe("What a replica needs; its replicas are made anew when this changes."),
  compute: flag()
    .exactOptional()
    .describe("The class computes for long stretches. Its replicas are made anew when this changes."),
  userConfig: z.unknown().exactOptional().describe("Given to reconfigure(), without a restart. Any JSON."),
  healthCheck: strict({
    periodMs: checkMs().exactOptional().describe("Between two calls of checkHealth."),
    timeoutMs: checkMs().exactOptional().describe("A check that takes longer counts as failed."),
  }).exactOptional(),
  gracefulShutdownMs: number(DEPLOYMENT_BOUNDS.gracefulShutdownMs)
    .exactOptional()
    .describe("How long a replica that is to stop may finish what it has."),
  idempotent: z
    .union([z.boolean(), z.array(z.string())], { error: () => "true, false or a list of method names" })
    .exactOptional()
    .describe("All methods, or those named, may be repeated when it is not known whether they ran."),
});

const step = strict({
  weight: number({ min: 0, max: 1 })
    .gt(0, { error: () => "a number above 0, at most 1" })
    .describe("The new version's share of the requests."),
  durationMs: number({ min: 0, max: MAX_STEP_MS }).describe("How long before the next step."),
});

const gates = strict({
  maxErrorFraction: number({ min: 0, max: 1 })
    .exactOptional()
    .describe("Given up when more of its requests than this failed. Default 0.05."),
  maxP95Ms: number({ min: 0 })
    .gt(0, { error: () => "a number above 0" })
    .exactOptional()
    .describe("Given up when its 95th percentile is above this."),
  maxP95Factor: number({ min: 1 })
    .exactOptional()
    .describe("Given up when its 95th percentile is more than so many times that of the version before."),
  minRequests: wholeNumber({ min: 1, max: 1_000_000 })
    .exactOptional()
    .describe("Of fewer requests nothing is concluded. Default 20."),
});

/** `*` beside what names are made of. */
const NAME_OR_PATTERN = /^[A-Za-z0-9_$*][A-Za-z0-9_.$*-]{0,127}$/;

const VERSION = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;

export const definitionSchema = strict({
  name: text("1 to 64 letters, digits, . _ or -", APPLICATION_NAME).describe("What it is called."),
  module: text("the path of a module").describe("Its module; relative paths begin at this file."),
  args: z
    .record(z.string(), z.unknown(), { error: () => "an object" })
    .exactOptional()
    .describe("Given to the module's default export when that is a function."),
  route: text("a path such as /offers", ROUTE)
    .exactOptional()
    .describe("Prefix of all its paths. Default: the module's own."),
  version: text('1 to 64 letters, digits, . _ + or -, in quotes if it looks like a number: "1.10"', VERSION)
    .exactOptional()
    .describe("Another version is a rollout. Default: the module's own."),
  traffic: strict({
    steps: z
      .array(step, { error: () => "a list of { weight, durationMs }" })
      .max(MAX_STEPS, { error: () => `at most ${MAX_STEPS} steps` })
      .exactOptional()
      .describe("Shares of the traffic that a new version gets, rising. Default: all within three seconds."),
    gates: gates.exactOptional().describe("When a new version is given up during its steps."),
  })
    .exactOptional()
    .describe("How traffic moves to a new version."),
  deployments: z
    .record(text("a deployment's name, or a pattern with *", NAME_OR_PATTERN), overridesSchema, {
      error: () => "an object of deployments",
    })
    .exactOptional()
    .describe("Options by deployment, over those of the module. * stands for any characters."),
});

export type WrittenDefinition = z.infer<typeof definitionSchema>;

type WrittenOverrides = Omit<z.infer<typeof overridesSchema>, "userConfig">;
/** What a file can set is what the desired state has, and nothing else. */
true satisfies Equal<keyof WrittenOverrides, Exclude<keyof DeploymentOverrides, "userConfig">>;

type Equal<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
