import { z } from "zod";
import { ask } from "../systems/ask.ts";

/** What the suite reads of `GET /api/status`. */
const statusSchema = z.object({
  executors: z.array(z.object({ name: z.string(), kind: z.string(), pid: z.number().optional() })),
  calls: z.object({ run: z.object({ wasted: z.number().default(0) }).optional() }),
});
export type NodeStatus = z.infer<typeof statusSchema>;

/** @throws when the node's admin API does not answer. */
export async function nodeStatus(adminPort: number): Promise<NodeStatus> {
  const answer = await ask(adminPort, "/api/status?format=json", { timeoutMs: 2_000 });
  if (answer?.status !== 200)
    throw new Error(`admin API: expected 200, got ${answer?.status ?? "no answer"}`);
  return statusSchema.parse(JSON.parse(answer.body));
}

/** Executions whose result nobody took. */
export const wastedRuns = ({ calls }: NodeStatus): number => calls.run?.wasted ?? 0;

export function modelLanes({ executors }: NodeStatus): { readonly name: string; readonly pid: number }[] {
  return executors.flatMap(({ name, kind, pid }) =>
    kind === "model" && pid !== undefined ? [{ name, pid }] : [],
  );
}
