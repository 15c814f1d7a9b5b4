import { setTimeout as sleep } from "node:timers/promises";
import { NodeEvents } from "./node-events.ts";
import { ROLLOUT_APP } from "./system.ts";

const UPDATE_WITHIN_MS = 20_000;

/**
 * Deploys one version after the other: each when the one before is all there is, and not sooner than its time.
 *
 * @param everyMs from the beginning of one to that of the next, at least.
 * @returns how long each took, from its deployment to the end of the version before.
 * @throws when the admin API does not do what it is asked, or a version is not taken into use.
 */
export async function update(
  adminPort: number,
  options: { readonly first: number; readonly count: number; readonly everyMs: number },
): Promise<number[]> {
  const tookMs: number[] = [];
  const { first, count, everyMs } = options;
  await using events = await NodeEvents.open(adminPort);
  for (let i = first; i < first + count; i += 1) {
    const startedAtMs = performance.now();
    await deploy(adminPort, nameOf(i));
    const { state, reason } = await events.until(nameOf(i), ["ready", ...FAILED], UPDATE_WITHIN_MS);
    if (state !== "ready") throw new Error(`version ${nameOf(i)}: ${state}: ${reason}`);
    await events.until(nameOf(i - 1), ["ended"], UPDATE_WITHIN_MS);
    const took = performance.now() - startedAtMs;
    tookMs.push(took);
    await sleep(Math.max(0, everyMs - took));
  }
  return tookMs;
}

const FAILED = ["start-failed", "given-up"];

/** A node begins with version 0. */
const nameOf = (i: number): string => `u${i}`;

async function deploy(adminPort: number, version: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/api/applications`, {
    method: "PUT",
    headers: { "content-type": "application/json", "if-match": "*" },
    body: JSON.stringify({ applications: [{ name: "offers", module: ROLLOUT_APP, version }] }),
  });
  if (answer.status !== 200)
    throw new Error(`PUT /api/applications: ${answer.status} ${await answer.text()}`);
}
