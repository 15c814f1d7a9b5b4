import { existsSync } from "node:fs";
import path from "node:path";
import { Command, Option } from "commander";
import pino from "pino";
import type { AdminOptions } from "../admin/admin-options.ts";
import type { RunnerEvent } from "../controller/slot.ts";
import type { ControllerEvent } from "../controller/version-port.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { type RunningNode, startNode } from "../runtime/node.ts";
import { urlOf } from "../runtime/url-of.ts";
import { adminToken } from "./admin-token.ts";
import { EXIT, exitCodeOf, exitOfParser } from "./exit-codes.ts";
import { wholeNumber } from "./whole-number.ts";

interface RunFlags {
  readonly host?: string;
  readonly port?: number;
  /** False with `--no-admin`. */
  readonly admin: boolean;
  readonly adminHost?: string;
  readonly adminPort?: number;
  readonly adminTokenFile?: string;
  readonly lanes?: number;
  readonly spares?: number;
  readonly laneNiceness?: number;
  readonly codeExecutors?: number;
  readonly heartbeatTimeoutMs?: number;
  readonly loadingTimeoutMs?: number;
  readonly executorMemoryLimitMb?: number;
  readonly drainTimeoutMs?: number;
  readonly maxInFlight?: number;
  readonly maxQueueMs?: number;
  readonly accessLog?: boolean;
  readonly logLevel: string;
}

const EXAMPLES = `
Examples:
  $ tutti run app.ts
  $ tutti run app.ts --port 9000 --lanes 4
  $ tutti status                          # what runs, and what is wrong with it
  $ curl localhost:8002/api/requests      # what was slow, and why

Exit codes: 0 stopped in order, 1 failed, 2 wrong option, 3 the module could not be loaded, 4 a model could not be
loaded, 5 the port is in use.`;

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug"];

export function runCommand(): Command {
  return new Command("run")
    .description("Run the application that a TypeScript or JavaScript module exports, until stopped.")
    .argument("<module>", "the module; its default export is application({ ... })")
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("--port <n>", "HTTP port; 0 picks a free one (default: 8000)", wholeNumber)
    .option("--admin-host <address>", "address of the admin API (default: 127.0.0.1)")
    .option("--admin-port <n>", "port of the admin API; 0 picks a free one (default: 8002)", wholeNumber)
    .option(
      "--admin-token-file <file>",
      "where the admin API's token is (default: the environment's TUTTI_ADMIN_TOKEN)",
    )
    .option("--no-admin", "no admin API (default: there is one)")
    .option("--lanes <n>", "model executors, one compute lane each (default: one for each core)", wholeNumber)
    .option("--code-executors <n>", "executors shared by classes that only wait (default: 2)", wholeNumber)
    .option("--spares <n>", "processes kept ready to take over after a crash (default: 1)", wholeNumber)
    .option(
      "--lane-niceness <n>",
      "by how much executors that compute give way to those that wait (default: 5)",
      wholeNumber,
    )
    .option(
      "--heartbeat-timeout-ms <n>",
      "silence after which an executor is replaced (default: 1000)",
      wholeNumber,
    )
    .option("--loading-timeout-ms <n>", "the same while it loads or imports (default: 120000)", wholeNumber)
    .option(
      "--executor-memory-limit-mb <n>",
      "memory above which an executor is replaced (default: 4096)",
      wholeNumber,
    )
    .option("--drain-timeout-ms <n>", "how long a shutdown may take (default: 20000)", wholeNumber)
    .option("--max-in-flight <n>", "requests under way at a time (default: what replicas take)", wholeNumber)
    .option("--max-queue-ms <n>", "median wait above which fewer are let in (default: 50)", wholeNumber)
    .option("--access-log", "one line for each request (default: off)")
    .addOption(
      new Option("--log-level <level>", "least severe to be logged").choices(LOG_LEVELS).default("warn"),
    )
    .addHelpText("after", EXAMPLES)
    .exitOverride(exitOfParser)
    .action(run);
}

const NODE_FLAGS = [
  "lanes",
  "codeExecutors",
  "spares",
  "laneNiceness",
  "heartbeatTimeoutMs",
  "loadingTimeoutMs",
  "executorMemoryLimitMb",
  "drainTimeoutMs",
] as const;

const isAtLeastInfo = (level: string): boolean => ["info", "debug", "trace"].includes(level);

/** The flags that were given, under the names of the options that they set. */
function given<K extends keyof RunFlags>(
  flags: RunFlags,
  names: readonly K[],
): { [N in K]?: NonNullable<RunFlags[N]> } {
  return Object.fromEntries(
    names.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])),
  ) as {
    [N in K]?: NonNullable<RunFlags[N]>;
  };
}

/** Whoever lets the node choose its port runs several: then the admin port is chosen too. */
function adminOptions({ adminHost, adminPort, adminTokenFile, port }: RunFlags): AdminOptions {
  const token = adminToken(adminTokenFile);
  const chosen = adminPort ?? (port === 0 ? 0 : undefined);
  return {
    ...(adminHost === undefined ? {} : { host: adminHost }),
    ...(chosen === undefined ? {} : { port: chosen }),
    ...(token === undefined ? {} : { token }),
  };
}

async function run(modulePath: string, flags: RunFlags): Promise<void> {
  const startedAtMs = performance.now();
  const module = path.resolve(modulePath);
  const log = pino(
    // A line for each request is of level info: asking for it asks for that level too.
    { level: flags.accessLog === true && !isAtLeastInfo(flags.logLevel) ? "info" : flags.logLevel },
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
        ...given(flags, ["host", "port"]),
        accessLog: flags.accessLog === true ? "info" : "off",
        admission: given(flags, ["maxInFlight", "maxQueueMs"]),
      },
      node: given(flags, NODE_FLAGS),
      ...(flags.admin ? { admin: adminOptions(flags) } : {}),
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

function tell(event: RunnerEvent | ControllerEvent): void {
  if (event.type === "lost") say(`${event.slot}: executor ${event.executor} was lost: ${event.reason}`);
  else if (event.type === "unhealthy")
    say(`${event.slot}: executor ${event.executor} has replicas replaced: ${event.reason}`);
  else if (event.type === "retiring")
    say(`${event.slot}: executor ${event.executor} is being replaced: ${event.reason}`);
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
