import { existsSync } from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { NODE_BOUNDS } from "../config/node-options.ts";
import { environmentSettings } from "../config-file/environment-settings.ts";
import { layerSettings, type NodeSettings } from "../config-file/node-settings.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { RunningNode } from "../runtime/node.ts";
import { urlOf } from "../runtime/url-of.ts";
import { withWords } from "./command-words.ts";
import { withExitCode } from "./node-flags.ts";
import { say } from "./say.ts";
import { adminOptionsOf, flagSettings, logLevelOf, type SetupFlags, withSetupFlags } from "./setup-flags.ts";
import { tellParent } from "./tell-parent.ts";
import { Watching } from "./watching.ts";

const EXAMPLES = `
Examples:
  $ tutti run app.ts
  $ tutti run app.ts --port 9000 --lanes 4
  $ tutti run app.ts --watch              # what changes is served within a second
  $ tutti status                          # what runs, and what is wrong with it
  $ curl localhost:8002/api/requests      # what was slow, and why

Exit codes: 0 stopped in order, 1 failed, 2 wrong option, 3 the module could not be loaded, 4 a model could not be
loaded, 5 the port is in use.`;

export function runCommand(): Command {
  const command = new Command("run")
    .description("Run the application that a TypeScript or JavaScript module exports, until stopped.")
    .argument("<module>", "the module; its default export is application({ ... })")
    .option("--watch", "serve what changes in the module, what it imports or its models (default: off)");
  return withWords(withSetupFlags(command), EXAMPLES).action(run);
}

interface RunFlags extends SetupFlags {
  readonly watch?: boolean;
}

const run = (module: string, flags: RunFlags): Promise<void> =>
  withExitCode(() => runModule(path.resolve(module), flags));

async function runModule(module: string, flags: RunFlags): Promise<undefined> {
  const given = layerSettings(flagSettings(flags), environmentSettings());
  const settings = flags.watch === true ? withSpareForEach(given) : given;
  const watching = flags.watch === true ? new Watching() : undefined;
  // A node's code is for those commands that are one, and not loaded by others.
  const { holdNode } = await import("./hold-node.ts");
  await holdNode({
    settings,
    admin: adminOptionsOf(flags, settings),
    logLevel: logLevelOf(flags, settings),
    source: () => {
      if (!existsSync(module)) throw new TuttiError("ModuleLoadFailed", `${module} does not exist`);
      say(`starting ${path.relative(process.cwd(), module)} …`);
      return { kind: "module", path: module };
    },
    onReady: (node, tookMs) => {
      sayReady(node, tookMs);
      tellParent(node);
      void watching?.begin(node);
    },
    onVersionEvent: (event) => watching?.onEvent(event),
  });
}

/** With one for each code executor no change waits for a process to start. */
function withSpareForEach(settings: NodeSettings): NodeSettings {
  const spares = settings.node.codeExecutors ?? NODE_BOUNDS.codeExecutors.default;
  return { ...settings, node: { spares, ...settings.node } };
}

function sayReady({ applications, address, admin }: RunningNode, tookMs: number): void {
  if (admin !== undefined) say(`admin API at ${urlOf(admin)}/api/status`);
  for (const { name, version, route = "", versions } of applications()) {
    const deployments = versions.find(({ weight }) => weight > 0)?.runner?.deployments() ?? [];
    const models = deployments.filter(({ kind }) => kind === "model").length;
    const classes = deployments.length - models;
    say(
      `${name} ${version} is ready: ${count(classes, "class", "classes")} and ${count(models, "model", "models")}, ` +
        `after ${(tookMs / 1000).toFixed(1)} s, at ${urlOf(address)}${route}`,
    );
  }
}

const count = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;
