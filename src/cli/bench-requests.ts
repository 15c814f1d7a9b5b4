import { readFileSync } from "node:fs";
import { TuttiError } from "../errors/tutti-error.ts";
import type { HttpRequest } from "../load/http-request.ts";

/** What is asked, as the command line says it. */
export interface RequestFlags {
  readonly path?: string;
  readonly method?: string;
  readonly body?: string;
  readonly header?: readonly string[];
  readonly requests?: string;
  readonly deadlineMs?: number;
}

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const KEYS = ["path", "method", "headers", "body"];
const MAX_REQUESTS = 100_000;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What the load itself says of a request, and must be right. */
const RESERVED_HEADERS = ["content-length", "transfer-encoding", "connection", "expect"];

/**
 * The requests to be sent in turn.
 *
 * @param defaultPath where neither a flag nor a line says one.
 * @throws TuttiError `InvalidOptions`, with the flag or the line.
 */
export function readRequests(flags: RequestFlags, defaultPath: string): readonly HttpRequest[] {
  const base = baseOf(flags, defaultPath);
  if (flags.requests === undefined) return [toRequest("--body", base, {})];
  const { requests: file } = flags;
  if (flags.body !== undefined) throw invalid("--requests: it cannot be given together with --body");
  const requests = read("--requests", file)
    .split("\n")
    .flatMap((line, i) =>
      line.trim() === "" ? [] : [toRequest(`${file}:${i + 1}`, base, parse(file, i, line))],
    );
  if (requests.length === 0) throw invalid(`--requests: ${file} has no line with a request`);
  if (requests.length > MAX_REQUESTS)
    throw invalid(`--requests: expected at most ${MAX_REQUESTS} lines, ${file} has ${requests.length}`);
  return requests;
}

interface BaseRequest {
  readonly path: string;
  readonly method: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

function baseOf(
  { path, method, body, header = [], deadlineMs }: RequestFlags,
  defaultPath: string,
): BaseRequest {
  const headers = Object.fromEntries(
    header.map((text) => {
      const [name = "", ...value] = text.split(":");
      if (value.length === 0)
        throw invalid(`--header: expected "name: value", found ${JSON.stringify(text)}`);
      return [name.trim(), value.join(":").trim()];
    }),
  );
  return {
    path: path ?? defaultPath,
    method,
    headers: {
      ...(deadlineMs === undefined ? {} : { "x-request-timeout-ms": String(deadlineMs) }),
      ...headers,
    },
    body: body?.startsWith("@") ? read("--body", body.slice(1)) : body,
  };
}

function toRequest(where: string, base: BaseRequest, line: Readonly<Record<string, unknown>>): HttpRequest {
  for (const key of Object.keys(line))
    if (!KEYS.includes(key)) throw invalid(`${where}: unknown key ${key}; known: ${KEYS.join(", ")}`);
  const path = line["path"] ?? base.path;
  if (typeof path !== "string" || !/^\/[\x21-\x7e]*$/.test(path))
    throw invalid(
      `${where}: expected a path that begins with / and has no spaces, found ${JSON.stringify(path)}`,
    );
  const body = bodyOf(line["body"]) ?? base.body;
  const method = line["method"] ?? base.method ?? (body === undefined ? "GET" : "POST");
  if (typeof method !== "string" || !METHODS.includes(method))
    throw invalid(`${where}: expected a method of ${METHODS.join(", ")}, found ${JSON.stringify(method)}`);
  const type: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  const headers = { ...type, ...lowerCase(base.headers), ...lowerCase(headersOf(where, line["headers"])) };
  for (const [name, value] of Object.entries(headers)) checkHeader(where, name, value);
  return { method, path, headers, body };
}

/** A text is sent as it is, everything else as JSON. */
function bodyOf(body: unknown): string | undefined {
  return body === undefined || typeof body === "string" ? body : JSON.stringify(body);
}

function headersOf(where: string, headers: unknown): Readonly<Record<string, string>> {
  if (headers === undefined) return {};
  const isRecord = typeof headers === "object" && headers !== null && !Array.isArray(headers);
  if (isRecord && Object.values(headers).every((value) => typeof value === "string"))
    return { ...(headers as Readonly<Record<string, string>>) };
  throw invalid(`${where}: expected headers as an object of texts, found ${JSON.stringify(headers)}`);
}

const lowerCase = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

function checkHeader(where: string, name: string, value: string): void {
  if (!HEADER_NAME.test(name)) throw invalid(`${where}: ${JSON.stringify(name)} is not the name of a header`);
  if (RESERVED_HEADERS.includes(name))
    throw invalid(`${where}: the header ${name} is set by the load itself`);
  if (!/^[\t\x20-\x7e]*$/.test(value))
    throw invalid(`${where}: the header ${name} has characters that a header cannot have`);
}

function parse(file: string, index: number, line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Told below.
  }
  throw invalid(
    `${file}:${index + 1}: expected a request as a JSON object in one line, found ${line.slice(0, 80)}`,
  );
}

function read(flag: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    throw invalid(`${flag}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

const invalid = (message: string): TuttiError => new TuttiError("InvalidOptions", message);
