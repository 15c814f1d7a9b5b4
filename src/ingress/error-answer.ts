import { ERROR_CODES } from "../errors/codes.ts";
import type { TuttiError } from "../errors/tutti-error.ts";

export interface ErrorAnswer {
  readonly status: number;
  readonly body: string;
  /** Flat names and values, beyond those of every answer. */
  readonly headers: readonly string[];
}

/**
 * The JSON answer for an error: `{ "error": { "code", "message", "path"?, "requestId" } }`.
 *
 * The message of a bug (500, 502) may hold anything the application put into it, so it goes to the log, and the
 * client gets the code's meaning and the id to look for. `HttpError` was written for the client and is shown.
 */
export function errorAnswer(error: TuttiError, requestId: string): ErrorAnswer {
  const status = statusOf(error);
  const shown = error.code === "HttpError" || !isBug(status);
  const message = shown
    ? error.message
    : `${ERROR_CODES[error.code].meaning} The log has the cause under this request id.`;
  const body = JSON.stringify({
    error: {
      code: error.publicCode,
      message,
      ...(error.path === undefined ? {} : { path: error.path }),
      requestId,
    },
  });
  return {
    status,
    body,
    headers: status === 503 ? ["retry-after", retryAfter(error.retryAfterSeconds)] : [],
  };
}

/** 499 is for the log only: a client still there whose call was cancelled inside gets a 503. */
export function statusOf(error: TuttiError): number {
  const { status } = error;
  if (status === 499) return 503;
  return Number.isInteger(status) && status >= 400 && status <= 599 ? status : 500;
}

export function isBug(status: number): boolean {
  return status === 500 || status === 502;
}

/** A whole answer as bytes, for a connection on which HTTP itself has failed. */
export function rawErrorAnswer(error: TuttiError, requestId: string): string {
  const { status, body, headers } = errorAnswer(error, requestId);
  const lines = [`HTTP/1.1 ${status} ${error.code}`, "content-type: application/json"];
  lines.push(
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    "x-tutti-degraded: 0",
  );
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  return `${lines.join("\r\n")}\r\nconnection: close\r\n\r\n${body}`;
}

function retryAfter(seconds: number | undefined): string {
  return seconds !== undefined && Number.isFinite(seconds) && seconds > 1 ? String(Math.ceil(seconds)) : "1";
}
