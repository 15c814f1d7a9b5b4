import { validateHeaderName, validateHeaderValue } from "node:http";
import { TuttiError } from "../errors/tutti-error.ts";
import type { EdgeAnswer, StageTime } from "./ingress-target.ts";

// Node frames the answer; a copy of these from an application would contradict it.
const FRAMING = new Set([
  "connection",
  "content-length",
  "content-type",
  "keep-alive",
  "transfer-encoding",
  "trailer",
  "upgrade",
  "x-request-id",
  "x-tutti-degraded",
  "server-timing",
]);

/** Flat names and values, the cheapest form `writeHead` takes. */
export function commonHeaders(
  requestId: string,
  degraded: boolean,
  contentType: string,
  stages: readonly StageTime[],
  totalMs: number,
): string[] {
  const headers = [
    "x-request-id",
    requestId,
    "x-tutti-degraded",
    degraded ? "1" : "0",
    "server-timing",
    serverTiming(stages, totalMs),
  ];
  if (contentType !== "") headers.push("content-type", contentType);
  return headers;
}

/** Adds what the application asked for, except what belongs to the connection. */
export function addApplicationHeaders(answer: EdgeAnswer, headers: string[]): void {
  if (answer.headers !== undefined) {
    for (const name of Object.keys(answer.headers)) {
      if (!FRAMING.has(name.toLowerCase())) headers.push(name, answer.headers[name] ?? "");
    }
  }
  if (answer.setCookies !== undefined)
    for (const cookie of answer.setCookies) headers.push("set-cookie", cookie);
}

/** What makes an application's answer impossible to send, if anything: `writeHead` would throw half-way. */
export function faultOfAnswer({
  status,
  contentType,
  headers,
  setCookies,
}: EdgeAnswer): TuttiError | undefined {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    return new TuttiError(
      "ApplicationError",
      `the application answered with status ${status}; expected 200 to 599`,
    );
  }
  if (headers === undefined && setCookies === undefined && contentType === "application/json")
    return undefined;
  try {
    validateHeaderValue("content-type", contentType);
    for (const [name, value] of Object.entries(headers ?? {})) {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    }
    for (const cookie of setCookies ?? []) validateHeaderValue("set-cookie", cookie);
  } catch (thrown) {
    return TuttiError.from(thrown);
  }
  return undefined;
}

/** Such as `features;dur=1.2,models;dur=3.45,total;dur=4.9`, in milliseconds. */
export function serverTiming(stages: readonly StageTime[], totalMs: number): string {
  let text = "";
  for (const stage of stages) text += `${asToken(stage.name)};dur=${hundredths(stage.ms)},`;
  return `${text}total;dur=${hundredths(totalMs)}`;
}

function hundredths(ms: number): number {
  return Math.round(ms * 100) / 100;
}

const TOKEN = /^[\w.-]+$/;

/** Stage names may be deployment names, and those need not be header tokens. */
function asToken(name: string): string {
  return TOKEN.test(name) ? name : name.replace(/[^\w.-]/g, "_") || "_";
}
