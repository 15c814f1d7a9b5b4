import { Command, InvalidArgumentError } from "commander";
import { describeStatus } from "../admin/describe-status.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { adminToken } from "./admin-token.ts";
import { askStatus, UnreachableError } from "./ask-node.ts";
import { EXIT, exitCodeOf, exitOfParser } from "./exit-codes.ts";
import { paint } from "./paint.ts";
import { wholeNumber } from "./whole-number.ts";

interface StatusFlags {
  readonly url?: URL;
  readonly adminTokenFile?: string;
  readonly timeoutMs?: number;
  readonly json?: boolean;
}

const DEFAULT_URL = "http://127.0.0.1:8002";
const DEFAULT_TIMEOUT_MS = 5000;

const EXAMPLES = `
Examples:
  $ tutti status
  $ tutti status --url http://127.0.0.1:9002
  $ tutti status --json | jq '.applications[].deployments[] | select(.state != "ready")'
  $ until tutti status > /dev/null; do sleep 1; done      # wait until it is ready

Exit codes: 0 ready, 1 failed, 2 wrong option, 6 not ready, 7 no node answers.`;

export function statusCommand(): Command {
  return new Command("status")
    .description(
      "Show a running node: its application, deployments, replicas and executors, and what is wrong with them.",
    )
    .option("--url <url>", `where its admin API is (default: ${DEFAULT_URL})`, toUrl)
    .option(
      "--admin-token-file <file>",
      "where the admin API's token is (default: the environment's TUTTI_ADMIN_TOKEN)",
    )
    .option(
      "--timeout-ms <n>",
      `how long to wait for its answer (default: ${DEFAULT_TIMEOUT_MS})`,
      wholeNumber,
    )
    .option("--json", "the status as JSON, as the admin API gives it (default: off)")
    .addHelpText("after", EXAMPLES)
    .exitOverride(exitOfParser)
    .action(status);
}

function toUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw new InvalidArgumentError(`expected a URL such as ${DEFAULT_URL}.`);
}

async function status(flags: StatusFlags): Promise<void> {
  const { url = new URL(DEFAULT_URL), timeoutMs = DEFAULT_TIMEOUT_MS, adminTokenFile, json } = flags;
  try {
    const answer = await askStatus({ url, token: adminToken(adminTokenFile), timeoutMs });
    process.stdout.write(
      json === true ? `${JSON.stringify(answer, undefined, 2)}\n` : describeStatus(answer, paint),
    );
    process.exitCode = answer.ready ? EXIT.ok : EXIT.notReady;
  } catch (thrown) {
    const error = thrown instanceof UnreachableError ? thrown : TuttiError.from(thrown, "Internal");
    process.stderr.write(`tutti: ${error.message}\n`);
    process.exitCode = error instanceof TuttiError ? exitCodeOf(error.code) : EXIT.unreachable;
  }
}
