import { setTimeout as sleep } from "node:timers/promises";
import { ROLLOUT_APP } from "./system.ts";

const POLL_MS = 20;
const UPDATE_WITHIN_MS = 20_000;

interface Seen {
  readonly applications: readonly {
    readonly status: string;
    readonly version: string;
    readonly versions: readonly unknown[];
  }[];
}

/**
 * Deploys one version after the other: each when the one before is all there is, and not sooner than its time.
 *
 * @param everyMs from the beginning of one to that of the next, at least.
 * @returns how long each took, from its deployment to the end of the version before.
 * @throws when the admin API does not do what it is asked.
 */
export async function update(
  adminPort: number,
  options: { readonly first: number; readonly count: number; readonly everyMs: number },
): Promise<number[]> {
  const tookMs: number[] = [];
  const { first, count, everyMs } = options;
  for (let i = first; i < first + count; i += 1) {
    const startedAtMs = performance.now();
    await deploy(adminPort, `u${i}`);
    await untilServed(adminPort, `u${i}`);
    const took = performance.now() - startedAtMs;
    tookMs.push(took);
    await sleep(Math.max(0, everyMs - took));
  }
  return tookMs;
}

async function deploy(adminPort: number, version: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/api/applications`, {
    method: "PUT",
    headers: { "content-type": "application/json", "if-match": "*" },
    body: JSON.stringify({ applications: [{ name: "offers", module: ROLLOUT_APP, version }] }),
  });
  if (answer.status !== 200)
    throw new Error(`PUT /api/applications: ${answer.status} ${await answer.text()}`);
}

async function untilServed(adminPort: number, version: string): Promise<void> {
  const deadlineMs = performance.now() + UPDATE_WITHIN_MS;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/api/status?format=json`);
    const { applications } = (await answer.json()) as Seen;
    const [offers] = applications;
    if (offers?.status === "RUNNING" && offers.version === version && offers.versions.length === 1) return;
    if (performance.now() > deadlineMs) {
      throw new Error(`version ${version} was not all there is within ${UPDATE_WITHIN_MS} ms`);
    }
    await sleep(POLL_MS);
  }
}
