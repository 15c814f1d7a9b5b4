import type { StandardSchemaV1 } from "@standard-schema/spec";
import { checkKeys, describe, oneOf } from "../config/check-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { RequestPriority } from "../policy/admit.ts";
import type { ClassBinding } from "./binding.ts";
import { methodNames } from "./method-names.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * An answer as data. Strings that are exactly `$requestId`, `$latencyMs`, `$reason`, `$params.<name>` or
 * `$body.<field>` are replaced; `byParam` chooses a body by the value of a path parameter.
 */
export type Fallback =
  | { readonly status?: number; readonly body: Json }
  | {
      readonly status?: number;
      readonly byParam: string;
      readonly bodies: { readonly [value: string]: Json };
    };

export interface Route {
  readonly httpMethod: string;
  readonly path: string;
  readonly method: string;
  readonly body: StandardSchemaV1 | undefined;
  readonly fallback: Fallback | undefined;
  readonly priority: RequestPriority;
}

const HTTP_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** `"POST /:game": "offer"` and its longer form, checked against the class that is to answer. */
export function parseRoutes(application: string, http: object, ingress: ClassBinding): Route[] {
  const routes: Route[] = [];
  const seen = new Set<string>();
  const known = methodNames(ingress.deployedClass.prototype);
  for (const [key, value] of Object.entries(http)) {
    const where = `application ${application}: http "${key}"`;
    const match = /^([A-Z]+) (\/\S*)$/.exec(key);
    const httpMethod = match?.[1] ?? "";
    const path = match?.[2] ?? "";
    if (!HTTP_METHODS.includes(httpMethod)) {
      throw new TuttiError(
        "InvalidOptions",
        `${where}: expected "METHOD /path" with ${HTTP_METHODS.join(", ")}`,
      );
    }
    const shape = `${httpMethod} ${path.replaceAll(/:[^/]+/g, ":")}`;
    if (seen.has(shape))
      throw new TuttiError("DuplicateName", `${where}: another route matches the same requests`);
    seen.add(shape);
    routes.push({ httpMethod, path, ...parseTarget(where, value, known) });
  }
  return routes;
}

function parseTarget(
  where: string,
  value: unknown,
  known: readonly string[],
): Pick<Route, "method" | "body" | "fallback" | "priority"> {
  const target = typeof value === "string" ? { method: value } : value;
  if (typeof target !== "object" || target === null) {
    throw new TuttiError(
      "InvalidOptions",
      `${where}: expected a method's name or { method }, got ${describe(value)}`,
    );
  }
  checkKeys(where, target, ["method", "body", "fallback", "priority"]);
  const { method, body, fallback, priority } = target as {
    method?: unknown;
    priority?: unknown;
    body?: StandardSchemaV1;
    fallback?: Fallback;
  };
  if (typeof method !== "string" || !known.includes(method)) {
    throw new TuttiError(
      "InvalidOptions",
      `${where}: no method ${describe(method)}; there are: ${known.join(", ")}`,
    );
  }
  if (body !== undefined && typeof body?.["~standard"]?.validate !== "function") {
    throw new TuttiError(
      "InvalidOptions",
      `${where}: body is not a Standard Schema (zod, valibot, arktype …)`,
    );
  }
  return {
    method,
    body,
    fallback,
    priority: oneOf(`${where}: priority`, priority, ["high", "low"], "high"),
  };
}
