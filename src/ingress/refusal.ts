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
