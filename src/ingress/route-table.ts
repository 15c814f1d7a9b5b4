import { TuttiError } from "../errors/tutti-error.ts";
import {
  type CompiledApplication,
  type CompiledRoute,
  compileApplication,
  HTTP_METHODS,
} from "./compiled-application.ts";
import type { ApplicationSpec } from "./ingress-target.ts";

export type RouteMatch =
  | {
      readonly kind: "route";
      readonly application: CompiledApplication;
      readonly route: CompiledRoute;
      readonly params: Readonly<Record<string, string>>;
    }
  | { readonly kind: "fetch"; readonly application: CompiledApplication }
  | { readonly kind: "wrong-method"; readonly allow: readonly string[] }
  | { readonly kind: "bad-path" }
  | { readonly kind: "not-found" };

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});
// Answered by the edge itself, whatever applications there are.
const RESERVED = ["/healthz", "/readyz", "/v2"];

/**
 * Which application and route a request belongs to. Immutable: a change of applications is a new table. Invariants:
 * - **RT1** The application is the one with the longest route that is a prefix of the path, by whole segments; there is no
 *   falling through to a shorter one.
 * - **RT2** Among its routes of the method, static text is preferred to a parameter, from left to right. `HEAD` is
 *   served by `GET` where it has no route of its own.
 * - **RT3** Two routes that could not be told apart do not compile.
 */
export class RouteTable {
  readonly #applications: ReadonlyMap<string, CompiledApplication>;

  private constructor(applications: ReadonlyMap<string, CompiledApplication>) {
    this.#applications = applications;
  }

  /** @throws TuttiError `InvalidOptions` or `DuplicateName`, naming the application and route. */
  static compile(specs: readonly ApplicationSpec[]): RouteTable {
    const byPrefix = new Map<string, CompiledApplication>();
    const names = new Set<string>();
    for (const spec of specs) {
      const application = compileApplication(spec);
      if (names.has(spec.name))
        throw new TuttiError("DuplicateName", `two applications have the name "${spec.name}"`);
      names.add(spec.name);
      const reserved = RESERVED.find((path) => spec.route === path || spec.route.startsWith(`${path}/`));
      if (reserved !== undefined) {
        throw new TuttiError(
          "InvalidOptions",
          `application "${spec.name}": the route ${spec.route} is reserved (${reserved})`,
        );
      }
      const other = byPrefix.get(application.prefix);
      if (other !== undefined) {
        throw new TuttiError(
          "DuplicateName",
          `applications "${other.name}" and "${spec.name}" have one route, ${spec.route}`,
        );
      }
      byPrefix.set(application.prefix, application);
    }
    return new RouteTable(byPrefix);
  }

  /** @param path without query, still percent-encoded. */
  find(method: string, path: string): RouteMatch {
    const application = this.#applicationOf(path);
    if (application === undefined) return { kind: "not-found" };
    if (application.kind === "fetch") {
      return HTTP_METHODS.includes(method)
        ? { kind: "fetch", application }
        : { kind: "wrong-method", allow: HTTP_METHODS };
    }
    const segments = splitPath(path.slice(application.prefix.length));
    return segments === undefined ? { kind: "bad-path" } : findRoute(application, method, segments);
  }

  #applicationOf(path: string): CompiledApplication | undefined {
    let prefix = path.endsWith("/") ? path.slice(0, -1) : path;
    for (;;) {
      const application = this.#applications.get(prefix);
      if (application !== undefined || prefix === "") return application;
      // A path always begins with "/"; anything else (such as "*") is nobody's.
      const slash = prefix.lastIndexOf("/");
      if (slash < 0) return undefined;
      prefix = prefix.slice(0, slash);
    }
  }
}

function findRoute(
  application: CompiledApplication,
  method: string,
  segments: readonly string[],
): RouteMatch {
  const captured: string[] = [];
  const route =
    application.tries.get(method)?.find(segments, captured) ??
    (method === "HEAD" ? application.tries.get("GET")?.find(segments, captured) : undefined);
  if (route !== undefined) return { kind: "route", application, route, params: bindParams(route, captured) };
  const allow = new Set<string>();
  for (const [other, trie] of application.tries) {
    if (trie.find(segments, captured) === undefined) continue;
    allow.add(other);
    if (other === "GET") allow.add("HEAD");
  }
  return allow.size === 0
    ? { kind: "not-found" }
    : { kind: "wrong-method", allow: [...allow.add("OPTIONS")].sort() };
}

function bindParams(route: CompiledRoute, captured: readonly string[]): Readonly<Record<string, string>> {
  if (captured.length === 0) return NO_PARAMS;
  const params: Record<string, string> = {};
  route.paramNames.forEach((name, i) => {
    params[name] = captured[i] ?? "";
  });
  return params;
}

/** Segments, decoded one by one so that an encoded "/" stays inside its own; `undefined` if one does not decode. */
function splitPath(rest: string): readonly string[] | undefined {
  if (rest === "" || rest === "/") return [];
  const segments = rest.slice(1).split("/");
  if (!rest.includes("%")) return segments;
  try {
    return segments.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
