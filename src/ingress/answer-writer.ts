import type { IncomingMessage, ServerResponse } from "node:http";
import { LINGER_MS } from "./connection.ts";
import type { OutgoingAnswer } from "./outgoing-answer.ts";

/**
 * Writes the whole answer; `finished` runs when the operating system has it.
 *
 * If the request's body is still arriving and the connection is to be closed, the answer goes out at once but the
 * connection stays half a moment longer, dropping input: see `closeSoon` for why.
 *
 * @param closes the connection ends after this answer.
 */
export function writeAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: OutgoingAnswer,
  closes: boolean,
  finished: () => void,
): void {
  const bytes = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
  if (status !== 204 && status !== 304) headers.push("content-length", String(bytes));
  if (closes) headers.push("connection", "close");
  response.writeHead(status, headers);
  if (!closes || request.complete) {
    response.end(body, finished);
    return;
  }
  response.flushHeaders();
  response.write(body);
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS).unref();
  request.resume();
  request.once("end", () => {
    clearTimeout(timer);
    response.end(finished);
  });
}
