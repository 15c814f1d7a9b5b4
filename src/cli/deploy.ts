import { Command } from "commander";
import { describePreview } from "../admin/describe-preview.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { askDesired, putDesired } from "./ask-desired.ts";
import { withWords } from "./command-words.ts";
import { settingsToRestartFor } from "./compare-settings.ts";
import { canAsk, confirm } from "./confirm.ts";
import { EXIT } from "./exit-codes.ts";
import { followRollout, type Outcome } from "./follow-rollout.ts";
import { addNodeFlags, addressOf, type NodeFlags, withExitCode } from "./node-flags.ts";
import { paint } from "./paint.ts";
import { wholeNumber } from "./whole-number.ts";

interface DeployFlags extends NodeFlags {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
  /** False with `--no-wait`. */
  readonly wait: boolean;
  readonly waitMs?: number;
}

const DEFAULT_WAIT_MS = 600_000;

const EXAMPLES = `
Examples:
  $ tutti deploy tutti.yaml                 # shows what will change, asks, does it, and says what became of it
  $ tutti deploy tutti.yaml --dry-run       # shows what would change
  $ tutti deploy tutti.yaml --yes           # for scripts: does not ask
  $ tutti deploy tutti.yaml --yes --json | jq -r '.outcomes[] | "\\(.application) \\(.state)"'

Exit codes: 0 all is served (or nothing was to change), 1 failed, 2 wrong option or file, 7 no node answers, 8 somebody
has changed the applications meanwhile, 9 something was rolled back or could not be started, 10 still on its way.`;

export function deployCommand(): Command {
  const command = new Command("deploy")
    .description(
      "Make a running node run what a config file says: shows what will change, and does just that.",
    )
    .argument("<file>", "the config file, tutti.yaml");
  addNodeFlags(command)
    .option("--dry-run", "only show what would change (default: off)")
    .option("--yes", "do not ask (default: asks, on a terminal)")
    .option("--no-wait", "do not wait for what becomes of it (default: waits)")
    .option(
      "--wait-ms <n>",
      `how long to wait for what becomes of it (default: ${DEFAULT_WAIT_MS})`,
      wholeNumber,
    )
    .option("--json", "what has changed and what became of it, as JSON (default: off)");
  return withWords(command, EXAMPLES).action(deploy);
}

function deploy(file: string, flags: DeployFlags): Promise<void> {
  return withExitCode(async () => {
    const address = addressOf(flags);
    // It brings the reader of YAML and the schema along, which other commands need not load.
    const { readConfigFile } = await import("../config-file/config-file.ts");
    const { applications, settings } = await readConfigFile(file);
    if (applications === undefined) {
      throw new TuttiError("InvalidOptions", `${file}: expected applications, found nothing of them`);
    }
    const { answer: there, etag } = await askDesired(address);
    const restartFor = settingsToRestartFor(settings, there.settings);
    // The node itself says what would change: it alone knows what it takes.
    const { changes } = await putDesired(address, applications, { etag, isDryRun: true });
    const isText = flags.json !== true;
    if (isText) process.stdout.write(describePreview(changes, paint));
    for (const text of restartFor) say(`not changed, it takes a restart of the node: ${text}`);
    const tellJson = (revision: number, isApplied: boolean, outcomes: readonly Outcome[]) => {
      const told = { revision, isApplied, changes, restartFor, outcomes };
      if (!isText) process.stdout.write(`${JSON.stringify(told, undefined, 2)}\n`);
    };
    if (changes.length === 0 || flags.dryRun === true) {
      tellJson(there.revision, false, []);
      return EXIT.ok;
    }
    if (flags.yes !== true && !(await isMeant())) {
      say("nothing was changed");
      return EXIT.failed;
    }
    // Just that, and upon just that state: if it is another one by now, the node refuses.
    const { revision } = await putDesired(address, applications, { etag, isDryRun: false });
    if (!flags.wait) {
      say(`revision ${revision} is stored; tutti status tells what becomes of it`);
      tellJson(revision, true, []);
      return EXIT.ok;
    }
    const { waitMs = DEFAULT_WAIT_MS } = flags;
    const onProgress = (application: string, text: string) => say(`${application}: ${text}`);
    const outcomes = await followRollout({ address, revision, changes, waitMs, onProgress });
    tellJson(revision, true, outcomes);
    return exitCodeOf(outcomes);
  });
}

/** @throws TuttiError `InvalidOptions` where nobody can be asked. */
async function isMeant(): Promise<boolean> {
  if (canAsk()) return confirm("Do this?");
  const message = "nobody can be asked, since this is no terminal: --yes does it, --dry-run only shows it";
  throw new TuttiError("InvalidOptions", message);
}

function exitCodeOf(outcomes: readonly Outcome[]): number {
  const states = outcomes.map(({ state }) => state);
  if (states.includes("failed") || states.includes("rolledBack")) return EXIT.notServed;
  return states.includes("pending") ? EXIT.pending : EXIT.ok;
}

/** What is not the result is on standard error, so that the result can be piped. In one line, whatever a reason holds. */
function say(text: string): void {
  process.stderr.write(`tutti: ${text.replaceAll(/[\p{Cc}\s]+/gu, " ")}\n`);
}
