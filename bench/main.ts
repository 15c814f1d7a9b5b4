/** `npm run bench -- <suite>`: runs a suite, stores its results and prints what was reached. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import { CellStore, type RunHeader } from "./measure/cells.ts";
import { gitState, machine, versions } from "./measure/machine.ts";
import { type Family, MODEL_DIRECTORY, RESULTS } from "./reference/paths.ts";
import { markdown } from "./report/markdown.ts";
import { writeReport } from "./report.ts";
import { type BenchResult, resultSchema } from "./schema.ts";
import { type Choice, SUITES, type Suite } from "./suites/suites.ts";
import { isSystemName, SYSTEMS } from "./systems/registry.ts";
import type { SystemName } from "./systems/system.ts";
import { BASELINE_VARIABLE } from "./systems/typescript.ts";

interface Options {
  readonly list: boolean;
  readonly schema: boolean;
  readonly quick: boolean;
  readonly standard: boolean;
  readonly baseline?: string;
  readonly json: boolean;
  readonly docs: boolean;
  readonly resume?: string | true;
  readonly rounds?: number;
  readonly systems: readonly SystemName[];
  readonly families: readonly Family[];
  readonly port: number;
}

// Inherited by everything that is measured, the floor included.
process.env["ORT_DISABLE_TELEMETRY"] = "1";

// Without these a signal would end the process before its exit handlers, which end the systems under test.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => process.exit(130));

const program: Command = new Command("bench")
  .description("Benchmarks, as docs/benchmarks.md explains them.")
  .argument("[suite]", SUITES.map(({ name }) => name).join(" or "))
  .option("--list", "list the suites and systems", false)
  .option("--schema", "print the JSON schema of a results file", false)
  .option("--quick", "short windows and few rounds, for orientation (under 8 minutes)", false)
  .option("--standard", "published figures: warm systems, fine search, 5 rounds (about an hour)", false)
  .option("--baseline <checkout>", "a built checkout of another commit, as the system tutti-baseline")
  .option("--json", "print the results as JSON; progress goes to stderr", false)
  .option("--docs", "also write the tables into docs/benchmarks.md", false)
  .option("--resume [run]", "go on with a run that was broken off (the newest, or the one named)")
  .option("--rounds <n>", "rounds of every case", wholeNumber)
  .option(
    "--systems <names>",
    "systems to compare, with commas between",
    systemNames,
    SYSTEMS.map(({ name }) => name).filter((name) => name !== "tutti-baseline"),
  )
  .option("--families <names>", "model families, with commas between", familyNames, ["trees", "dense"])
  .option("--port <n>", "loopback port that the systems listen on", wholeNumber, 18_080)
  .addHelpText("after", "\nExample: npm run bench -- offers --quick --systems legacy-ts,tutti");

program.parse();
await main(program.args[0], program.opts<Options>());

async function main(suiteName: string | undefined, options: Options): Promise<void> {
  if (options.schema) {
    console.log(JSON.stringify(z.toJSONSchema(resultSchema), undefined, 2));
    return;
  }
  if (options.list || suiteName === undefined) return list(options.json);
  const suite = SUITES.find(({ name }) => name === suiteName);
  if (suite === undefined) {
    program.error(`suite: expected ${SUITES.map(({ name }) => name).join(" or ")}, found "${suiteName}"`, {
      exitCode: 2,
    });
  }
  const say = (line: string): void => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
  const { result, file } = await measure(suite, options, say);
  for (const path of writeReport(file, { docs: options.docs })) say(`wrote ${path}`);
  console.log(options.json ? JSON.stringify(result) : markdown(result, []));
  const wrong =
    result.systems.reduce((sum, { counts }) => sum + counts.wrong, 0) +
    [...result.overload, ...result.stragglers, ...result.rollout, ...result.watch].reduce(
      (sum, one) => sum + one.wrong,
      0,
    );
  if (wrong > 0) {
    console.error(`${wrong} wrong answers: the figures above are void`);
    process.exitCode = 1;
  }
}

async function measure(
  suite: Suite,
  options: Options,
  say: (line: string) => void,
): Promise<{ result: BenchResult; file: string }> {
  if (options.baseline !== undefined) process.env[BASELINE_VARIABLE] = path.resolve(options.baseline);
  const choice: Choice = {
    effort: options.quick ? "quick" : options.standard ? "standard" : "full",
    quick: options.quick,
    rounds: options.rounds,
    systems: options.systems,
    families: options.families,
    port: options.port,
  };
  const parameters = suite.parameters(choice);
  const { quick, resume } = options;
  const startedAt = new Date().toISOString();
  const cells = openCells({ suite: suite.name, quick, startedAt, parameters }, resume);
  say(`run ${cells.runId}; if it is broken off: --resume ${cells.runId}`);
  const measured = await suite.run(choice, cells, say);
  const result: BenchResult = {
    schemaVersion: 1,
    suite: suite.name,
    quick,
    runId: cells.runId,
    startedAt: cells.header.startedAt,
    finishedAt: new Date().toISOString(),
    machine: machine(),
    versions: await versions(),
    git: await gitState(),
    parameters,
    ...measured,
  };
  mkdirSync(RESULTS, { recursive: true });
  const file = `${RESULTS}${cells.runId}.json`;
  writeFileSync(file, `${JSON.stringify(resultSchema.parse(result), undefined, 1)}\n`);
  say(`wrote ${file}`);
  return { result, file };
}

function openCells(header: RunHeader, resume: string | true | undefined): CellStore {
  if (resume === undefined) return CellStore.create(header);
  try {
    return CellStore.resume(resume === true ? "latest" : resume, header);
  } catch (error) {
    return program.error(error instanceof Error ? error.message : String(error), { exitCode: 2 });
  }
}

function list(json: boolean): void {
  const suites = SUITES.map(({ name, about }) => ({ name, about }));
  const systems = SYSTEMS.map(({ name, configuration }) => ({ name, configuration }));
  if (json) {
    console.log(JSON.stringify({ suites, systems }));
    return;
  }
  console.log("Suites:");
  for (const { name, about } of suites) console.log(`  ${name.padEnd(20)} ${about}`);
  console.log("Systems:");
  for (const { name, configuration } of systems) console.log(`  ${name.padEnd(20)} ${configuration}`);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("expected a whole number >= 1");
  return value;
}

function systemNames(text: string): SystemName[] {
  return text.split(",").map((name) => {
    if (isSystemName(name)) return name;
    throw new InvalidArgumentError(`expected some of ${SYSTEMS.map((system) => system.name).join(", ")}`);
  });
}

function familyNames(text: string): Family[] {
  return text.split(",").map((name) => {
    if (name === "trees" || name === "dense") return name;
    throw new InvalidArgumentError(`expected some of ${Object.keys(MODEL_DIRECTORY).join(", ")}`);
  });
}
