import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { Command } from "commander";
import type { ApplicationGraph } from "../api/graph.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { withWords } from "./command-words.ts";
import { EXIT } from "./exit-codes.ts";
import { withExitCode } from "./node-flags.ts";

interface BuildFlags {
  readonly output?: string;
  readonly args?: string;
  readonly force?: boolean;
}

const EXAMPLES = `
Examples:
  $ tutti build app.ts                        # writes tutti.yaml
  $ tutti build app.ts --output - | less      # to standard output
  $ tutti build app.ts --args '{"game":"tower"}' --output tower.yaml

Exit codes: 0 written, 1 failed, 2 wrong option, 3 the module could not be loaded, 4 a model could not be found.`;

const DEFAULT_OUTPUT = "tutti.yaml";

export function buildCommand(): Command {
  const command = new Command("build")
    .description(
      "Write a config file with every option of an application, each with its value and its default.",
    )
    .argument(
      "<module>",
      "the module; its default export is application({ ... }), or a function that gives it",
    )
    .option("--output <file>", `where to write it; - is standard output (default: ${DEFAULT_OUTPUT})`)
    .option("--args <json>", "what the module's function is given (default: {})")
    .option("--force", "write over a file that is there (default: off)");
  return withWords(command, EXAMPLES).action(build);
}

async function build(module: string, flags: BuildFlags): Promise<void> {
  await withExitCode(async () => {
    const { output = DEFAULT_OUTPUT, force = false } = flags;
    const args = parseArgs(flags.args ?? "{}");
    if (!existsSync(module))
      throw new TuttiError("ModuleLoadFailed", `${path.resolve(module)} does not exist`);
    const graph = await graphOf(path.resolve(module), args);
    const directory = output === "-" ? process.cwd() : path.dirname(path.resolve(output));
    const relative = path.relative(directory, path.resolve(module));
    const shown = relative.startsWith(".") ? relative : `./${relative}`;
    const { wholeConfig } = await import("../config-file/whole-config.ts");
    const text = wholeConfig({ graph, module: shown, args });
    if (output === "-") process.stdout.write(text);
    else await write(output, text, force);
    return EXIT.ok;
  });
  // What the module has opened, such as a connection, would keep this process otherwise; its output has been written.
  process.stdout.write("", () => process.exit());
}

/** What is needed for this command alone is loaded when it runs. */
async function graphOf(module: string, args: object): Promise<ApplicationGraph> {
  const { readGraph } = await import("../api/graph.ts");
  const { loadApplication } = await import("../executor/load-application.ts");
  return readGraph(await loadApplication(module, args)).graph;
}

async function write(file: string, text: string, force: boolean): Promise<void> {
  try {
    await writeFile(file, text, { flag: force ? "w" : "wx" });
  } catch (thrown) {
    const isThere = thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST";
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new TuttiError(
      "InvalidOptions",
      isThere
        ? `${file} is there already: --force writes over it, --output names another`
        : `--output: ${why}`,
    );
  }
  process.stderr.write(`tutti: wrote ${file}\n`);
}

function parseArgs(text: string): Record<string, unknown> {
  let args: unknown;
  try {
    args = JSON.parse(text);
  } catch {
    args = undefined;
  }
  if (typeof args === "object" && args !== null && !Array.isArray(args)) return { ...args };
  throw new TuttiError(
    "InvalidOptions",
    `--args: expected a JSON object, found ${JSON.stringify(text.slice(0, 80))}`,
  );
}
