import { type Command, InvalidArgumentError } from "commander";
import { TuttiError } from "../errors/tutti-error.ts";
import { adminToken } from "./admin-token.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { type NodeAddress, UnreachableError } from "./node-client.ts";
import { wholeNumber } from "./whole-number.ts";

/** Flags of every command that asks a running node. */
export interface NodeFlags {
  readonly url?: URL;
  readonly adminTokenFile?: string;
  readonly timeoutMs?: number;
}

export const DEFAULT_URL = "http://127.0.0.1:8002";
const DEFAULT_TIMEOUT_MS = 5000;

export function addNodeFlags(command: Command): Command {
  return command
    .option("--url <url>", `where its admin API is (default: ${DEFAULT_URL})`, toUrl)
    .option(
      "--admin-token-file <file>",
      "where the admin API's token is (default: the environment's TUTTI_ADMIN_TOKEN)",
    )
    .option(
      "--timeout-ms <n>",
      `how long to wait for its answer (default: ${DEFAULT_TIMEOUT_MS})`,
      wholeNumber,
    );
}

/** @throws TuttiError `InvalidOptions` for a token that cannot be read. */
export function addressOf({ url, adminTokenFile, timeoutMs }: NodeFlags): NodeAddress {
  return {
    url: url ?? new URL(DEFAULT_URL),
    token: adminToken(adminTokenFile),
    timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS,
  };
}

/**
 * Does what a command does; whatever goes wrong is said in words and by the exit code.
 *
 * @param work gives the exit code, or nothing where that is not known yet.
 */
export async function withExitCode(work: () => Promise<number | undefined>): Promise<void> {
  try {
    const code = await work();
    if (code !== undefined) process.exitCode = code;
  } catch (thrown) {
    const error = thrown instanceof UnreachableError ? thrown : TuttiError.from(thrown, "Internal");
    process.stderr.write(`tutti: ${error.message}\n`);
    process.exitCode = error instanceof TuttiError ? exitCodeOf(error.code) : EXIT.unreachable;
  }
}

export function toUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw new InvalidArgumentError(`expected a URL such as ${DEFAULT_URL}.`);
}
