/**
 * Preloaded into the processes of the system under test (`node --import`). Does nothing, and loads nothing, until its
 * process is told by a signal which fault it has from then on.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { FAULT_SIGNAL, type Fault, FOLDER_VARIABLE, faultFile, heldFile } from "./fault.ts";

const folder = process.env[FOLDER_VARIABLE];
if (isMainThread && folder !== undefined) process.once(FAULT_SIGNAL, () => void beginFault(folder));

async function beginFault(folder: string): Promise<void> {
  const fault: Fault = JSON.parse(readFileSync(faultFile(folder, process.pid), "utf8"));
  if (fault.kind === "slow-lane") {
    const { slowRuns } = await import("./slow-runs.ts");
    await slowRuns(fault.times);
  } else {
    const { lateReplica } = await import("./late-replica.ts");
    lateReplica(fault.byMs);
  }
  writeFileSync(heldFile(folder, process.pid), "");
}
