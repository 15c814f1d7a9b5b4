import type { Traffic, TrafficStep } from "./desired-state.ts";

/** One version takes over from another: where that stands. */
export interface Rollout {
  readonly from: string;
  readonly to: string;
  /** Place in the steps of its traffic; as many as there are steps: it gets all. */
  readonly step: number;
  /** When that step began. */
  readonly sinceMs: number;
  /** Since when the new version has not been healthy; undefined while it is. */
  readonly unhealthySinceMs: number | undefined;
}

/** What was seen of one version's requests since the step began. */
export interface Observed {
  readonly requests: number;
  /** Those that ended by an error that was not the client's, also where a fallback was served. */
  readonly failed: number;
  /** Those whose latency is in `p95Ms`: not the first ones of a new version, see `COLD_REQUESTS`. */
  readonly timed: number;
  /** Undefined without any. */
  readonly p95Ms: number | undefined;
}

export const NOTHING_OBSERVED: Observed = Object.freeze({
  requests: 0,
  failed: 0,
  timed: 0,
  p95Ms: undefined,
});

/**
 * The first requests of a new version meet code that V8 has not compiled yet, and take several times as long as those later: they say
 * nothing of how fast it is.
 */
export const COLD_REQUESTS = 20;

export interface RolloutSight {
  readonly from: Observed;
  readonly to: Observed;
  /** Requests that both have now: those that take long have not been seen to end. */
  readonly openRequests: number;
  /** The new version has its minimum of replicas. */
  readonly isHealthy: boolean;
}

export type RolloutMove =
  | { readonly kind: "stay"; readonly rollout: Rollout }
  /** The new version gets this share from now on. */
  | { readonly kind: "step"; readonly rollout: Rollout; readonly weight: number }
  /** It has all, and nothing speaks against it: the version before can go. */
  | { readonly kind: "finish" }
  | { readonly kind: "back"; readonly reason: string };

/**
 * How a version without steps of its own gets all. What comes at first is slowed by code that has yet to be compiled, so it is little,
 * until most of what requests call was called a few times: under 150 requests/s the last step begins after some twenty.
 */
export const RAMP: readonly TrafficStep[] = Object.freeze([
  Object.freeze({ weight: 0.03, durationMs: 1000 }),
  Object.freeze({ weight: 0.1, durationMs: 1000 }),
  Object.freeze({ weight: 0.3, durationMs: 1000 }),
]);
/** Where hardly anybody asks, nobody is spared by that, and whoever has deployed waits: a step of the ramp takes so long. */
const QUIET_STEP_MS = 150;
const QUIET_PER_SECOND = 20;

/** A new version that is not healthy for so long during its steps is given up. */
export const UNHEALTHY_GRACE_MS = 10_000;

export function beginRollout(from: string, to: string, traffic: Traffic, nowMs: number) {
  const rollout: Rollout = { from, to, step: 0, sinceMs: nowMs, unhealthySinceMs: undefined };
  return { rollout, weight: weightOf(traffic, 0) };
}

const stepsOf = ({ steps }: Traffic): readonly TrafficStep[] => (steps.length > 0 ? steps : RAMP);

/** Share of the requests that the new version gets at a step. */
export const weightOf = (traffic: Traffic, step: number): number => stepsOf(traffic)[step]?.weight ?? 1;

/**
 * What is to be done next of a rollout. Pure: time and what was seen are given.
 *
 * - **RO1** It goes back as soon as a gate says no, and never goes forward while the new version is not healthy.
 * - **RO2** A gate concludes nothing from fewer than `minRequests` requests, nor from the latencies of code that is cold; a step
 *   whose time is over goes on without it.
 * - **RO3** Weights only rise.
 */
export function nextMove(rollout: Rollout, traffic: Traffic, seen: RolloutSight, nowMs: number): RolloutMove {
  const refusal = refusalOf(traffic, seen);
  if (refusal !== undefined) return { kind: "back", reason: refusal };
  if (!seen.isHealthy) {
    const unhealthySinceMs = rollout.unhealthySinceMs ?? nowMs;
    if (nowMs - unhealthySinceMs >= UNHEALTHY_GRACE_MS)
      return { kind: "back", reason: `it was not healthy for ${UNHEALTHY_GRACE_MS} ms` };
    return { kind: "stay", rollout: { ...rollout, unhealthySinceMs } };
  }
  const well: Rollout = { ...rollout, unhealthySinceMs: undefined };
  const steps = stepsOf(traffic);
  const step = steps[rollout.step];
  // Steps may have been taken away meanwhile: then it has all that is left to get.
  if (step === undefined) return { kind: "finish" };
  if (!isOver(step, traffic, seen, nowMs - rollout.sinceMs)) return { kind: "stay", rollout: well };
  const next = rollout.step + 1;
  if (next >= steps.length && step.weight >= 1) return { kind: "finish" };
  return {
    kind: "step",
    rollout: { ...well, step: next, sinceMs: nowMs },
    weight: Math.max(step.weight, weightOf(traffic, next)),
  };
}

function isOver(
  { durationMs }: TrafficStep,
  { steps }: Traffic,
  { from, to, openRequests }: RolloutSight,
  elapsedMs: number,
): boolean {
  if (elapsedMs >= durationMs) return true;
  if (steps.length > 0 || elapsedMs < QUIET_STEP_MS) return false;
  return (from.requests + to.requests + openRequests) * 1000 < QUIET_PER_SECOND * elapsedMs;
}

function refusalOf({ steps, gates }: Traffic, { from, to }: RolloutSight): string | undefined {
  // Who has asked for no steps has not asked for anything to be judged.
  if (steps.length === 0) return undefined;
  if (to.requests < gates.minRequests || to.requests === 0) return undefined;
  const failedFraction = to.failed / to.requests;
  if (failedFraction > gates.maxErrorFraction) {
    return `${to.failed} of ${to.requests} requests failed (${percent(failedFraction)}, at most ${percent(gates.maxErrorFraction)} may)`;
  }
  const { p95Ms } = to;
  if (p95Ms === undefined || to.timed < gates.minRequests) return undefined;
  if (gates.maxP95Ms !== undefined && p95Ms > gates.maxP95Ms)
    return `its p95 was ${round(p95Ms)} ms, and may be ${gates.maxP95Ms} ms`;
  if (gates.maxP95Factor === undefined || from.p95Ms === undefined || from.timed < gates.minRequests)
    return undefined;
  const limitMs = from.p95Ms * gates.maxP95Factor;
  if (p95Ms <= limitMs) return undefined;
  return `its p95 was ${round(p95Ms)} ms, and may be ${round(limitMs)} ms: ${gates.maxP95Factor} times that of the version before`;
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
const percent = (fraction: number): string => `${Math.round(fraction * 1000) / 10} %`;
