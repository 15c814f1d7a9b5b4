import type { TuttiError } from "../errors/tutti-error.ts";
import type { EdgeServices } from "./edge-services.ts";
import { isBug } from "./error-answer.ts";
import type { RequestHead } from "./request-head.ts";

/**
 * A line for each failure, with the error as it was, and one per request if an access log is asked for. Refusals under
 * load are only counted: writing a line for each would cost more than refusing.
 */
export function logAnswer(
  { log, options }: EdgeServices,
  request: RequestHead,
  requestId: string,
  status: number,
  elapsedMs: number,
  error: TuttiError | undefined,
): void {
  const failed =
    error !== undefined && error.status >= 500 && error.code !== "Overloaded" && error.code !== "Draining";
  if (!failed && options.accessLog === "off") return;
  const line = {
    requestId,
    method: request.method,
    url: request.url,
    status,
    ms: Math.round(elapsedMs * 100) / 100,
  };
  if (failed) {
    const level = isBug(error.status) ? "error" : "warn";
    log[level](
      { ...line, code: error.code, err: error },
      status < 500 ? "fallback served" : "request failed",
    );
  } else if (options.accessLog !== "off") {
    log[options.accessLog](error === undefined ? line : { ...line, code: error.code }, "request");
  }
}

export function logCancelled(
  { log }: EdgeServices,
  request: RequestHead,
  requestId: string,
  elapsedMs: number,
): void {
  const ms = Math.round(elapsedMs * 100) / 100;
  log.info(
    { requestId, method: request.method, url: request.url, status: 499, ms },
    "client gone before its answer",
  );
}
