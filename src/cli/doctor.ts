import { existsSync } from "node:fs";
import { Command } from "commander";
import { withWords } from "./command-words.ts";
import { EXIT } from "./exit-codes.ts";
import type { Finding, Verdict } from "./finding.ts";
import { paint } from "./paint.ts";
import { wholeNumber } from "./whole-number.ts";

interface DoctorFlags {
  readonly host?: string;
  readonly port?: number;
  readonly adminHost?: string;
  readonly adminPort?: number;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  $ tutti doctor                               # this machine, and the models in ./models if there are any
  $ tutti doctor ./models champion.onnx        # these models
  $ tutti doctor --port 9000 --admin-port 9002
  $ tutti doctor --json | jq -r '.findings[] | select(.verdict != "ok") | .advice'

Exit codes: 0 it can run, 1 something would fail, 2 wrong option.`;

const DEFAULT_MODELS = "models";
/** As wide as the longest name of what is looked at beside models. */
const CHECK_COLUMNS = 16;
const TONES = { ok: "good", warn: "changing", fail: "bad" } as const satisfies Record<Verdict, string>;

export function doctorCommand(): Command {
  const command = new Command("doctor")
    .description("Find out whether this machine is ready to run a node, and what to do about what is not.")
    .argument("[models...]", "model files or repositories to load (default: ./models, if it is there)")
    .option("--host <address>", "address that the edge is to listen on (default: 127.0.0.1)")
    .option("--port <n>", "its port (default: 8000)", wholeNumber)
    .option("--admin-host <address>", "address of the admin API (default: 127.0.0.1)")
    .option("--admin-port <n>", "its port (default: 8002)", wholeNumber)
    .option("--json", "what was found as JSON (default: off)");
  return withWords(command, EXAMPLES).action(doctor);
}

async function doctor(models: readonly string[], flags: DoctorFlags): Promise<void> {
  const { host = "127.0.0.1", port = 8000, adminHost = "127.0.0.1", adminPort = 8002, json = false } = flags;
  const { examineMachine } = await import("./examine-machine.ts");
  const { examineModel, findModels } = await import("./examine-models.ts");
  const paths = models.length === 0 && existsSync(DEFAULT_MODELS) ? [DEFAULT_MODELS] : models;
  const named = findModels(paths);
  const columns = Math.max(CHECK_COLUMNS, ...named.map(({ check }) => check.length));
  const findings: Finding[] = [];
  const tell = (finding: Finding) => {
    findings.push(finding);
    if (!json) process.stdout.write(lineOf(finding, columns));
  };
  for await (const finding of examineMachine({ host, port, adminHost, adminPort })) tell(finding);
  for (const model of named) tell(await examineModel(model));
  const failed = findings.filter(({ verdict }) => verdict === "fail").length;
  const warned = findings.filter(({ verdict }) => verdict === "warn").length;
  if (json) process.stdout.write(`${JSON.stringify({ ok: failed === 0, findings }, undefined, 2)}\n`);
  else process.stdout.write(`\n${summary(failed, warned)}\n`);
  process.exitCode = failed === 0 ? EXIT.ok : EXIT.failed;
}

/** Told as soon as it is known: what comes next may take its time. */
function lineOf({ check, verdict, found, advice }: Finding, columns: number): string {
  const head = `${paint(TONES[verdict], verdict.padEnd(4))}  ${check.padEnd(columns)}  ${found}\n`;
  return advice === undefined ? head : `${head}${" ".repeat(columns + 8)}${advice}\n`;
}

function summary(failed: number, warned: number): string {
  const remarks = warned === 0 ? "" : `; ${warned} ${warned === 1 ? "thing" : "things"} could be better`;
  if (failed === 0) return `${paint("good", "ready to run")}${remarks}`;
  return `${paint("bad", `${failed} ${failed === 1 ? "thing" : "things"} would fail`)}${remarks}`;
}
