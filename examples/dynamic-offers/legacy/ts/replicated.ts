import cluster from "node:cluster";
import { setTimeout as sleep } from "node:timers/promises";

const RESTART_PAUSE_MS = 500;

/**
 * Runs `serve` in so many processes that share one port. The primary process accepts connections and deals them out in
 * turn (node:cluster's default), so that each process gets the same number of them; it takes no part in a request.
 */
export async function replicated(processes: number, serve: () => Promise<void>): Promise<void> {
  if (!cluster.isPrimary) {
    // Without its primary a copy would go on serving a port that nobody can stop.
    process.once("disconnect", () => process.exit(0));
    process.once("SIGTERM", () => process.exit(0));
    process.once("SIGINT", () => process.exit(0));
    await serve();
    return;
  }
  let stopping = false;
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => {
      stopping = true;
      for (const worker of Object.values(cluster.workers ?? {})) worker?.kill();
    });
  }
  cluster.on("exit", async (_worker, code, signalName) => {
    if (stopping) return;
    console.error(`a process ended with ${signalName ?? `code ${code}`}, starting another`);
    await sleep(RESTART_PAUSE_MS);
    if (!stopping) cluster.fork();
  });
  for (let n = 0; n < processes; n += 1) cluster.fork();
}
