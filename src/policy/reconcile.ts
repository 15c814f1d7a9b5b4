import type { Traffic } from "./desired-state.ts";
import { beginRollout, NOTHING_OBSERVED, nextMove, type Rollout, type RolloutSight } from "./rollout.ts";

/** What is wanted of one application. Versions are told apart by keys: other code, other key. */
export interface WantedApplication {
  readonly name: string;
  readonly version: string;
  /** The options that can change in place. */
  readonly options: string;
  readonly traffic: Traffic;
  /** The version that had all traffic before the node was started again; undefined when there was none. */
  readonly lastServed: string | undefined;
  /** Whether an earlier definition can be gone back to. */
  readonly hasEarlier: boolean;
}

export type VersionPhase =
  | { readonly kind: "starting" }
  /** It could not be started; it is not there. */
  | {
      readonly kind: "failed";
      readonly attempts: number;
      readonly retryAtMs: number;
      readonly reason: string;
    }
  | { readonly kind: "ready" }
  /** It gets nothing new, and finishes what it has. */
  | { readonly kind: "draining"; readonly endAtMs: number }
  /** Its processes are being ended. */
  | { readonly kind: "ending" };

export type AdjustPhase =
  | { readonly kind: "idle" }
  | { readonly kind: "running" }
  | {
      readonly kind: "failed";
      readonly options: string;
      readonly retryAtMs: number;
      readonly reason: string;
    };

export interface ActualVersion {
  readonly key: string;
  readonly phase: VersionPhase;
  /** Its share of the requests. */
  readonly weight: number;
  /** The options that it has. */
  readonly options: string;
  readonly adjust: AdjustPhase;
  /** It has its minimum of replicas. */
  readonly isHealthy: boolean;
  readonly openRequests: number;
}

export interface ActualApplication {
  readonly name: string;
  readonly versions: readonly ActualVersion[];
  readonly rollout: Rollout | undefined;
  /** What was seen since the rollout's step began. */
  readonly seen: Pick<RolloutSight, "from" | "to">;
  /** Versions that were given up; not tried again as long as they are what is wanted. */
  readonly rejected: readonly string[];
}

export type Action = { readonly application: string } & (
  | { readonly type: "start"; readonly version: string }
  /** From now on requests go to these versions, by share, and to no others. */
  | {
      readonly type: "route";
      readonly weights: Readonly<Record<string, number>>;
      readonly rollout: Rollout | undefined;
    }
  | { readonly type: "note-rollout"; readonly rollout: Rollout }
  | { readonly type: "adjust"; readonly version: string }
  | { readonly type: "drain"; readonly version: string; readonly endAtMs: number }
  /** Take it into use again before its processes were told to end. */
  | { readonly type: "keep"; readonly version: string }
  | { readonly type: "end"; readonly version: string }
  /** @param backTo the version that serves instead; undefined: none does. */
  | {
      readonly type: "reject";
      readonly version: string;
      readonly reason: string;
      readonly backTo: string | undefined;
    }
  | { readonly type: "forget" }
);

export interface ReconcileLimits {
  /** So often a version is tried to be started before it is given up for an earlier one. */
  readonly maxStarts: number;
  /** So long an old version may finish what it has. */
  readonly drainMs: number;
}

/** To take a version apart is work, which is not done in the moment in which another has got all requests. */
export const LINGER_MS = 250;

/**
 * What is to be done so that what is becomes what is wanted. Pure, and level-triggered: it looks at what is, not at what was
 * done before, so that it may be asked at any time, by whoever has started last.
 *
 * - **RC1** From any state, carrying out what it says leads, in a bounded number of rounds, to one in which it says nothing.
 * - **RC2** Requests are given only to versions that are ready; and once an application is served it is served at all times, until it
 *   is not wanted any more.
 * - **RC3** No version that gets requests is drained or ended.
 * - **RC4** A version that could not be started never gets requests.
 */
