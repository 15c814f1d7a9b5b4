import { TuttiError } from "../errors/tutti-error.ts";
import {
  type CompiledApplication,
  type CompiledRoute,
  compileApplication,
  HTTP_METHODS,
} from "./compiled-application.ts";
import type { ApplicationSpec, CallTarget } from "./ingress-target.ts";

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
 * - **RT4** Of several versions of one application at one route each gets its share of the requests; which one is drawn once for a
 *   request, and everything about that request is then this version's (D9).
 */
export class RouteTable {
  readonly #places: ReadonlyMap<string, Place>;
  readonly #random: () => number;

  private constructor(places: ReadonlyMap<string, Place>, random: () => number) {
    this.#places = places;
    this.#random = random;
  }

  /** No application is served at all. */
  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  /**
   * @param target serves what does not say who serves it.
   * @param random in [0, 1); draws versions.
   * @throws TuttiError `InvalidOptions` or `DuplicateName`, naming the application and route.
   */
  static compile(
    specs: readonly ApplicationSpec[],
    target: CallTarget,
    random: () => number = Math.random,
  ): RouteTable {
    const places = new Map<string, Place>();
    const names = new Set<string>();
    for (const spec of specs) {
      const application = compileApplication(spec, target);
      // Versions that say who serves them may share a name, and their label too: their options alone may differ.
      if (spec.serving === undefined && names.has(spec.name))
        throw new TuttiError("DuplicateName", `two applications have the name "${spec.name}"`);
      names.add(spec.name);
      const reserved = RESERVED.find((path) => spec.route === path || spec.route.startsWith(`${path}/`));
      if (reserved !== undefined) {
        throw new TuttiError(
          "InvalidOptions",
          `application "${spec.name}": the route ${spec.route} is reserved (${reserved})`,
        );
      }
      const place = places.get(application.prefix);
      if (place !== undefined && place.first.name !== spec.name) {
        throw new TuttiError(
          "DuplicateName",
          `applications "${place.first.name}" and "${spec.name}" have one route, ${spec.route}`,
        );
      }
      if (place === undefined) places.set(application.prefix, { first: application, others: undefined });
      else places.set(application.prefix, { ...place, others: [...(place.others ?? []), application] });
    }
    return new RouteTable(places, random);
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
      const place = this.#places.get(prefix);
      if (place !== undefined) return place.others === undefined ? place.first : this.#draw(place);
      if (prefix === "") return undefined;
      // A path always begins with "/"; anything else (such as "*") is nobody's.
      const slash = prefix.lastIndexOf("/");
      if (slash < 0) return undefined;
      prefix = prefix.slice(0, slash);
    }
  }

  /** RT4 */
  #draw({ first, others = [] }: Place): CompiledApplication {
    let rest = this.#random() - first.weight;
    if (rest < 0) return first;
    for (const application of others) {
      rest -= application.weight;
      if (rest < 0) return application;
    }
    return others.at(-1) ?? first;
  }
}

/** What is at one route: one version as a rule, several while one takes over from another. */
interface Place {
  readonly first: CompiledApplication;
  readonly others: readonly CompiledApplication[] | undefined;
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
