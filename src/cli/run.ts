import { existsSync } from "node:fs";
import path from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import pino from "pino";
import type { RunnerEvent } from "../controller/application-runner.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { type RunningNode, startNode } from "../runtime/node.ts";
import { EXIT, exitCodeOf, exitOfParser } from "./exit-codes.ts";

interface RunFlags {
  readonly host?: string;
  readonly port?: number;
  readonly lanes?: number;
  readonly spares?: number;
  readonly codeExecutors?: number;
  readonly accessLog: boolean;
  readonly logLevel: string;
}

const EXAMPLES = `
Examples:
  $ tutti run app.ts
  $ tutti run app.ts --port 9000 --lanes 4
  $ curl localhost:8000/readyz

Exit codes: 0 stopped in order, 1 failed, 2 wrong option, 3 the module could not be loaded, 4 a model could not be
loaded, 5 the port is in use.`;

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug"];

export function runCommand(): Command {
  return new Command("run")
    .description("Run the application that a TypeScript or JavaScript module exports, until stopped.")
    .argument("<module>", "the module; its default export is application({ ... })")
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("--port <n>", "HTTP port; 0 picks a free one (default: 8000)", wholeNumber)
    .option("--lanes <n>", "model executors, one compute lane each (default: one for each core)", wholeNumber)
    .option("--code-executors <n>", "executors shared by classes that only wait (default: 2)", wholeNumber)
    .option("--spares <n>", "processes kept ready to take over after a crash (default: 1)", wholeNumber)
    .option("--access-log", "one line for each request", false)
    .addOption(
      new Option("--log-level <level>", "least severe to be logged").choices(LOG_LEVELS).default("warn"),
    )
    .addHelpText("after", EXAMPLES)
    .exitOverride(exitOfParser)
    .action(run);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError("expected a whole number.");
  return value;
}

async function run(modulePath: string, flags: RunFlags): Promise<void> {
  const startedAtMs = performance.now();
  const module = path.resolve(modulePath);
  const log = pino(
    { level: flags.accessLog ? "info" : flags.logLevel },
    pino.destination({ fd: 2, sync: false }),
  );
  const starting = new AbortController();
  const giveUp = (signal: NodeJS.Signals) => {
    say(`${signal}: the start is given up`);
    starting.abort();
  };
  process.on("SIGTERM", giveUp).on("SIGINT", giveUp);
  try {
    if (!existsSync(module)) throw new TuttiError("ModuleLoadFailed", `${module} does not exist`);
    say(`starting ${path.relative(process.cwd(), module)} …`);
    const node = await startNode({
      source: { kind: "module", path: module },
      log,
      signal: starting.signal,
      http: {
        ...(flags.host === undefined ? {} : { host: flags.host }),
        ...(flags.port === undefined ? {} : { port: flags.port }),
        accessLog: flags.accessLog ? "info" : "off",
      },
      node: {
        ...(flags.lanes === undefined ? {} : { lanes: flags.lanes }),
        ...(flags.spares === undefined ? {} : { spares: flags.spares }),
        ...(flags.codeExecutors === undefined ? {} : { codeExecutors: flags.codeExecutors }),
      },
      onEvent: tell,
      onOutput: (_, stream, line) => process[stream].write(`${line}\n`),
    });
    process.off("SIGTERM", giveUp).off("SIGINT", giveUp);
    stopOnSignal(node);
    sayReady(node, performance.now() - startedAtMs);
  } catch (thrown) {
    process.exitCode = EXIT.failed;
    if (starting.signal.aborted) return;
    const error = TuttiError.from(thrown, "Internal");
    console.error(`tutti: ${error.message}`);
    if (error.code === "Internal") console.error(thrown);
    process.exitCode = exitCodeOf(error.code);
  }
}

function sayReady({ graph, address }: RunningNode, tookMs: number): void {
  const models = graph.deployments.filter(({ kind }) => kind === "model").length;
  const classes = graph.deployments.length - models;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  say(
    `${graph.name} ${graph.version} is ready: ${count(classes, "class", "classes")} and ${count(models, "model", "models")}, ` +
      `after ${(tookMs / 1000).toFixed(1)} s, at http://${host}:${address.port}${graph.route}`,
  );
}

const count = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;

function tell(event: RunnerEvent): void {
  if (event.type === "lost") say(`${event.slot}: executor ${event.executor} was lost: ${event.reason}`);
  else if (event.type === "fill-failed") {
    say(
      `${event.slot}: could not be started: ${event.reason}; next try in ${Math.round(event.retryInMs)} ms`,
    );
  }
}

function say(text: string): void {
  process.stderr.write(`tutti: ${text}\n`);
}

/** The first signal drains; a second one does not wait. */
function stopOnSignal(node: RunningNode): void {
  let stopping = false;
  const stop = async (signal: string) => {
    if (stopping) {
      await node.close();
      process.exit(EXIT.failed);
    }
    stopping = true;
    say(`${signal}: finishing what was accepted …`);
    await node.drain();
    await node.close();
    say("stopped");
    process.exit(EXIT.ok);
  };
  process.on("SIGTERM", () => void stop("SIGTERM"));
  process.on("SIGINT", () => void stop("SIGINT"));
}
