import path from "node:path";
import { Command } from "commander";
import type { ConfigFile } from "../config-file/config-file.ts";
import { environmentSettings } from "../config-file/environment-settings.ts";
import { layerSettings, type NodeSettings } from "../config-file/node-settings.ts";
import { FileServedRecord } from "../controller/file-served-record.ts";
import { FileStateStore } from "../controller/file-state-store.ts";
import { adoptDefinitions } from "../policy/adopt-definitions.ts";
import type { ApplicationDefinition } from "../policy/desired-state.ts";
import { preview } from "../policy/preview.ts";
import type { RunningNode } from "../runtime/node.ts";
import type { NodeSource } from "../runtime/node-source.ts";
import { urlOf } from "../runtime/url-of.ts";
import { withWords } from "./command-words.ts";
import { withExitCode } from "./node-flags.ts";
import { say } from "./say.ts";
import { adminOptionsOf, flagSettings, logLevelOf, type SetupFlags, withSetupFlags } from "./setup-flags.ts";

interface StartFlags extends SetupFlags {
  readonly config?: string;
  readonly stateDir?: string;
  readonly modulesDir?: string;
}

const DEFAULT_STATE_DIR = ".tutti";

const EXAMPLES = `
Examples:
  $ tutti start                                   # what was deployed before, from ./.tutti
  $ tutti start --config tutti.yaml --state-dir /var/lib/tutti
  $ tutti deploy tutti.yaml                       # changes what it runs, while it runs
  $ tutti status

Exit codes: 0 stopped in order, 1 failed, 2 wrong option or config file, 5 the port is in use.`;

export function startCommand(): Command {
  const command = new Command("start")
    .description("Start a node that runs what was deployed to it, also after it was ended in any way.")
    .option(
      "--config <file>",
      "tutti.yaml: how the node is set up, and what it runs at first (default: none)",
    )
    .option("--state-dir <dir>", `where it keeps what it is to run (default: ${DEFAULT_STATE_DIR})`)
    .option(
      "--modules-dir <dir>",
      "modules that are deployed over the admin API lie beneath it (default: the config file's directory, else the current one)",
    );
  return withWords(withSetupFlags(command), EXAMPLES).action(start);
}

const NOTHING: NodeSettings = { http: {}, admin: {}, node: {} };

const start = (flags: StartFlags): Promise<void> => withExitCode(() => startStored(flags));

async function startStored(flags: StartFlags): Promise<undefined> {
  // The file is read before anything else is decided: it may say all of it.
  const config = flags.config === undefined ? undefined : await readConfig(flags.config);
  const settings = layerSettings(flagSettings(flags), environmentSettings(), config?.settings ?? NOTHING);
  const { holdNode, versionTeller } = await import("./hold-node.ts");
  await holdNode({
    settings,
    admin: adminOptionsOf(flags, settings),
    logLevel: logLevelOf(flags, settings),
    source: () => openState(flags, settings, config),
    onReady: sayStarted,
    onVersionEvent: versionTeller(),
  });
}

/** Loaded where it is needed, as the node's code is: it brings the reader of YAML and the schema along. */
async function readConfig(file: string): Promise<ConfigFile> {
  const { readConfigFile } = await import("../config-file/config-file.ts");
  return readConfigFile(file);
}

async function openState(
  flags: StartFlags,
  settings: NodeSettings,
  config: ConfigFile | undefined,
): Promise<NodeSource> {
  const directory = path.resolve(flags.stateDir ?? settings.stateDir ?? DEFAULT_STATE_DIR);
  const store = await FileStateStore.open(directory);
  try {
    await beginWith(store, config?.applications, directory);
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
  const byDefault = config === undefined ? "." : path.dirname(config.path);
  const modulesDirectory = path.resolve(flags.modulesDir ?? settings.modulesDir ?? byDefault);
  return { kind: "state", store, served: new FileServedRecord(directory), modulesDirectory };
}

/** What the file says of applications is for a node that has none stored; later it is deployed. */
async function beginWith(
  store: FileStateStore,
  wanted: readonly ApplicationDefinition[] | undefined,
  directory: string,
): Promise<void> {
  const there = await store.read();
  if (wanted === undefined) return;
  if (there.revision === 0) {
    await store.compareAndSet(0, adoptDefinitions([], wanted));
    return;
  }
  const changes = preview(there.applications, wanted);
  if (changes.length > 0) {
    say(
      `the config file's applications are not those stored in ${directory}, which are what runs: tutti deploy makes them so`,
    );
  }
}

function sayStarted({ address, admin, applications }: RunningNode, tookMs: number): void {
  if (admin !== undefined) say(`admin API at ${urlOf(admin)}/api/status`);
  const names = applications().map(({ name }) => name);
  say(
    `the node is ready: ${names.length === 0 ? "nothing is deployed yet" : `to run ${names.join(", ")}`}, ` +
      `after ${(tookMs / 1000).toFixed(1)} s, at ${urlOf(address)}`,
  );
}
