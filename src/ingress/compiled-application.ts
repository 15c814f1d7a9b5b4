import { TuttiError } from "../errors/tutti-error.ts";
import { type CompiledFallback, compileFallback } from "./fallback.ts";
import type { ApplicationSpec, CallTarget, RequestStats, RouteSpec } from "./ingress-target.ts";
import { type PathSegment, parsePathPattern, parseRoutePrefix } from "./path-pattern.ts";
import { PathTrie } from "./path-trie.ts";

/** Methods a route may have, and a `fetch` application takes. `Request` refuses CONNECT and TRACE. */
export const HTTP_METHODS: readonly string[] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

export interface CompiledRoute {
  /** Method and whole path as declared, e.g. `POST /offers/:game`: how it is called in records. */
  readonly label: string;
  /** Place in the application's `routes`. */
  readonly index: number;
  readonly spec: RouteSpec;
  readonly pattern: readonly PathSegment[];
  readonly paramNames: readonly string[];
  readonly fallback: CompiledFallback | undefined;
}

export interface CompiledApplication {
  readonly name: string;
  readonly kind: "routes" | "fetch";
  /** How requests of a `fetch` application are called in records. */
  readonly label: string;
  /** The route, "" for `/`. */
  readonly prefix: string;
  readonly deadlineMs: number;
  readonly tries: ReadonlyMap<string, PathTrie<CompiledRoute>>;
  readonly target: CallTarget;
  /** Of the requests at its route. */
  readonly weight: number;
  readonly stats: RequestStats | undefined;
}

/** @param target serves it, unless it says who does. */
export function compileApplication(spec: ApplicationSpec, target: CallTarget): CompiledApplication {
  const where = `application "${spec.name}"`;
  if (spec.name === "") throw new TuttiError("InvalidOptions", `${where}: expected a name that is not empty`);
  if (!Number.isFinite(spec.deadlineMs) || spec.deadlineMs <= 0) {
    throw new TuttiError(
      "InvalidOptions",
      `${where}: deadlineMs must be a positive number, got ${spec.deadlineMs}`,
    );
  }
  const prefix = parseRoutePrefix(spec.route, where);
  const tries = new Map<string, PathTrie<CompiledRoute>>();
  spec.routes.forEach((route, index) => {
    addRoute(tries, compileRoute(route, index, prefix, where), where);
  });
  return {
    name: spec.name,
    kind: spec.kind,
    label: `${prefix}/*`,
    prefix,
    deadlineMs: spec.deadlineMs,
    tries,
    target: spec.serving?.target ?? target,
    weight: spec.serving?.weight ?? 1,
    stats: spec.serving?.stats,
  };
}

function compileRoute(spec: RouteSpec, index: number, prefix: string, application: string): CompiledRoute {
  const where = `${application}: route "${spec.method} ${spec.path}"`;
  if (!HTTP_METHODS.includes(spec.method)) {
    throw new TuttiError(
      "InvalidOptions",
      `${where}: unknown method; expected one of ${HTTP_METHODS.join(", ")}`,
    );
  }
  const pattern = parsePathPattern(spec.path, where);
  const paramNames = pattern.flatMap((s) => (s.kind === "param" ? [s.name] : []));
  const fallback =
    spec.fallback === undefined
      ? undefined
      : compileFallback(spec.fallback, paramNames, `${where}: fallback`);
  const label = `${spec.method} ${spec.path === "/" && prefix !== "" ? prefix : prefix + spec.path}`;
  return { label, index, spec, pattern, paramNames, fallback };
}

function addRoute(tries: Map<string, PathTrie<CompiledRoute>>, route: CompiledRoute, where: string): void {
  const { method, path } = route.spec;
  const trie = tries.get(method) ?? new PathTrie<CompiledRoute>();
  tries.set(method, trie);
  const other = trie.add(route.pattern, route);
  if (other !== undefined) {
    throw new TuttiError(
      "DuplicateName",
      `${where}: routes "${method} ${other.spec.path}" and "${method} ${path}" match the same paths`,
    );
  }
}
