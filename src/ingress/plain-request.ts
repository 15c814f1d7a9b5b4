import type { RequestHead } from "./request-head.ts";

/** A request that is whole, and framed so plainly that nobody can read it in two ways. */
export interface PlainRequest extends RequestHead {
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
}

const FIRST_LINE = /^([A-Z]{1,16}) ([!-~]{1,8192}) HTTP\/1\.1$/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Anything but spaces, printable ASCII and what Latin-1 has beyond. */
const NO_TEXT = /[^ -~\x80-\xff]/;
const PADDING = /^ +| +$/g;
const DIGITS = /^\d{1,9}$/;
/** With these the end of the request, or of the connection, is not where the length says; or somebody waits for a word. */
const FRAMING = new Set(["transfer-encoding", "connection", "expect", "upgrade", "trailer", "te"]);
const KEEP_ALIVE = /^keep-alive$/i;
const HEAD_END = "\r\n\r\n";

/**
 * Reads bytes that are one HTTP/1.1 request and nothing else: first line, headers each on a line and each name once, and as
 * many bytes of body as `content-length` says. All else, right or wrong, is for a real parser: undefined.
 */
export function readPlainRequest(bytes: Buffer): PlainRequest | undefined {
  const headBytes = bytes.indexOf(HEAD_END);
  if (headBytes < 0) return undefined;
  const [first = "", ...lines] = bytes.toString("latin1", 0, headBytes).split("\r\n");
  const [, method, url] = FIRST_LINE.exec(first) ?? [];
  const headers = readHeaders(lines);
  // The answer to HEAD has a length and no body.
  if (method === undefined || method === "HEAD" || headers === undefined) return undefined;
  const length = headers["content-length"] ?? "0";
  if (!DIGITS.test(length)) return undefined;
  const bodyBytes = Number(length);
  if (headBytes + HEAD_END.length + bodyBytes !== bytes.length) return undefined;
  return { method, url, httpVersion: "1.1", headers, bodyBytes };
}

function readHeaders(lines: readonly string[]): Record<string, string> | undefined {
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).replace(PADDING, "");
    if (colon < 1 || !NAME.test(name) || NO_TEXT.test(value) || name in headers) return undefined;
    if (FRAMING.has(name) && !(name === "connection" && KEEP_ALIVE.test(value))) return undefined;
    headers[name] = value;
  }
  return headers;
}
