import type { IncomingMessage } from "node:http";
import { TuttiError } from "../errors/tutti-error.ts";

export type BodyOutcome =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  | { readonly kind: "too-large" };

/**
 * Reads a body as raw bytes, whatever its type. Holds at most `maxBytes` and the chunk that went beyond; then lets go of
 * all of it. Does not settle if the connection ends before the body: its owner hears of that by itself.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  settle: (outcome: BodyOutcome) => void,
): void {
  let chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxBytes) {
      chunks.push(chunk);
      return;
    }
    chunks = [];
    request.off("data", onData);
    request.off("end", onEnd);
    settle({ kind: "too-large" });
  };
  const onEnd = () => {
    const only = chunks.length === 1 ? chunks[0] : undefined;
    settle({ kind: "whole", bytes: only ?? Buffer.concat(chunks, size) });
  };
  request.on("data", onData);
  request.on("end", onEnd);
}

export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers["content-length"];
  return (length !== undefined && length !== "0") || request.headers["transfer-encoding"] !== undefined;
}

/** `undefined` for a chunked body. The parser has checked that it is digits. */
export function declaredBytes(request: IncomingMessage): number | undefined {
  const length = request.headers["content-length"];
  return length === undefined ? undefined : Number(length);
}

export function bodyTooLarge(maxBytes: number): TuttiError {
  const message = `the body is larger than ${maxBytes} bytes (http.maxBodyBytes)`;
  return new TuttiError("PayloadTooLarge", message, { path: "body" });
}
