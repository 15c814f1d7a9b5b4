/**
 * The load generator: a process of its own, so that its CPU time can be told apart from the system's and the bench's.
 * Started by `GeneratorProcess`; it speaks only over the fork's channel.
 */
import { readFile } from "node:fs/promises";
import { parseReference, type Reference } from "../reference/reference-file.ts";
import { runClosedLoop } from "./closed-loop.ts";
import type { FromGenerator, LoadPlan, LoadResult, Target, ToGenerator } from "./messages.ts";
import { runOpenLoop } from "./open-loop.ts";
import { Replay } from "./replay.ts";

interface Prepared {
  readonly target: Target;
  readonly reference: Reference;
  readonly replay: Replay;
}

let prepared: Prepared | undefined;

function tell(message: FromGenerator): void {
  process.send?.(message);
}

async function prepare(message: ToGenerator & { type: "prepare" }): Promise<void> {
  const reference = parseReference(await readFile(message.referenceFile, "utf8"));
  const replay = new Replay({ playerIds: reference.playerIds, ...message.target, seed: message.seed });
  prepared = { target: message.target, reference, replay };
  tell({ type: "prepared" });
}

function run(plan: LoadPlan): Promise<LoadResult> {
  if (prepared === undefined) throw new Error("the load generator was not prepared");
  const { target, replay } = prepared;
  const shared = {
    target,
    replay,
    reference: prepared.reference.answers,
    plan,
    announce: (edge: "open" | "close") => tell({ type: "window", edge }),
  };
  return plan.shape.kind === "closed"
    ? runClosedLoop({ ...shared, shape: plan.shape })
    : runOpenLoop({ ...shared, shape: plan.shape });
}

async function obey(message: ToGenerator): Promise<void> {
  if (message.type === "prepare") await prepare(message);
  else tell({ type: "result", result: await run(message.plan) });
}

process.on("message", (message: ToGenerator) => {
  obey(message).catch((error: unknown) => {
    tell({ type: "error", message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  });
});
process.on("disconnect", () => process.exit(0));
