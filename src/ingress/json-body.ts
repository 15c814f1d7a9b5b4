import { isUtf8 } from "node:buffer";
import { TuttiError } from "../errors/tutti-error.ts";
import { isJsonTooDeep } from "./json-depth.ts";
import { locateJsonFault } from "./json-fault.ts";

// The key may be written with escapes, so the text search is only a cheap "maybe"; the walk decides.
const SUSPECT = /__proto__|constructor|\\u00/;

/**
 * The value of a JSON body. Invariants:
 * - **J1** No deeper than `maxDepth`, checked before anything is parsed.
 * - **J2** No `__proto__` key and no `constructor.prototype`, at any depth: `JSON.parse` makes them harmless own
 *   properties, but the first `Object.assign` or merge in user code would not.
 * - **J3** What is not JSON is an error with the position of its first fault.
 *
 * Returns the error instead of throwing it: bad input is an expected ending here.
 */
export function parseJsonBody(bytes: Uint8Array, maxDepth: number): { value: unknown } | TuttiError {
  if (!isUtf8(bytes)) return new TuttiError("MalformedJson", "the body is not UTF-8 text", { path: "body" });
  if (isJsonTooDeep(bytes, maxDepth)) {
    return new TuttiError("MalformedJson", `the body nests deeper than ${maxDepth} levels`, { path: "body" });
  }
  const text = asText(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return malformed(text);
  }
  if (SUSPECT.test(text)) {
    const path = findPoison(value, "body");
    if (path !== undefined)
      return new TuttiError("InvalidArgument", `the key ${path} is not allowed`, { path });
  }
  return { value };
}

function asText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  // RFC 8259, section 8.1: a parser may ignore a byte order mark; some clients send one.
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

function malformed(text: string): TuttiError {
  const fault = locateJsonFault(text);
  if (fault === undefined) return new TuttiError("MalformedJson", "the body is not JSON", { path: "body" });
  const { offset, line, column, expected } = fault;
  const came = offset < text.length ? JSON.stringify(text[offset]) : "the end of the body";
  return new TuttiError(
    "MalformedJson",
    `the body is not JSON: expected ${expected}, got ${came} at position ${offset} (line ${line}, column ${column})`,
    { path: "body", details: { offset, line, column } },
  );
}

function findPoison(value: unknown, path: string): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!Array.isArray(value) && Object.hasOwn(value, "__proto__")) return `${path}.__proto__`;
  for (const [key, inner] of Object.entries(value)) {
    const innerPath = Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`;
    if (
      key === "constructor" &&
      typeof inner === "object" &&
      inner !== null &&
      Object.hasOwn(inner, "prototype")
    ) {
      return `${innerPath}.prototype`;
    }
    const found = findPoison(inner, innerPath);
    if (found !== undefined) return found;
  }
  return undefined;
}
