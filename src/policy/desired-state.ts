/**
 * What a node is to run: plain JSON, whoever writes it (a file, the admin API, a command) and wherever it is kept. All
 * that has a default is resolved before it comes here; durations and weights are checked.
 *
 * An application is what people define and what the node notes beside it. Other code (`module`, `args`, `version`) is
 * another *version*, brought by a rollout, and so are options for which replicas are made anew; other options of
 * deployments are changes in place.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export type JsonObject = { readonly [key: string]: Json };

export interface DesiredState {
  /** 0 before anything was ever stored; each stored change has the next one. */
  readonly revision: number;
  /** Sorted by name, each name and each route once. */
  readonly applications: readonly DesiredApplication[];
}

/** What people say of an application. */
export interface ApplicationDefinition {
  /** What it is called here. The module's own name is for those who run it without a definition. */
  readonly name: string;
  /** Absolute path of its module. */
  readonly module: string;
  /** Given to the module's default export when that is a function; `{}` when there are none. */
  readonly args: JsonObject;
  /** Prefix of all its paths. Absent: the module's own. */
  readonly route?: string;
  /** Absent: the module's own. */
  readonly version?: string;
  /** How traffic moves to this version when it is new. */
  readonly traffic: Traffic;
  /** Options by the deployment's name, or by a pattern with `*`; see `overridesFor`. */
  readonly deployments: { readonly [nameOrPattern: string]: DeploymentOverrides };
}

export interface DesiredApplication extends ApplicationDefinition {
  /** Set: what is to run is not this definition but an earlier one. A change by people takes it away. */
  readonly rollback?: Rollback;
  /** Earlier definitions of other versions, the latest first; what a rollback goes back to. At most `MAX_HISTORY`. */
  readonly history: readonly ApplicationDefinition[];
}

export interface Rollback {
  /** A version of the history, or the latest there. */
  readonly to: "previous" | { readonly version: string };
  /** Why, for people: who asked, or which gate said no. */
  readonly reason: string;
}

export const MAX_HISTORY = 10;

export interface Traffic {
  /** Shares of the traffic, rising. None: all within three seconds, as soon as it is healthy. After the last step it gets all. */
  readonly steps: readonly TrafficStep[];
  readonly gates: TrafficGates;
}

export interface TrafficStep {
  /** The new version's share of the requests: above 0, at most 1. */
  readonly weight: number;
  /** How long it stays at that before the next step, unless a gate says no. */
  readonly durationMs: number;
}

/** When the new version is given up during its steps. */
export interface TrafficGates {
  /** More of its requests than this failed. */
  readonly maxErrorFraction: number;
  /** Its 95th percentile is above this. At most one of the two. */
  readonly maxP95Ms?: number;
  /** Its 95th percentile is so many times that of the version before, in the same time. */
  readonly maxP95Factor?: number;
  /** Of fewer requests nothing is concluded. */
  readonly minRequests: number;
}

export const DEFAULT_TRAFFIC: Traffic = Object.freeze({
  steps: Object.freeze([]),
  gates: Object.freeze({ maxErrorFraction: 0.05, minRequests: 20 }),
});

/** In one instant. */
export const INSTANT_TRAFFIC: Traffic = Object.freeze({
  ...DEFAULT_TRAFFIC,
  steps: Object.freeze([Object.freeze({ weight: 1, durationMs: 0 })]),
});

/** Options of a deployment as a file or the admin API sets them, over those that the module gives. */
export interface DeploymentOverrides {
  readonly replicas?: number | { readonly min: number; readonly max: number; readonly initial?: number };
  readonly maxOngoingRequests?: number;
  readonly maxQueueMs?: number;
  readonly resources?: { readonly memoryMb?: number };
  readonly compute?: boolean;
  readonly userConfig?: Json;
  readonly healthCheck?: { readonly periodMs?: number; readonly timeoutMs?: number };
  readonly gracefulShutdownMs?: number;
  readonly idempotent?: boolean | readonly string[];
}

/** Every option that can be set, and what a change of it asks for: `inPlace`, or replicas made anew (`restart`). */
export const OVERRIDE_EFFECTS = {
  replicas: "inPlace",
  maxOngoingRequests: "inPlace",
  maxQueueMs: "inPlace",
  resources: "restart",
  compute: "restart",
  userConfig: "inPlace",
  healthCheck: "inPlace",
  gracefulShutdownMs: "inPlace",
  idempotent: "inPlace",
} as const satisfies Record<keyof DeploymentOverrides, "inPlace" | "restart">;

/**
 * What a definition says of one deployment: the entries that match its name, one over the other. The more of a name is
 * written out the more it counts, and the very name counts most; the order in which they are written means nothing, since
 * JSON objects have none. Each option is replaced whole, `userConfig` too.
 */
export function overridesFor(
  { deployments }: Pick<ApplicationDefinition, "deployments">,
  deployment: string,
): DeploymentOverrides {
  const matching = Object.entries(deployments)
    .filter(([pattern]) => pattern !== deployment && matchesPattern(pattern, deployment))
    .toSorted(([a], [b]) => writtenOut(a) - writtenOut(b) || (a < b ? -1 : 1));
  const exact = Object.hasOwn(deployments, deployment) ? deployments[deployment] : undefined;
  return Object.assign({}, ...matching.map(([, overrides]) => overrides), exact);
}

const writtenOut = (pattern: string): number => pattern.replaceAll("*", "").length;

/** Names and patterns that no deployment answers to: a mistake in the definition. */
export function unmatchedOverrides(
  { deployments }: Pick<ApplicationDefinition, "deployments">,
  names: readonly string[],
): string[] {
  return Object.keys(deployments).filter((pattern) => !names.some((name) => matchesPattern(pattern, name)));
}

/** `*` stands for any characters, none included. Nothing else is special. */
export function matchesPattern(pattern: string, name: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return first === name;
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last))
    return false;
  let from = first.length;
  for (const part of rest) {
    const at = name.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return from <= name.length - last.length;
}

/** What is to run: the definition, or the one that it was rolled back to. Undefined: that is not in the history. */
export function wantedDefinition(application: DesiredApplication): ApplicationDefinition | undefined {
  const { rollback, history, ...definition } = application;
  if (rollback === undefined) return definition;
  const { to } = rollback;
  return to === "previous" ? history[0] : history.find(({ version }) => version === to.version);
}

export const EMPTY_STATE: DesiredState = Object.freeze({ revision: 0, applications: Object.freeze([]) });
