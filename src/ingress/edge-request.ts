import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { parse as parseQuery } from "node:querystring";
import type { EdgeRequest } from "./ingress-target.ts";
import type { RequestPlan } from "./request-plan.ts";

type CallPlan = Extract<RequestPlan, { kind: "call" }>;
type FlatHeaders = Readonly<Record<string, string>>;

const NO_QUERY: EdgeRequest["query"] = Object.freeze({});

export function edgeRequest(
  request: IncomingMessage,
  requestId: string,
  plan: CallPlan,
  body: unknown,
  lean: boolean,
  deadlineAtMs: number,
): EdgeRequest {
  const { url = "/", method = "GET" } = request;
  return {
    requestId,
    application: plan.application.name,
    routeIndex: plan.route === undefined ? -1 : plan.route.index,
    method,
    url,
    params: plan.params,
    query: queryOf(url),
    headers: flatHeaders(request.headers),
    body,
    priority: plan.priority,
    lean,
    deadlineAtMs,
  };
}

function queryOf(url: string): EdgeRequest["query"] {
  const at = url.indexOf("?");
  if (at < 0 || at === url.length - 1) return NO_QUERY;
  const query: Record<string, string | string[]> = {};
  // No bound on keys: the URL's length bounds them. Own properties only, or `__proto__` would be a setter.
  for (const [key, value] of Object.entries(parseQuery(url.slice(at + 1), "&", "=", { maxKeys: 0 }))) {
    if (value !== undefined && key !== "__proto__") query[key] = value;
  }
  return query;
}

/** Node joins repeated headers itself; only `set-cookie`, which no request should have, comes as a list. */
function flatHeaders(headers: IncomingHttpHeaders): FlatHeaders {
  if (isFlat(headers)) return headers;
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = typeof value === "string" ? value : value.join("; ");
  }
  return flat;
}

function isFlat(headers: IncomingHttpHeaders): headers is FlatHeaders {
  return headers["set-cookie"] === undefined;
}
