import type { NodeStatus } from "../admin/node-status.ts";
import { TuttiError } from "../errors/tutti-error.ts";

export interface AskOptions {
  /** Of the admin API, without a path. */
  readonly url: URL;
  readonly token: string | undefined;
  readonly timeoutMs: number;
}

/** Nobody answers there: an ending of its own, since it is the most frequent one. */
export class UnreachableError extends Error {}

/**
 * The status of a node, from its admin API.
 *
 * @throws UnreachableError, or TuttiError `Unauthenticated`, `Forbidden` or `Internal`, with what to do.
 */
export async function askStatus(options: AskOptions): Promise<NodeStatus> {
  const { status, text } = await get("/api/status?format=json", options);
  const answer = parse(text);
  if (status === 401) {
    throw new TuttiError(
      "Unauthenticated",
      `${options.url.origin} demands the node's token, and got ${options.token === undefined ? "none" : "another"}: ` +
        "set TUTTI_ADMIN_TOKEN or name its file by --admin-token-file",
    );
  }
  if (status === 200 && isStatus(answer)) return answer;
  const said = errorOf(answer);
  if (said !== undefined)
    throw new TuttiError(status === 403 ? "Forbidden" : "Internal", `the node answered ${status}: ${said}`);
  throw new TuttiError(
    "Internal",
    `what answers at ${options.url.origin} (with ${status}) is not the admin API of a node; its port is not that of the application`,
  );
}

async function get(
  path: string,
  { url, token, timeoutMs }: AskOptions,
): Promise<{ status: number; text: string }> {
  const target = new URL(path, url);
  try {
    const response = await fetch(target, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      // The token is for this address and no other.
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, text: await response.text() };
  } catch (thrown) {
    const why = reasonOf(thrown, timeoutMs);
    throw new UnreachableError(
      `no node answers at ${url.origin} (${why}): "tutti run <module>" starts one, --url names another`,
    );
  }
}

/** `fetch` hides what happened in the cause, and of several addresses tried in a list. */
function reasonOf(thrown: unknown, timeoutMs: number): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.name === "TimeoutError") return `nothing within ${timeoutMs} ms`;
  const { cause } = thrown;
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return cause.errors[0].message;
  return cause instanceof Error ? cause.message : thrown.message;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** As far as it is read here; a node of another version may say more or less. */
const isStatus = (answer: unknown): answer is NodeStatus =>
  isObject(answer) &&
  typeof answer["ready"] === "boolean" &&
  typeof answer["uptimeMs"] === "number" &&
  Array.isArray(answer["executors"]) &&
  Array.isArray(answer["batches"]) &&
  isObject(answer["calls"]) &&
  isObject(answer["ingress"]);

function errorOf(answer: unknown): string | undefined {
  const error = isObject(answer) ? answer["error"] : undefined;
  return isObject(error) && typeof error["message"] === "string" ? error["message"] : undefined;
}
