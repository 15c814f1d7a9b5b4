/**
 * As much of HTTP/1.1 as the answers of a serving system need, for one answer at a time on a connection (the load
 * generator does not pipeline). Kept small because its cost is taken from the machine under test.
 */
export interface HttpResponse {
  readonly status: number;
  /** Value of `x-tutti-degraded` in the head or after the last chunk, `undefined` when it is absent. */
  readonly degradedHeader: string | undefined;
  /** Value of `retry-after` of an answer other than 200, `undefined` when the header is absent. */
  readonly retryAfter?: string | undefined;
  /** Whether the server ends the connection after this answer. */
  readonly closes: boolean;
  readonly body: string;
}

/** The bytes are not an HTTP/1.1 answer; the connection cannot be used further. */
export class MalformedResponse extends Error {
  override readonly name = "MalformedResponse";
}

const HEAD_END = Buffer.from("\r\n\r\n");
const HEAD_LIMIT_BYTES = 64 * 1024;
const DEGRADED = /\r\nx-tutti-degraded:[ \t]*([^\r]*)/i;
/** Statuses of answers that never have a body, nor need to say so. */
const NO_BODY = new Set([204, 304]);

interface Head {
  readonly status: number;
  readonly degradedHeader: string | undefined;
  readonly retryAfter: string | undefined;
  readonly closes: boolean;
  readonly framing: { readonly lengthBytes: number } | "chunked";
  readonly bodyStart: number;
}

export class ResponseParser {
  #received: Buffer | undefined;
  #head: Head | undefined;

  /** True when no byte of an answer has arrived since the last complete one. */
  get idle(): boolean {
    return this.#received === undefined;
  }

  /** @returns the answer when this chunk completes it. @throws MalformedResponse */
  push(chunk: Buffer): HttpResponse | undefined {
    const received = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk]);
    this.#head ??= parseHead(received);
    const head = this.#head;
    if (head === undefined) return this.#keep(received);
    const end =
      head.framing === "chunked"
        ? chunkedEnd(received, head.bodyStart)
        : plainEnd(received, head.bodyStart, head.framing.lengthBytes);
    if (end === undefined) return this.#keep(received);
    this.reset();
    const { status, retryAfter, closes } = head;
    return {
      status,
      degradedHeader: head.degradedHeader ?? end.degradedTrailer,
      ...(retryAfter === undefined ? {} : { retryAfter }),
      closes,
      body: end.body,
    };
  }

  /** The chunk is the caller's again after `push`: what is not complete is copied. */
  #keep(received: Buffer): undefined {
    this.#received = Buffer.from(received);
  }

  reset(): void {
    this.#received = undefined;
    this.#head = undefined;
  }
}

function parseHead(received: Buffer): Head | undefined {
  const end = received.indexOf(HEAD_END);
  if (end < 0) {
    if (received.length > HEAD_LIMIT_BYTES)
      throw new MalformedResponse("the head of the answer does not end");
    return undefined;
  }
  // The final CRLF is kept, so that every header line ends with one.
  const head = received.toString("latin1", 0, end + 2);
  const status = Number(head.slice(9, 12));
  if (!head.startsWith("HTTP/1.") || !Number.isInteger(status) || status < 200) {
    throw new MalformedResponse(`not a final HTTP/1.1 answer: ${JSON.stringify(head.slice(0, 40))}`);
  }
  const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1];
  const chunked = /\r\ntransfer-encoding:[ \t]*chunked/i.test(head);
  const hasBody = !NO_BODY.has(status);
  if (hasBody && length === undefined && !chunked) throw new MalformedResponse("the answer states no length");
  return {
    status,
    degradedHeader: DEGRADED.exec(head)?.[1],
    retryAfter: status === 200 ? undefined : /\r\nretry-after:[ \t]*([^\r]*)/i.exec(head)?.[1],
    closes: /\r\nconnection:[ \t]*close/i.test(head) || head.startsWith("HTTP/1.0"),
    framing: hasBody && chunked ? "chunked" : { lengthBytes: hasBody ? Number(length) : 0 },
    bodyStart: end + 4,
  };
}

interface End {
  readonly body: string;
  readonly degradedTrailer?: string | undefined;
}

function plainEnd(received: Buffer, start: number, lengthBytes: number): End | undefined {
  const available = received.length - start;
  if (available < lengthBytes) return undefined;
  if (available > lengthBytes) throw new MalformedResponse("bytes after the end of the answer");
  return { body: received.toString("utf8", start, start + lengthBytes) };
}

function chunkedEnd(received: Buffer, start: number): End | undefined {
  const parts: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = received.indexOf("\r\n", at, "latin1");
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(received.toString("latin1", at, lineEnd), 16);
    if (!Number.isInteger(size)) throw new MalformedResponse("a chunk's size is not a number");
    if (size === 0) {
      // Trailers follow, each with its line end, and an empty line.
      const end = received.indexOf(HEAD_END, lineEnd);
      if (end < 0) return undefined;
      const trailers = received.toString("latin1", lineEnd, end + 2);
      const body = Buffer.concat(parts).toString("utf8");
      return { body, degradedTrailer: DEGRADED.exec(trailers)?.[1] };
    }
    const next = lineEnd + 2 + size + 2;
    if (received.length < next) return undefined;
    parts.push(received.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
}
