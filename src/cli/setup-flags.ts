import { type Command, Option } from "commander";
import type { NodeSettings } from "../config-file/node-settings.ts";
import { adminToken } from "./admin-token.ts";
import { wholeNumber } from "./whole-number.ts";

/** What is told to a node on the command line, by whichever command starts it. */
export interface SetupFlags {
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

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug"];

export function withSetupFlags(command: Command): Command {
  return command
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
    .option("--max-queue-ms <n>", "median wait above which fewer are let in (default: 55)", wholeNumber)
    .option("--access-log", "one line for each request (default: off)")
    .addOption(
      new Option("--log-level <level>", "least severe to be logged").choices(LOG_LEVELS).default("warn"),
    );
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

/** What the flags say, and nothing that they do not. The token is apart: it may come from the environment. */
export function flagSettings(flags: SetupFlags): NodeSettings {
  const { adminHost, adminPort, port, accessLog } = flags;
  // Whoever lets the node choose its port runs several: then the admin port is chosen too.
  const chosen = adminPort ?? (port === 0 ? 0 : undefined);
  const admission = given(flags, ["maxInFlight", "maxQueueMs"]);
  return {
    http: {
      ...given(flags, ["host", "port"]),
      ...(accessLog === true ? { accessLog: "info" as const } : {}),
      ...(Object.keys(admission).length === 0 ? {} : { admission }),
    },
    admin: {
      ...(adminHost === undefined ? {} : { host: adminHost }),
      ...(chosen === undefined ? {} : { port: chosen }),
    },
    node: given(flags, NODE_FLAGS),
  };
}

/** @param tokenFile where the token is, if not said by a flag. */
export function adminOptionsOf(flags: SetupFlags, { admin }: NodeSettings) {
  if (!flags.admin) return undefined;
  const { tokenFile, ...address } = admin;
  const token = adminToken(flags.adminTokenFile ?? tokenFile);
  return { ...address, ...(token === undefined ? {} : { token }) };
}

/** The level to log at: a line for each request is of level info, and who asks for those asks for that too. */
export function logLevelOf({ logLevel }: SetupFlags, { http }: NodeSettings): string {
  const isAtLeastInfo = ["info", "debug", "trace"].includes(logLevel);
  return http.accessLog === "info" && !isAtLeastInfo ? "info" : logLevel;
}

/** The flags that were given, under the names of the options that they set. */
function given<K extends keyof SetupFlags>(
  flags: SetupFlags,
  names: readonly K[],
): { [N in K]?: NonNullable<SetupFlags[N]> } {
  return Object.fromEntries(
    names.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])),
  ) as {
    [N in K]?: NonNullable<SetupFlags[N]>;
  };
}
