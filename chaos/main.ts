/** `npm run chaos`: plants faults in a real system under load, and says what became of the answers. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import { runCampaign } from "./campaign.ts";
import { FAULTS } from "./plan.ts";
import { isMet, toMarkdown, writeDocument } from "./report.ts";
import { campaignSchema } from "./schema.ts";

const RESULTS = path.join(import.meta.dirname, "results");
const DEFAULT_RATE = 200;
const QUICK_RATE = 100;

interface Options {
  readonly list: boolean;
  readonly schema: boolean;
  readonly quick: boolean;
  readonly json: boolean;
  readonly save: boolean;
  readonly docs?: string;
  readonly seed: number;
  readonly rate?: number;
  readonly only?: readonly string[];
}

// Without these a signal would end the process before its exit handlers, which end the systems under test.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => process.exit(130));

const program = new Command("chaos")
  .description(
    "The fault campaign, as docs/reliability.md explains it. Exit code 1 when a demand is not met.",
  )
  .option("--list", "list the faults", false)
  .option("--schema", "print the JSON schema of the results", false)
  .option("--quick", "each fault for a few seconds (about a minute in all)", false)
  .option("--json", "print the results as JSON; progress goes to stderr", false)
  .option("--save", "also write the results into chaos/results", false)
  .option("--docs <results>", "run nothing: write the table of a results file into docs/reliability.md")
  .option("--seed <n>", "of the plan, the load and the random faults", wholeNumber, 1)
  .option("--rate <n>", "requests a second (default: 200; quick: 100)", wholeNumber)
  .option("--only <names>", "some of the faults, with commas between", faultNames)
  .addHelpText("after", "\nExample: npm run chaos -- --quick --only lane-blocked,lane-stopped")
  .parse();

await main(program.opts<Options>());

async function main(options: Options): Promise<void> {
  if (options.schema) return print(JSON.stringify(z.toJSONSchema(campaignSchema), undefined, 2));
  if (options.list) return print(FAULTS.map(({ name, about }) => `${name.padEnd(24)} ${about}`).join("\n"));
  if (options.docs !== undefined) {
    const file = path.resolve(options.docs);
    const saved = campaignSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    return print(`wrote ${writeDocument(saved, file)}`);
  }
  const say = (line: string): void => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
  const { quick, seed, only, rate } = options;
  const ratePerSecond = rate ?? (quick ? QUICK_RATE : DEFAULT_RATE);
  const result = campaignSchema.parse(await runCampaign({ quick, seed, only, ratePerSecond, say }));
  if (options.save) {
    mkdirSync(RESULTS, { recursive: true });
    const stamp = result.startedAt.replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
    const file = path.join(RESULTS, `campaign-${quick ? "quick-" : ""}${stamp}.json`);
    writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
    say(`wrote ${file}`);
  }
  print(options.json ? JSON.stringify(result) : toMarkdown(result));
  if (!isMet(result)) process.exitCode = 1;
}

function print(text: string): void {
  console.log(text);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("expected a whole number >= 1");
  return value;
}

function faultNames(text: string): string[] {
  return text.split(",").map((name) => {
    if (FAULTS.some((fault) => fault.name === name)) return name;
    throw new InvalidArgumentError(`expected some of ${FAULTS.map((fault) => fault.name).join(", ")}`);
  });
}
