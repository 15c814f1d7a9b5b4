import { Command } from "commander";
import type { DesiredAnswer } from "../admin/applications-desk.ts";
import { askDesired } from "./ask-desired.ts";
import { withWords } from "./command-words.ts";
import { EXIT } from "./exit-codes.ts";
import { addNodeFlags, addressOf, type NodeFlags, withExitCode } from "./node-flags.ts";

interface ConfigFlags extends NodeFlags {
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  $ tutti config                               # what the node is to run, as a config file
  $ tutti config > tutti.yaml                  # to be changed, then deployed
  $ tutti config --json | jq -r '.applications[] | "\\(.name) \\(.version)"'
  $ tutti config --json | jq '.notes.offers'   # earlier versions, and why it was rolled back

Exit codes: 0 told, 1 failed, 2 wrong option, 7 no node answers.`;

export function configCommand(): Command {
  const command = new Command("config").description(
    "Show what a node is to run: its desired state, in the form of a config file.",
  );
  addNodeFlags(command).option(
    "--json",
    "the desired state as JSON, as the admin API gives it (default: off)",
  );
  return withWords(command, EXAMPLES).action(config);
}

function config(flags: ConfigFlags): Promise<void> {
  return withExitCode(async () => {
    const address = addressOf(flags);
    const { answer } = await askDesired(address);
    process.stdout.write(
      flags.json === true ? `${JSON.stringify(answer, undefined, 2)}\n` : await toText(answer, address.url),
    );
    return EXIT.ok;
  });
}

async function toText({ revision, applications, notes }: DesiredAnswer, url: URL): Promise<string> {
  const { configText } = await import("../config-file/config-text.ts");
  const head = [`revision ${revision} of ${url.origin}`];
  for (const [name, { rollback }] of Object.entries(notes)) {
    // In one line: a comment ends with it, and what is in the next would be taken for the file's.
    if (rollback !== undefined)
      head.push(`${name} is rolled back: ${rollback.reason.replaceAll(/\s+/g, " ")}`);
  }
  return configText({ applications }, head);
}
