/**
 * Preloaded into the processes of the system under test (`node --import`). Until its process is told by a signal which
 * fault it has from then on, it does one thing: executors load this package's modules, which a fault can reach into, and
 * not the bundle that is made of them.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { isMainThread } from "node:worker_threads";
import { FAULT_SIGNAL, type Fault, FOLDER_VARIABLE, faultFile, heldFile } from "./fault.ts";

/** What `scripts/bundle.mjs` makes, and of which module; relative to it. */
const BUNDLED = /\/dist\/bundle\/(entry|index|testing)\.js$/;
const MODULES: Readonly<Record<string, string>> = {
  entry: "../executor/entry.js",
  index: "../index.js",
  testing: "../testing/index.js",
};

const folder = process.env[FOLDER_VARIABLE];
if (isMainThread && folder !== undefined) {
  loadModulesOneByOne();
  process.once(FAULT_SIGNAL, () => void beginFault(folder));
}

function loadModulesOneByOne(): void {
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context);
      const name = BUNDLED.exec(resolved.url)?.[1];
      if (name === undefined) return resolved;
      return { ...resolved, url: new URL(MODULES[name]!, resolved.url).href };
    },
  });
}

async function beginFault(folder: string): Promise<void> {
  const fault: Fault = JSON.parse(readFileSync(faultFile(folder, process.pid), "utf8"));
  if (fault.kind === "slow-lane") {
    const { slowRuns } = await import("./slow-runs.ts");
    await slowRuns(fault.times);
  } else {
    const { lateReplica } = await import("./late-replica.ts");
    await lateReplica(fault.byMs);
  }
  writeFileSync(heldFile(folder, process.pid), "");
}
