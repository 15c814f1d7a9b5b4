import { isErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { findNodes } from "../runtime/run-directory.ts";

/** Where a node's admin API is, and how to ask it. */
export interface NodeAddress {
  /** Without a path. */
  readonly url: URL;
  readonly token: string | undefined;
  readonly timeoutMs: number;
}

export interface NodeRequest {
  readonly method?: "GET" | "PUT" | "POST";
  /** Sent as JSON. */
  readonly body?: unknown;
  /** The etag of what was read. */
  readonly ifMatch?: string;
}

export interface NodeAnswer {
  readonly status: number;
  readonly text: string;
  /** Undefined when the text is not JSON. */
  readonly json: unknown;
  readonly etag: string | undefined;
}

/** Nobody answers there: an ending of its own, since it is the most frequent one. */
export class UnreachableError extends Error {}

/** @throws UnreachableError. Whatever is answered is an answer. */
export async function sendToNode(
  path: string,
  { url, token, timeoutMs }: NodeAddress,
  { method = "GET", body, ifMatch }: NodeRequest = {},
): Promise<NodeAnswer> {
  try {
    const response = await fetch(new URL(path, url), {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(ifMatch === undefined ? {} : { "if-match": ifMatch }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // The token is for this address and no other.
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    return {
      status: response.status,
      text,
      json: parse(text),
      etag: response.headers.get("etag") ?? undefined,
    };
  } catch (thrown) {
    const why = reasonOf(thrown, timeoutMs);
    throw new UnreachableError(`no node answers at ${url.origin} (${why}): ${await advice(url)}`);
  }
}

/** Nodes of this user's that run here are named. */
async function advice({ origin }: URL): Promise<string> {
  const nodes = await findNodes();
  const others = nodes.flatMap(({ admin }) => (admin === undefined || admin === origin ? [] : [admin]));
  if (others.length === 0) return '"tutti run <module>" starts one, --url names another';
  return `--url names another; here ${others.length === 1 ? "one runs" : "some run"} at ${others.join(", ")}`;
}

/** What an answer that is not the wanted one says, as the error it is. */
export function refusalOf({ status, json }: NodeAnswer, { url, token }: NodeAddress): TuttiError {
  if (status === 401) {
    return new TuttiError(
      "Unauthenticated",
      `${url.origin} demands the node's token, and got ${token === undefined ? "none" : "another"}: ` +
        "set TUTTI_ADMIN_TOKEN or name its file by --admin-token-file",
    );
  }
  const error = isObject(json) ? json["error"] : undefined;
  if (isObject(error) && typeof error["message"] === "string") {
    const code = isErrorCode(error["code"]) ? error["code"] : "Internal";
    return new TuttiError(code, `the node answered ${status}: ${error["message"]}`, { status });
  }
  return new TuttiError(
    "Internal",
    `what answers at ${url.origin} (with ${status}) is not the admin API of a node; its port is not that of the application`,
  );
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

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
