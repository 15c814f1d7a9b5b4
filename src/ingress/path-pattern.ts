import { TuttiError } from "../errors/tutti-error.ts";

export type PathSegment =
  | { readonly kind: "static"; readonly text: string }
  | { readonly kind: "param"; readonly name: string };

const PARAM = /^:[A-Za-z_][A-Za-z0-9_]*$/;
// What RFC 3986 allows in a segment, without the percent sign: patterns are written decoded.
const STATIC = /^[A-Za-z0-9\-._~!$&'()+,;=@]+$/;

/**
 * Parses `/static/:param/...`. `/` has no segments.
 *
 * @param where names the culprit in errors, e.g. `application "offers": route "POST /:game"`.
 */
export function parsePathPattern(path: string, where: string): readonly PathSegment[] {
  if (path === "/") return [];
  if (!path.startsWith("/")) throw bad(where, `a path begins with "/", got ${JSON.stringify(path)}`);
  const segments = path
    .slice(1)
    .split("/")
    .map((text) => parseSegment(text, path, where));
  const names = segments.flatMap((segment) => (segment.kind === "param" ? [segment.name] : []));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw bad(where, `the parameter :${twice} occurs twice in ${path}`);
  return segments;
}

/** A prefix: as a pattern, but without parameters. Returns it as it is compared, with "" for `/`. */
export function parseRoutePrefix(route: string, where: string): string {
  const segments = parsePathPattern(route, where);
  if (segments.some((segment) => segment.kind === "param")) {
    throw bad(where, `an application's route has no parameters, got ${JSON.stringify(route)}`);
  }
  return route === "/" ? "" : route;
}

function parseSegment(text: string, path: string, where: string): PathSegment {
  if (text === "") throw bad(where, `empty segment or trailing "/" in ${JSON.stringify(path)}`);
  if (text === "." || text === "..") throw bad(where, `"${text}" is not allowed in ${JSON.stringify(path)}`);
  if (PARAM.test(text) && text !== ":__proto__") return { kind: "param", name: text.slice(1) };
  if (STATIC.test(text)) return { kind: "static", text };
  throw bad(
    where,
    `segment ${JSON.stringify(text)} of ${JSON.stringify(path)} is neither plain text nor ":name"`,
  );
}

function bad(where: string, what: string): TuttiError {
  return new TuttiError("InvalidOptions", `${where}: ${what}`);
}
