import type { IncomingHttpHeaders } from "node:http";
import { TuttiError } from "../errors/tutti-error.ts";
import type { RequestPriority } from "../policy/admit.ts";
import type { CompiledApplication, CompiledRoute } from "./compiled-application.ts";
import { refuseMediaType } from "./media-type.ts";
import type { RequestHead } from "./request-head.ts";
import type { RouteTable } from "./route-table.ts";

/** What is to be done with a request, decided from its head alone. */
export type RequestPlan =
  | {
      readonly kind: "call";
      readonly application: CompiledApplication;
      /** `undefined` for a `fetch` application. */
      readonly route: CompiledRoute | undefined;
      readonly params: Readonly<Record<string, string>>;
      /** From the whole request received to the answer. */
      readonly timeoutMs: number;
      readonly priority: RequestPriority;
    }
  | { readonly kind: "health" | "readiness" }
  | { readonly kind: "options"; readonly allow: string }
  /** What is not served; whether it will be is not known here. */
  | { readonly kind: "not-found"; readonly error: TuttiError }
  | { readonly kind: "refuse"; readonly error: TuttiError; readonly allow?: string };

export type CallPlan = Extract<RequestPlan, { kind: "call" }>;

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});
const SYSTEM_METHODS = ["GET", "HEAD", "OPTIONS"];

export function planRequest(table: RouteTable, request: RequestHead, maxUrlBytes: number): RequestPlan {
  const { headers, method = "GET", url = "/" } = request;
  if (url.length > maxUrlBytes) {
    return refuse(
      new TuttiError("HeaderTooLarge", `the URL is longer than ${maxUrlBytes} bytes`, {
        status: 414,
        path: "url",
      }),
    );
  }
  // Node's own check for this answers without a body, so it is off.
  if (headers.host === undefined && request.httpVersion === "1.1") {
    return refuse(
      new TuttiError("InvalidArgument", "HTTP/1.1 asks for a host header", { path: "headers.host" }),
    );
  }
  const path = pathOf(url);
  if (path === "/healthz" || path === "/readyz") return planSystem(path, method);
  if (path === "*") return { kind: "options", allow: SYSTEM_METHODS.join(", ") };
  const match = table.find(method, path);
  switch (match.kind) {
    case "route":
      return planCall(match.application, match.route, match.params, headers);
    case "fetch":
      return planCall(match.application, undefined, NO_PARAMS, headers);
    case "wrong-method":
      return wrongMethod(method, path, match.allow);
    case "bad-path":
      return refuse(
        new TuttiError("InvalidArgument", "the path is not validly percent-encoded", { path: "url" }),
      );
    case "not-found":
      return {
        kind: "not-found",
        error: new TuttiError("NotFound", `nothing is served at ${method} ${path.slice(0, 200)}`),
      };
  }
}

/** Path without query; a proxy's absolute form (`http://host/path`) is taken, as RFC 9112 asks. */
export function pathOf(url: string): string {
  const query = url.indexOf("?");
  const path = query < 0 ? url : url.slice(0, query);
  if (path.startsWith("/") || !path.includes("://")) return path;
  const slash = path.indexOf("/", path.indexOf("://") + 3);
  return slash < 0 ? "/" : path.slice(slash);
}

function planSystem(path: "/healthz" | "/readyz", method: string): RequestPlan {
  if (method === "GET" || method === "HEAD") return { kind: path === "/healthz" ? "health" : "readiness" };
  return wrongMethod(method, path, SYSTEM_METHODS);
}

function planCall(
  application: CompiledApplication,
  route: CompiledRoute | undefined,
  params: Readonly<Record<string, string>>,
  headers: IncomingHttpHeaders,
): RequestPlan {
  if (route?.spec.takesBody) {
    const refused = refuseMediaType(headers["content-type"], headers["content-encoding"]);
    if (refused !== undefined) return refuse(refused);
  }
  const timeoutMs = timeoutOf(headers["x-request-timeout-ms"], application.deadlineMs);
  if (typeof timeoutMs !== "number") return refuse(timeoutMs);
  const priority = priorityOf(headers["x-tutti-priority"], route?.spec.priority ?? "high");
  if (priority instanceof TuttiError) return refuse(priority);
  return { kind: "call", application, route, params, timeoutMs, priority };
}

/** A client may say that its request matters less than the route says, not that it matters more: all would. */
function priorityOf(
  header: string | string[] | undefined,
  ofRoute: RequestPriority,
): RequestPriority | TuttiError {
  if (header === undefined || header === "high") return ofRoute;
  if (header === "low") return "low";
  const came = JSON.stringify(String(header).slice(0, 50));
  return new TuttiError("InvalidArgument", `x-tutti-priority: expected high or low, got ${came}`, {
    path: "headers.x-tutti-priority",
  });
}

function timeoutOf(header: string | string[] | undefined, applicationMs: number): number | TuttiError {
  if (header === undefined) return applicationMs;
  const ms = typeof header === "string" && /^\d+(\.\d+)?$/.test(header) ? Number(header) : Number.NaN;
  if (ms > 0) return Math.min(ms, applicationMs);
  const came = JSON.stringify(String(header).slice(0, 50));
  return new TuttiError(
    "InvalidArgument",
    `x-request-timeout-ms: expected a positive number of milliseconds, got ${came}`,
    {
      path: "headers.x-request-timeout-ms",
    },
  );
}

function wrongMethod(method: string, path: string, allowed: readonly string[]): RequestPlan {
  const allow = allowed.join(", ");
  if (method === "OPTIONS") return { kind: "options", allow };
  return refuse(
    new TuttiError(
      "MethodNotAllowed",
      `${method} is not allowed at ${path.slice(0, 200)}; allowed: ${allow}`,
    ),
    allow,
  );
}

function refuse(error: TuttiError, allow?: string): RequestPlan {
  return allow === undefined ? { kind: "refuse", error } : { kind: "refuse", error, allow };
}

/** What a request that is meant for an application is counted as. */
export const labelOf = ({ route, application }: CallPlan): string => route?.label ?? application.label;
