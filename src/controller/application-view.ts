import type { ApplicationStatusName } from "../policy/application-status.ts";
import type { DesiredApplication } from "../policy/desired-state.ts";
import type { AdjustPhase, VersionPhase } from "../policy/reconcile.ts";
import type { RunningApplication } from "./running-application.ts";
import type { RunningVersion } from "./running-version.ts";
import type { HostedRunner } from "./version-port.ts";
import type { VersionRunner } from "./version-runner.ts";

/** An application as others see it. */
export interface ApplicationView {
  readonly name: string;
  readonly status: ApplicationStatusName;
  /** For people; empty when there is nothing to say. */
  readonly reason: string;
  readonly route: string | undefined;
  readonly deadlineMs: number | undefined;
  /** The label of the version that has the traffic, or most of it. */
  readonly version: string | undefined;
  readonly versions: readonly VersionView[];
  readonly rollout: RolloutView | undefined;
}

export interface VersionView {
  readonly version: string;
  readonly phase: VersionPhase;
  readonly adjust: AdjustPhase;
  readonly weight: number;
  readonly openRequests: number;
  /** Undefined while nothing of it is there. */
  readonly runner: VersionRunner | undefined;
}

export interface RolloutView {
  readonly from: string;
  readonly to: string;
  /** From 1; one more than there are steps when it has all. */
  readonly step: number;
  readonly steps: number;
  readonly weight: number;
  readonly sinceMs: number;
}

interface ViewParts<V extends HostedRunner> {
  readonly name: string;
  readonly status: ApplicationStatusName;
  readonly reason: string;
  readonly desired: DesiredApplication | undefined;
  readonly application: RunningApplication<V> | undefined;
  readonly openRequests: (version: V) => number;
}

export function viewApplication<V extends HostedRunner>(parts: ViewParts<V>): ApplicationView {
  const { name, status, reason, desired, application, openRequests } = parts;
  const versions = application?.versions ?? [];
  const main = [...versions].sort((a, b) => b.weight - a.weight)[0];
  const graph = main?.hosted?.runner.graph;
  return {
    name: graph?.name ?? name,
    status,
    reason,
    route: graph?.route ?? desired?.route,
    deadlineMs: graph?.deadlineMs,
    version: main?.label ?? desired?.version,
    versions: versions.map((version) => viewVersion(version, openRequests)),
    rollout: viewRollout(application, desired),
  };
}

function viewVersion<V extends HostedRunner>(
  { label, phase, adjust, weight, hosted }: RunningVersion<V>,
  openRequests: (version: V) => number,
): VersionView {
  return {
    version: label,
    phase,
    adjust,
    weight,
    openRequests: hosted === undefined ? 0 : openRequests(hosted),
    runner: hosted?.runner,
  };
}

function viewRollout<V extends HostedRunner>(
  application: RunningApplication<V> | undefined,
  desired: DesiredApplication | undefined,
): RolloutView | undefined {
  const rollout = application?.rollout;
  if (application === undefined || rollout === undefined) return undefined;
  const labelOf = (key: string) => application.find(key)?.label ?? "";
  return {
    from: labelOf(rollout.from),
    to: labelOf(rollout.to),
    step: rollout.step + 1,
    steps: desired?.traffic.steps.length ?? 0,
    weight: application.find(rollout.to)?.weight ?? 0,
    sinceMs: rollout.sinceMs,
  };
}
