import { TuttiError } from "../errors/tutti-error.ts";
import { LONGEST_RETRY_AFTER_SECONDS } from "../policy/admit.ts";
import type { OutgoingAnswer } from "./outgoing-answer.ts";

/** One object for all: an error made for each refusal would cost as much as the refusal. */
const OVERLOADED = new TuttiError(
  "Overloaded",
  "as many requests are under way as can be answered in time; come back after retry-after",
  { started: "no" },
);

const BODY_START = `{"error":{"code":"Overloaded","message":${JSON.stringify(OVERLOADED.message)},"requestId":"`;
const BODY_END = '"}}';

const SECONDS = Array.from({ length: LONGEST_RETRY_AFTER_SECONDS + 1 }, (_, seconds) => String(seconds));

/**
 * The answer to a request that is not admitted. Nearly all of it is made beforehand: under overload there are more
 * refusals than answers.
 *
 * @param requestId has only characters that need no escape in JSON.
 */
export function refusalOutgoing(requestId: string, retryAfterSeconds: number): OutgoingAnswer {
  return {
    status: 503,
    headers: [
      "x-request-id",
      requestId,
      "x-tutti-degraded",
      "0",
      "server-timing",
      "total;dur=0",
      "content-type",
      "application/json",
      "retry-after",
      SECONDS[retryAfterSeconds] ?? "1",
    ],
    body: BODY_START + requestId + BODY_END,
    degraded: false,
    error: OVERLOADED,
  };
}

let dateSecond = 0;
let dateLine = "";

/** One line for all answers of a second. */
function httpDate(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateLine = new Date(second * 1000).toUTCString();
  }
  return dateLine;
}

/** The same answer as the text that goes over a connection, which stays open; all of it is Latin-1. */
export function refusalText({ headers, body }: OutgoingAnswer, keepAliveMs: number, epochMs: number): string {
  let text = "HTTP/1.1 503 Service Unavailable\r\n";
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  const seconds = Math.floor(keepAliveMs / 1000);
  const keepAlive = seconds > 0 ? `Keep-Alive: timeout=${seconds}\r\n` : "";
  return `${text}content-length: ${body.length}\r\nDate: ${httpDate(epochMs)}\r\nConnection: keep-alive\r\n${keepAlive}\r\n${body}`;
}
