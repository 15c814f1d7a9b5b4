import { formatMs } from "../observe/format-ms.ts";
import { type Cell, oneLine, type Paint, table } from "./describe-table.ts";
import type { ApplicationStatus, DeploymentStatus, ReplicaStatus, VersionStatus } from "./node-status.ts";

const STATUS_TONES = {
  NOT_STARTED: "changing",
  DEPLOYING: "changing",
  RUNNING: "good",
  UNHEALTHY: "bad",
  DEPLOY_FAILED: "bad",
  DELETING: "changing",
} as const;
const VERSION_TONES = {
  starting: "changing",
  failed: "bad",
  ready: "changing",
  serving: "good",
  draining: "changing",
  ending: "changing",
} as const;
const DEPLOYMENT_TONES = { ready: "good", short: "changing", down: "bad" } as const;

/** One application: where it stands, its versions when there is more to say than that one serves, and its deployments. */
export function describeApplication(application: ApplicationStatus, paint: Paint): string[] {
  const { name, version, route, status, reason, versions, deployments, rollout } = application;
  const why = reason === "" ? "" : `: ${oneLine(reason)}`;
  const lines = [
    `${paint("heading", `${name} ${version}`)} at ${route === "" ? "/" : route}, ${paint(STATUS_TONES[status], status)}${why}`,
  ];
  if (rollout !== undefined) {
    const { from, to, step, steps, weight, stepAgeMs } = rollout;
    const where = step > steps ? "all" : `step ${step} of ${steps}`;
    lines.push(
      `  ${paint("changing", `rollout from ${from} to ${to}`)}: ${percent(weight)}, ${where}, for ${formatMs(stepAgeMs)}`,
    );
  }
  const [only, ...others] = versions;
  if (others.length > 0 || (only !== undefined && only.state !== "serving"))
    lines.push(...table(versions.map(versionCells), paint));
  return [...lines, ...table(deployments.map(deploymentCells), paint)];
}

function versionCells(one: VersionStatus): Cell[] {
  const { version, state, weight, openRequests, error, attempts, retryInMs } = one;
  const cells: Cell[] = [
    { text: `version ${version}` },
    { text: state, tone: VERSION_TONES[state] },
    { text: percent(weight) },
    { text: openRequests === 0 ? "" : `${openRequests} open requests` },
  ];
  if (error === undefined) return cells;
  const tries = attempts === undefined ? "" : `after ${attempts} ${attempts === 1 ? "try" : "tries"}: `;
  const next = retryInMs === undefined ? "" : `; next try in ${formatMs(retryInMs)}`;
  return [...cells, { text: `${tries}${oneLine(error)}${next}` }];
}

function deploymentCells({ name, kind, state, ready, wanted, replicas }: DeploymentStatus): Cell[] {
  return [
    { text: name },
    { text: kind },
    { text: state, tone: DEPLOYMENT_TONES[state] },
    { text: `${ready} of ${wanted} ready` },
    { text: replicas.map(replicaText).join(", ") },
  ];
}

/** Why it waits is told once, with its place. */
const replicaText = ({ executor, state }: ReplicaStatus): string =>
  state === "ready" ? executor : `${executor} (${state})`;

const percent = (fraction: number): string => `${Math.round(fraction * 1000) / 10} %`;
