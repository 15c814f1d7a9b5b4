import type { TuttiError } from "../errors/tutti-error.ts";
import { addApplicationHeaders, commonHeaders } from "./answer-headers.ts";
import { errorAnswer } from "./error-answer.ts";
import type { EdgeAnswer } from "./ingress-target.ts";

/** An answer ready to be written, whoever made it: the application, its fallback, or the edge. */
export interface OutgoingAnswer {
  readonly status: number;
  /** Flat names and values, without those of framing. */
  readonly headers: string[];
  readonly body: Uint8Array | string;
  readonly degraded: boolean;
  /** What went wrong, for the log; a fallback has one too. */
  readonly error?: TuttiError;
}

/** What of a request is in the headers of its answer. */
export interface RequestMark {
  readonly id: string;
  elapsedMs(): number;
}

const NO_STAGES: EdgeAnswer["stages"] = [];
const NOTHING: readonly string[] = [];

/** @param body the answer's, or nothing when it is a stream. */
export function applicationOutgoing(
  mark: RequestMark,
  answer: EdgeAnswer,
  body: Uint8Array | string,
): OutgoingAnswer {
  const { status, degraded, contentType, stages } = answer;
  const headers = commonHeaders(mark.id, degraded, contentType, stages, mark.elapsedMs());
  addApplicationHeaders(answer, headers);
  return { status, headers, body, degraded };
}

export function errorOutgoing(mark: RequestMark, error: TuttiError, extra = NOTHING): OutgoingAnswer {
  const { status, body, headers } = errorAnswer(error, mark.id);
  return { ...jsonOutgoing(mark, status, body, [...headers, ...extra]), error };
}

/** A fallback in place of the error's answer. */
export function fallbackOutgoing(
  mark: RequestMark,
  status: number,
  body: string,
  error: TuttiError,
): OutgoingAnswer {
  const headers = commonHeaders(mark.id, true, "application/json", NO_STAGES, mark.elapsedMs());
  return { status, headers, body, degraded: true, error };
}

export function jsonOutgoing(
  mark: RequestMark,
  status: number,
  body: string,
  extra = NOTHING,
): OutgoingAnswer {
  const contentType = body === "" ? "" : "application/json";
  const headers = commonHeaders(mark.id, false, contentType, NO_STAGES, mark.elapsedMs());
  for (const text of extra) headers.push(text);
  return { status, headers, body, degraded: false };
}
