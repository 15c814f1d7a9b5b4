import { setTimeout as sleep } from "node:timers/promises";
import type { ApplicationStatus, NodeStatus } from "../admin/node-status.ts";
import type { Change } from "../policy/preview.ts";
import { askDesired } from "./ask-desired.ts";
import { askStatus } from "./ask-node.ts";
import type { NodeAddress } from "./node-client.ts";

/** How one application came out of a change. */
export interface Outcome {
  readonly application: string;
  readonly state: "served" | "gone" | "failed" | "rolledBack" | "pending";
  /** Why, for people; empty when all is well. */
  readonly reason: string;
}

export interface FollowOptions {
  readonly address: NodeAddress;
  readonly revision: number;
  readonly changes: readonly Change[];
  readonly waitMs: number;
  readonly onProgress: (application: string, text: string) => void;
}

const LOOK_EVERY_MS = 200;

/**
 * Watches a node until all that was changed is served, or gone, or known to have failed; or so long.
 *
 * @throws UnreachableError when the node goes away meanwhile.
 */
export async function followRollout(options: FollowOptions): Promise<readonly Outcome[]> {
  const { address, changes, waitMs } = options;
  const names = [...new Set(changes.map(({ application }) => application))];
  const endAtMs = performance.now() + waitMs;
  const told = new Map<string, string>();
  for (;;) {
    const [status, { answer }] = [await askStatus(address), await askDesired(address)];
    const outcomes = names.map((name): Outcome => {
      const isWanted = answer.applications.some((one) => one.name === name);
      return outcomeOf(name, isWanted, answer.notes[name]?.rollback?.reason, status, options.revision);
    });
    for (const { application, state, reason } of outcomes) {
      const text = progressOf(application, state, reason, status);
      if (told.get(application) === text) continue;
      told.set(application, text);
      options.onProgress(application, text);
    }
    if (outcomes.every(({ state }) => state !== "pending") || performance.now() >= endAtMs) return outcomes;
    await sleep(LOOK_EVERY_MS);
  }
}

function outcomeOf(
  application: string,
  isWanted: boolean,
  rolledBack: string | undefined,
  { revision, applications }: NodeStatus,
  wantedRevision: number,
): Outcome {
  const pending = (reason: string): Outcome => ({ application, state: "pending", reason });
  // What is told is still that of the state before.
  if (revision < wantedRevision) return pending("the node has not seen it yet");
  const is = applications.find(({ name }) => name === application);
  if (!isWanted) return is === undefined ? { application, state: "gone", reason: "" } : pending("it drains");
  if (rolledBack !== undefined) return { application, state: "rolledBack", reason: rolledBack };
  if (is === undefined) return pending("not started yet");
  switch (is.status) {
    case "RUNNING":
      if (is.reason !== "") return { application, state: "failed", reason: is.reason };
      return isAllReady(is) ? { application, state: "served", reason: "" } : pending("replicas are starting");
    case "DEPLOY_FAILED":
      return { application, state: "failed", reason: is.reason };
    default:
      return pending(is.reason);
  }
}

const isAllReady = ({ versions, deployments }: ApplicationStatus): boolean =>
  versions.length === 1 && deployments.every(({ state }) => state === "ready");

function progressOf(
  application: string,
  state: Outcome["state"],
  reason: string,
  { applications }: NodeStatus,
): string {
  const is = applications.find(({ name }) => name === application);
  if (state === "gone") return "gone";
  if (state === "served") return `${is?.version ?? ""} is served`;
  const why = reason === "" ? "" : `: ${reason}`;
  if (state === "rolledBack") return `rolled back${why}`;
  if (state === "failed") return `failed${why}`;
  const { rollout, version = "", status = "waiting" } = is ?? {};
  if (rollout === undefined) return `${status.toLowerCase()}${why}`;
  const share = Math.round(rollout.weight * 100);
  const step = rollout.step > rollout.steps ? "" : `, step ${rollout.step} of ${rollout.steps}`;
  return `${rollout.from || version} → ${rollout.to}: ${share} % of its requests${step}`;
}