export function reconcile(
  wanted: readonly WantedApplication[],
  actual: readonly ActualApplication[],
  limits: ReconcileLimits,
  nowMs: number,
): Action[] {
  const names = new Set([...wanted, ...actual].map(({ name }) => name));
  return [...names].flatMap((name) => {
    const is = actual.find((one) => one.name === name) ?? nothingYet(name);
    const want = wanted.find((one) => one.name === name);
    return want === undefined ? remove(is, limits, nowMs) : approach(want, is, limits, nowMs);
  });
}

function nothingYet(name: string): ActualApplication {
  const seen = { from: NOTHING_OBSERVED, to: NOTHING_OBSERVED };
  return { name, versions: [], rollout: undefined, seen, rejected: [] };
}

function remove(is: ActualApplication, limits: ReconcileLimits, nowMs: number): Action[] {
  const application = is.name;
  if (is.versions.some(({ weight }) => weight > 0))
    return [{ application, type: "route", weights: {}, rollout: undefined }];
  if (is.versions.length === 0) return [{ application, type: "forget" }];
  return is.versions.flatMap((version) => letGo(application, version, limits, nowMs));
}

function approach(
  want: WantedApplication,
  is: ActualApplication,
  limits: ReconcileLimits,
  nowMs: number,
): Action[] {
  const application = want.name;
  const serving = servingOf(is);
  const target = targetOf(want, is, serving);
  // Another rollout than that from the one that serves to the target, or shares that no rollout explains: all to the one that serves.
  const isMixed = is.versions.some((one) => one.weight > 0 && one !== serving);
  const { rollout } = is;
  const isOther =
    rollout !== undefined &&
    (rollout.to !== target || rollout.from !== serving?.key || rollout.from === rollout.to);
  if (serving !== undefined && (isOther || (isMixed && is.rollout === undefined)))
    return [{ application, type: "route", weights: { [serving.key]: 1 }, rollout: undefined }];
  const actions = is.versions.flatMap((version) =>
    version.key === target || version === serving || version.weight > 0
      ? []
      : letGo(application, version, limits, nowMs),
  );
  return [...actions, ...towards(target, want, is, serving, limits, nowMs)];
}

/** The version that has the traffic, or had it before the rollout that is under way: it stays until that is over. */
export function servingOf({ versions, rollout }: ActualApplication): ActualVersion | undefined {
  const withTraffic = versions.filter(({ weight }) => weight > 0);
  if (withTraffic.length === 0) return undefined;
  const from = versions.find(({ key, phase }) => key === rollout?.from && phase.kind === "ready");
  if (from !== undefined) return from;
  return withTraffic.reduce<ActualVersion | undefined>(
    (most, one) => (most === undefined || one.weight > most.weight ? one : most),
    undefined,
  );
}

/** The version to go to now: not always the wanted one. */
export function targetOf(
  want: WantedApplication,
  { rejected }: ActualApplication,
  serving: ActualVersion | undefined,
): string {
  const { lastServed, version } = want;
  // A node that was started again goes on from what it had; only then it changes that.
  if (serving === undefined && lastServed !== undefined && !rejected.includes(lastServed)) return lastServed;
  if (serving !== undefined && rejected.includes(version)) return serving.key;
  return version;
}

function towards(
  target: string,
  want: WantedApplication,
  is: ActualApplication,
  serving: ActualVersion | undefined,
  limits: ReconcileLimits,
  nowMs: number,
): Action[] {
  const application = want.name;
  const version = is.versions.find(({ key }) => key === target);
  if (version === undefined) return [{ application, type: "start", version: target }];
  switch (version.phase.kind) {
    case "starting":
    case "ending":
      return [];
    case "failed":
      return afterFailure(version, version.phase, want, is, serving, limits, nowMs);
    case "draining":
      return [{ application, type: "keep", version: target }];
    case "ready":
      return takeIntoUse(version, want, is, serving, nowMs);
  }
}

