import { Command } from "commander";
import { describeStatus } from "../admin/describe-status.ts";
import { askStatus } from "./ask-node.ts";
import { withWords } from "./command-words.ts";
import { EXIT } from "./exit-codes.ts";
import { addNodeFlags, addressOf, type NodeFlags, withExitCode } from "./node-flags.ts";
import { paint } from "./paint.ts";

interface StatusFlags extends NodeFlags {
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  $ tutti status
  $ tutti status --url http://127.0.0.1:9002
  $ tutti status --json | jq '.applications[].deployments[] | select(.state != "ready")'
  $ until tutti status > /dev/null; do sleep 1; done      # wait until it is ready

Exit codes: 0 ready, 1 failed, 2 wrong option, 6 not ready, 7 no node answers.`;

export function statusCommand(): Command {
  const command = new Command("status").description(
    "Show a running node: its applications, deployments, replicas and executors, and what is wrong with them.",
  );
  addNodeFlags(command).option("--json", "the status as JSON, as the admin API gives it (default: off)");
  return withWords(command, EXAMPLES).action(status);
}

function status(flags: StatusFlags): Promise<void> {
  return withExitCode(async () => {
    const answer = await askStatus(addressOf(flags));
    const text =
      flags.json === true ? `${JSON.stringify(answer, undefined, 2)}\n` : describeStatus(answer, paint);
    process.stdout.write(text);
    return answer.ready ? EXIT.ok : EXIT.notReady;
  });
}
