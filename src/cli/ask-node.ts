import type { NodeStatus } from "../admin/node-status.ts";
import { isObject, type NodeAddress, refusalOf, sendToNode } from "./node-client.ts";

/**
 * The status of a node, from its admin API.
 *
 * @throws UnreachableError, or TuttiError with what the node said, or what to do.
 */
export async function askStatus(address: NodeAddress): Promise<NodeStatus> {
  const answer = await sendToNode("/api/status?format=json", address);
  if (answer.status === 200 && isStatus(answer.json)) return answer.json;
  throw refusalOf(answer, address);
}

/** As far as it is read here; a node of another version may say more or less. */
const isStatus = (answer: unknown): answer is NodeStatus =>
  isObject(answer) &&
  typeof answer["ready"] === "boolean" &&
  typeof answer["uptimeMs"] === "number" &&
  Array.isArray(answer["applications"]) &&
  Array.isArray(answer["executors"]) &&
  Array.isArray(answer["batches"]) &&
  isObject(answer["calls"]) &&
  isObject(answer["ingress"]);
