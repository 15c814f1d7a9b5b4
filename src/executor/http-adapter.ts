import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { HttpCall, HttpReply } from "../api/http-call.ts";
import type { Route } from "../api/http-routes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { ServedCall } from "./served-call.ts";

/** The ingress class's instance, seen by name. */
export type Methods = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** A larger answer of `fetch` fails: it is held in memory whole. */
const MAX_FETCH_BODY_BYTES = 16 * 1024 * 1024;

/**
 * Answers an HTTP request with a method of the ingress class: validates the body by the route's schema, calls, and
 * turns what is returned into bytes, so that the edge only has to write them.
 */
export async function answerHttp(
  call: HttpCall,
  routes: readonly Route[],
  instance: Methods,
  served: ServedCall,
): Promise<HttpReply> {
  const route = routes[call.route];
  if (route === undefined) return answerFetch(call, instance, served);
  const body = route.body === undefined ? call.body : await validate(route.body, call.body);
  const { params, query, headers } = call;
  const result = await instance[route.method]!(body, { params, query, headers });
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

async function answerFetch(call: HttpCall, instance: Methods, served: ServedCall): Promise<HttpReply> {
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
  const bytes = await readBounded(response);
  const apart = ["content-type", "set-cookie"];
  return {
    status: response.status,
    contentType: response.headers.get("content-type") ?? "",
    headers: Object.fromEntries([...response.headers].filter(([name]) => !apart.includes(name))),
    setCookies: response.headers.getSetCookie(),
    body: bytes,
    ...labels(served),
  };
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

async function readBounded(response: Response): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > MAX_FETCH_BODY_BYTES) {
      throw new TuttiError(
        "ApplicationError",
        `fetch() answered with more than ${MAX_FETCH_BODY_BYTES} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
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
