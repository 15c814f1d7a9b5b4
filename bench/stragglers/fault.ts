import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

/**
 * What a model lane can be made to do. `slow-lane`: each run takes so many times as long, and holds the lane for it.
 * `late-replica`: what one of its replicas answers leaves later by so long, and the lane is free meanwhile.
 */
export type Fault =
  | { readonly kind: "slow-lane"; readonly times: number }
  | { readonly kind: "late-replica"; readonly byMs: number };

/** Named to the processes of the system: where each finds its fault, by its process id, when it gets the signal. */
export const FOLDER_VARIABLE = "TUTTI_BENCH_FAULTS";
export const FAULT_SIGNAL = "SIGUSR2";

export const faultFile = (folder: string, pid: number): string => `${folder}/${pid}.json`;
/** Written by the process when the fault holds. */
export const heldFile = (folder: string, pid: number): string => `${folder}/${pid}.held`;

const HELD_WITHIN_MS = 2_000;
const PRELOADED = pathToFileURL(`${import.meta.dirname}/faulty-process.ts`).href;

/** The environment of a system whose processes can be made faulty. */
export function faultyEnvironment(folder: string): Record<string, string> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return { NODE_OPTIONS: `--import=${PRELOADED}`, [FOLDER_VARIABLE]: folder };
}

/** Resolves when the process says that the fault holds. */
export async function plant(fault: Fault, folder: string, pid: number): Promise<void> {
  writeFileSync(faultFile(folder, pid), JSON.stringify(fault));
  process.kill(pid, FAULT_SIGNAL);
  const deadline = performance.now() + HELD_WITHIN_MS;
  while (!existsSync(heldFile(folder, pid))) {
    if (performance.now() > deadline)
      throw new Error(`process ${pid}: no sign of its fault within ${HELD_WITHIN_MS} ms`);
    await sleep(2);
  }
}
