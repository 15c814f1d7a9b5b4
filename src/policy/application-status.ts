import { type ActualApplication, servingOf, type WantedApplication } from "./reconcile.ts";

export const APPLICATION_STATUSES = [
  "NOT_STARTED",
  "DEPLOYING",
  "RUNNING",
  "UNHEALTHY",
  "DEPLOY_FAILED",
  "DELETING",
] as const;

/**
 * `NOT_STARTED`: nothing was done for it yet. `DEPLOYING`: a version is on its way, another may be serving meanwhile.
 * `RUNNING`: what is wanted is served. `UNHEALTHY`: it is served with fewer replicas than its minimum. `DEPLOY_FAILED`: what is wanted
 * could not be started and nothing else is served; it is tried again. `DELETING`: it is not wanted any more.
 */
export type ApplicationStatusName = (typeof APPLICATION_STATUSES)[number];

export interface StatusOfApplication {
  readonly status: ApplicationStatusName;
  /** For people; empty when there is nothing to say. */
  readonly reason: string;
}

/** @param maxStarts after so many failures a version counts as failed. */
export function applicationStatus(
  want: WantedApplication | undefined,
  is: ActualApplication | undefined,
  maxStarts: number,
): StatusOfApplication {
  if (want === undefined) return { status: "DELETING", reason: "it is not wanted any more" };
  if (is === undefined || is.versions.length === 0) return { status: "NOT_STARTED", reason: "" };
  const serving = servingOf(is);
  const next = is.versions.find(({ key }) => key === want.version);
  const failure = next?.phase.kind === "failed" ? next.phase : undefined;
  if (serving === undefined) {
    if (failure === undefined) return { status: "DEPLOYING", reason: "" };
    const isGivenUp = failure.attempts >= maxStarts;
    return { status: isGivenUp ? "DEPLOY_FAILED" : "DEPLOYING", reason: failure.reason };
  }
  if (!serving.isHealthy) return { status: "UNHEALTHY", reason: "it has fewer replicas than its minimum" };
  if (is.rejected.includes(want.version))
    return { status: "RUNNING", reason: "the version that is wanted was given up" };
  if (serving.key !== want.version || is.rollout !== undefined)
    return { status: "DEPLOYING", reason: failure?.reason ?? "another version is to take over" };
  const { adjust } = serving;
  if (adjust.kind === "failed")
    return { status: "RUNNING", reason: `its options could not be changed: ${adjust.reason}` };
  if (serving.options !== want.options)
    return { status: "DEPLOYING", reason: "its options are being changed" };
  return { status: "RUNNING", reason: "" };
}
