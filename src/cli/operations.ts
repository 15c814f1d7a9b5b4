import { Command, InvalidArgumentError } from "commander";
import { withWords } from "./command-words.ts";
import { EXIT } from "./exit-codes.ts";
import { type NodeAnswer, refusalOf, sendToNode } from "./node-client.ts";
import { addNodeFlags, addressOf, type NodeFlags, withExitCode } from "./node-flags.ts";

/** The commands that have one thing done to a running node. */

interface JsonFlags extends NodeFlags {
  readonly json?: boolean;
}

const EXIT_CODES = "\nExit codes: 0 done, 1 failed, 2 wrong option, 7 no node answers.";

export function scaleCommand(): Command {
  const command = new Command("scale")
    .description("Give a deployment of a running node another number of replicas, in place.")
    .argument("<deployment>", "the application's and the deployment's name: offers/m01", toDeployment)
    .argument("<n>", "how many replicas, or within which bounds: 3, or 1..4", toReplicas);
  return finish(
    command,
    `
Examples:
  $ tutti scale offers/m01 3
  $ tutti scale offers/Supervisor 1..4
  $ tutti status                              # how far it is`,
  ).action(({ application, deployment }: DeploymentName, replicas: Replicas, flags: JsonFlags) =>
    operate(
      `/api/deployments/${encodeURIComponent(application)}/${encodeURIComponent(deployment)}/scale`,
      { replicas },
      flags,
      () => `${application}: ${deployment} is to have ${told(replicas)}`,
    ),
  );
}

interface RollbackFlags extends JsonFlags {
  readonly to?: string;
  readonly reason?: string;
}

export function rollbackCommand(): Command {
  const command = new Command("rollback")
    .description("Have an application of a running node go back to an earlier version.")
    .argument("<application>", "the application's name")
    .option("--to <version>", "which one (default: the latest before)")
    .option("--reason <text>", "why, for who looks at it later (default: somebody asked for it)");
  return finish(
    command,
    `
Examples:
  $ tutti rollback offers
  $ tutti rollback offers --to v7 --reason "too many complaints"
  $ tutti deploy tutti.yaml                   # forward again`,
  ).action((application: string, flags: RollbackFlags) => {
    const { to: version, reason } = flags;
    const body = {
      ...(version === undefined ? {} : { version }),
      ...(reason === undefined ? {} : { reason }),
    };
    const which = version === undefined ? "the version before" : `version ${version}`;
    return operate(
      `/api/applications/${encodeURIComponent(application)}/rollback`,
      body,
      flags,
      () => `${application} goes back to ${which}`,
    );
  });
}

export function shutdownCommand(): Command {
  const command = new Command("shutdown").description(
    "Have a running node finish what it has accepted, then end.",
  );
  return finish(
    command,
    `
Examples:
  $ tutti shutdown
  $ tutti shutdown --url http://127.0.0.1:9002`,
  ).action((flags: JsonFlags) =>
    operate("/api/shutdown", {}, flags, () => "the node finishes what it has accepted, then ends"),
  );
}

const finish = (command: Command, examples: string): Command =>
  withWords(
    addNodeFlags(command).option("--json", "the node's answer as JSON (default: off)"),
    `${examples}\n${EXIT_CODES}`,
  );

/** @param said what is told when it is done. */
function operate(path: string, body: object, flags: JsonFlags, said: () => string): Promise<void> {
  return withExitCode(async () => {
    const address = addressOf(flags);
    const answer: NodeAnswer = await sendToNode(path, address, { method: "POST", body });
    if (answer.status >= 300) throw refusalOf(answer, address);
    process.stdout.write(
      flags.json === true ? `${JSON.stringify(answer.json, undefined, 2)}\n` : `${said()}\n`,
    );
    return EXIT.ok;
  });
}

interface DeploymentName {
  readonly application: string;
  readonly deployment: string;
}

function toDeployment(text: string): DeploymentName {
  const [application = "", deployment = "", ...rest] = text.split("/");
  if (application !== "" && deployment !== "" && rest.length === 0) return { application, deployment };
  throw new InvalidArgumentError("expected an application and its deployment, such as offers/m01.");
}

type Replicas = number | { readonly min: number; readonly max: number };

function toReplicas(text: string): Replicas {
  const bounds = /^(\d+)\.\.(\d+)$/.exec(text);
  if (bounds !== null) return { min: Number(bounds[1]), max: Number(bounds[2]) };
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a number such as 3, or bounds such as 1..4.");
}

const told = (replicas: Replicas): string =>
  typeof replicas === "number" ? `${replicas} replicas` : `${replicas.min} to ${replicas.max} replicas`;