function afterFailure(
  version: ActualVersion,
  { attempts, retryAtMs, reason }: Extract<VersionPhase, { kind: "failed" }>,
  want: WantedApplication,
  { rejected }: ActualApplication,
  serving: ActualVersion | undefined,
  { maxStarts }: ReconcileLimits,
  nowMs: number,
): Action[] {
  const { name: application, lastServed, hasEarlier } = want;
  const isWanted = version.key === want.version;
  const hasOther = serving !== undefined || hasEarlier || (!isWanted && version.key === lastServed);
  if (attempts >= maxStarts && hasOther && !rejected.includes(version.key))
    return [{ application, type: "reject", version: version.key, reason, backTo: serving?.key }];
  // With nothing else to serve there is nothing to lose by another try.
  return nowMs >= retryAtMs ? [{ application, type: "start", version: version.key }] : [];
}

function takeIntoUse(
  version: ActualVersion,
  want: WantedApplication,
  is: ActualApplication,
  serving: ActualVersion | undefined,
  nowMs: number,
): Action[] {
  const application = want.name;
  const { key } = version;
  if (serving === undefined) {
    if (!version.isHealthy) return [];
    return [{ application, type: "route", weights: { [key]: 1 }, rollout: undefined }];
  }
  if (serving === version) {
    return key === want.version ? adjusted(version, want, nowMs) : [];
  }
  if (is.rollout === undefined) {
    if (!version.isHealthy) return [];
    const { rollout, weight } = beginRollout(serving.key, key, want.traffic, nowMs);
    return [{ application, type: "route", weights: weightsOf(rollout, weight), rollout }];
  }
  const { isHealthy } = version;
  const openRequests = serving.openRequests + version.openRequests;
  const move = nextMove(is.rollout, want.traffic, { ...is.seen, openRequests, isHealthy }, nowMs);
  switch (move.kind) {
    case "stay":
      if (move.rollout.unhealthySinceMs === is.rollout.unhealthySinceMs) return [];
      return [{ application, type: "note-rollout", rollout: move.rollout }];
    case "step":
      return [
        { application, type: "route", weights: weightsOf(move.rollout, move.weight), rollout: move.rollout },
      ];
    case "finish":
      return [{ application, type: "route", weights: { [key]: 1 }, rollout: undefined }];
    case "back":
      return [
        { application, type: "route", weights: { [serving.key]: 1 }, rollout: undefined },
        { application, type: "reject", version: key, reason: move.reason, backTo: serving.key },
      ];
  }
}

/** A version with no share is not in it. */
const weightsOf = ({ from, to }: Rollout, weight: number): Record<string, number> =>
  weight >= 1 ? { [from]: 0, [to]: 1 } : { [from]: 1 - weight, [to]: weight };

function adjusted({ key, options, adjust }: ActualVersion, want: WantedApplication, nowMs: number): Action[] {
  if (options === want.options || adjust.kind === "running") return [];
  if (adjust.kind === "failed" && adjust.options === want.options && nowMs < adjust.retryAtMs) return [];
  return [{ application: want.name, type: "adjust", version: key }];
}

/** One step of the way out of a version that gets no requests. */
function letGo(
  application: string,
  { key: version, phase, openRequests }: ActualVersion,
  { drainMs }: ReconcileLimits,
  nowMs: number,
): Action[] {
  switch (phase.kind) {
    case "starting":
    case "failed":
      return [{ application, type: "end", version }];
    case "ready":
      return [{ application, type: "drain", version, endAtMs: nowMs + drainMs }];
    case "draining": {
      const { endAtMs } = phase;
      const isEarly = openRequests > 0 || nowMs < endAtMs - drainMs + LINGER_MS;
      return isEarly && nowMs < endAtMs ? [] : [{ application, type: "end", version }];
    }
    case "ending":
      return [];
  }
}
