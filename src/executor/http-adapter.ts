import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { HttpCall, HttpReply, HttpStreamHead } from "../api/http-call.ts";
import type { Route } from "../api/http-routes.ts";
import type { Clock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import {
  type BodyRead,
  BodyStream,
  bodyBytes,
  itemsFormat,
  itemsHead,
  lastEventId,
  streamItems,
} from "./http-stream.ts";
import type { ServedCall } from "./served-call.ts";
import { isAsyncIterable } from "./served-stream.ts";

/** The ingress class's instance, seen by name. */
export type Methods = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** What of an answer of `fetch` is held in memory to be sent whole; of more, and of what is not there at once, a stream is made. */
const MAX_WHOLE_BYTES = 1024 * 1024;

/**
 * Answers an HTTP request with a method of the ingress class: validates the body by the route's schema, calls, and
 * turns what is returned, or yielded, into bytes, so that the edge only has to write them.
 */
export async function answerHttp(
  call: HttpCall,
  routes: readonly Route[],
  instance: Methods,
  served: ServedCall,
  clock: Clock,
): Promise<HttpReply | AsyncIterable<HttpStreamHead | Uint8Array>> {
  const route = routes[call.route];
  if (route === undefined) return answerFetch(call, instance, served, clock);
  const body = route.body === undefined ? call.body : await validate(route.body, call.body);
  const { params, query, headers } = call;
  const result = await instance[route.method]!(body, { params, query, headers });
  if (isAsyncIterable(result)) {
    const format = itemsFormat(headers["accept"]);
    // The head of a stream says nothing of its items: none is made for it.
    if (call.method === "HEAD") return { ...itemsHead(format, labels(served)), body: "" };
    const head = () => itemsHead(format, labels(served));
    return streamItems(result, route.method, head, lastEventId(headers["last-event-id"]));
  }
  const text = JSON.stringify(result === undefined ? null : result);
  if (text === undefined)
    throw new TuttiError("ApplicationError", `${route.method}() returned what is not JSON`);
  return {
    status: 200,
    contentType: "application/json; charset=utf-8",
    headers: {},
    setCookies: [],
    body: text,
    ...labels(served),
  };
}

async function answerFetch(
  call: HttpCall,
  instance: Methods,
  served: ServedCall,
  clock: Clock,
): Promise<HttpReply | BodyStream> {
  const hasBody = call.body instanceof Uint8Array && call.method !== "GET" && call.method !== "HEAD";
  const request = new Request(requestUrl(call), {
    method: call.method,
    headers: { ...call.headers },
    signal: served.signal,
    ...(hasBody ? { body: call.body as Uint8Array<ArrayBuffer> } : {}),
  });
  const response = await instance["fetch"]!(request);
  if (!(response instanceof Response)) {
    throw new TuttiError("ApplicationError", "fetch() did not return a Response");
  }
  const apart = ["content-type", "set-cookie"];
  const head = () => ({
    status: response.status,
    contentType: response.headers.get("content-type") ?? "",
    headers: Object.fromEntries([...response.headers].filter(([name]) => !apart.includes(name))),
    setCookies: response.headers.getSetCookie(),
    ...labels(served),
  });
  if (response.body === null) return { ...head(), body: "" };
  if (call.method === "HEAD") {
    await response.body.cancel();
    return { ...head(), body: "" };
  }
  const source = response.body.getReader();
  const { chunks, isWhole, reading } = await readAhead(source, clock);
  const ahead = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  if (isWhole) return { ...head(), body: ahead };
  return new BodyStream({ ...head(), format: "bytes" }, source, ahead, reading);
}

interface ReadAhead {
  readonly chunks: readonly Uint8Array[];
  readonly isWhole: boolean;
  readonly reading: Promise<BodyRead> | undefined;
}

/** Reads what is there: all of a body that was made at once, and what a stream has before this turn is over. */
async function readAhead(source: ReadableStreamDefaultReader<Uint8Array>, clock: Clock): Promise<ReadAhead> {
  const turnIsOver = new Promise<undefined>((resolve) => clock.onNextTurn(() => resolve(undefined)));
  const chunks: Uint8Array[] = [];
  for (let bytes = 0; bytes <= MAX_WHOLE_BYTES; ) {
    const reading = source.read();
    const result = await Promise.race([reading, turnIsOver]);
    if (result === undefined) return { chunks, isWhole: false, reading };
    if (result.done) return { chunks, isWhole: true, reading: undefined };
    chunks.push(bodyBytes(result.value));
    bytes += result.value.byteLength;
  }
  return { chunks, isWhole: false, reading: undefined };
}

/** The path is the client's as it came: `//x/y` is one too, which a URL relative to another would take for a host. */
function requestUrl({ url, headers }: HttpCall): URL {
  const base = `http://${headers["host"] ?? "localhost"}`;
  const full = URL.canParse(base) ? new URL(base) : new URL("http://localhost");
  const queryAt = url.indexOf("?");
  full.pathname = queryAt < 0 ? url : url.slice(0, queryAt);
  full.search = queryAt < 0 ? "" : url.slice(queryAt);
  return full;
}

async function validate(schema: StandardSchemaV1, value: unknown): Promise<unknown> {
  const checked = schema["~standard"].validate(value);
  const result = checked instanceof Promise ? await checked : checked;
  if (result.issues === undefined) return result.value;
  const [first] = result.issues;
  const keys = (first?.path ?? []).map((step) => String(typeof step === "object" ? step.key : step));
  const path = ["body", ...keys].join(".");
  throw new TuttiError("InvalidArgument", `${path}: ${first?.message ?? "not valid"}`, {
    path,
    started: "no",
  });
}

const labels = ({ degraded, stages }: ServedCall) => ({ degraded, stages });
