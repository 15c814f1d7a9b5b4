import type { ChangesAnswer, DesiredAnswer } from "../admin/applications-desk.ts";
import type { ApplicationDefinition } from "../policy/desired-state.ts";
import { isObject, type NodeAddress, refusalOf, sendToNode } from "./node-client.ts";

const PATH = "/api/applications";

export interface DesiredWithEtag {
  readonly answer: DesiredAnswer;
  /** For who changes it. */
  readonly etag: string;
}

/** @throws UnreachableError, or TuttiError with what the node said, or what to do. */
export async function askDesired(address: NodeAddress): Promise<DesiredWithEtag> {
  const { status, json, etag, ...rest } = await sendToNode(PATH, address);
  if (status === 200 && isDesired(json) && etag !== undefined) return { answer: json, etag };
  throw refusalOf({ status, json, etag, ...rest }, address);
}

/**
 * Puts applications in the place of those that are there.
 *
 * @param etag of the state that they were decided upon.
 * @throws UnreachableError, or TuttiError with what the node said; `RevisionConflict` when the state is another one by now.
 */
export async function putDesired(
  address: NodeAddress,
  applications: readonly ApplicationDefinition[],
  { etag, isDryRun }: { readonly etag: string; readonly isDryRun: boolean },
): Promise<ChangesAnswer> {
  const answer = await sendToNode(`${PATH}${isDryRun ? "?dryRun=1" : ""}`, address, {
    method: "PUT",
    body: { applications },
    ifMatch: etag,
  });
  if (answer.status === 200 && isChanges(answer.json)) return answer.json;
  throw refusalOf(answer, address);
}

/** As far as it is read here; a node of another version may say more. */
const isDesired = (json: unknown): json is DesiredAnswer =>
  isObject(json) &&
  typeof json["revision"] === "number" &&
  Array.isArray(json["applications"]) &&
  isObject(json["notes"]) &&
  isObject(json["settings"]);

const isChanges = (json: unknown): json is ChangesAnswer =>
  isObject(json) && typeof json["revision"] === "number" && Array.isArray(json["changes"]);
