import type { StandardSchemaV1 } from "@standard-schema/spec";
import { checkKeys, finiteNumber } from "../config/check-options.ts";
import { APPLICATION_NAME, ROUTE } from "../config/names.ts";
import {
  type ResolvedRoutingOptions,
  type RoutingOptions,
  resolveRoutingOptions,
} from "../config/routing-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { type BoundDeployment, bindingOf, type ClassBinding } from "./binding.ts";
import { type Fallback, parseRoutes, type Route } from "./http-routes.ts";

type MethodOf<T> = {
  [K in keyof T]: K extends string ? (T[K] extends (...args: never) => unknown ? K : never) : never;
}[keyof T];

/** One HTTP route: the method of the ingress class that answers it, or that and more. */
export type RouteOptions<T> =
  | MethodOf<T>
  | {
      readonly method: MethodOf<T>;
      /** Any Standard Schema; the method gets what it returns. Without one the body is taken as it came. */
      readonly body?: StandardSchemaV1;
      /** Served by the edge when the application cannot answer, or not in time. */
      readonly fallback?: Fallback;
      /** `low`: refused before others when there is too much to do. Default `high`. */
      readonly priority?: "high" | "low";
    };

export interface ApplicationOptions<T> {
  readonly name: string;
  /** Prefix of all its paths. Default `/`. */
  readonly route?: string;
  /** Default "1". */
  readonly version?: string;
  /** From a request's arrival to its answer. Default 30,000. */
  readonly deadlineMs?: number;
  readonly ingress: BoundDeployment<T>;
  /** `"METHOD /path/:param"` to a method, which gets `(body, { params, query, headers })`. Without it the ingress class has `fetch`. */
  readonly http?: { readonly [route: string]: RouteOptions<NoInfer<T>> };
  /** How its calls are routed, and what is done about those that take too long or fail. */
  readonly routing?: RoutingOptions;
}

/** A graph of deployments with one ingress; versioned as a whole. The default export of an application module. */
export interface Application {
  readonly kind: "tutti-application";
  readonly name: string;
  readonly route: string;
  readonly version: string;
  readonly deadlineMs: number;
  readonly ingress: ClassBinding;
  readonly routes: readonly Route[];
  readonly routing: ResolvedRoutingOptions;
}

const OPTION_NAMES = ["name", "route", "version", "deadlineMs", "ingress", "http", "routing"];

/** @throws TuttiError `InvalidOptions` or `DuplicateName` naming the option or the route. */
export function application<T>(options: ApplicationOptions<T>): Application {
  checkKeys("application", options, OPTION_NAMES);
  const { name, route = "/", version = "1" } = options;
  if (typeof name !== "string" || !APPLICATION_NAME.test(name)) {
    throw new TuttiError(
      "InvalidOptions",
      `application: name must be 1 to 64 letters, digits, . _ or -, got ${name}`,
    );
  }
  if (!ROUTE.test(route)) {
    throw new TuttiError(
      "InvalidOptions",
      `application ${name}: route must be a path such as /offers, got ${route}`,
    );
  }
  const ingress = bindingOf(options.ingress);
  if (ingress === undefined || ingress.kind !== "class") {
    throw new TuttiError(
      "InvalidOptions",
      `application ${name}: ingress must be deployment(Class).bind(...)`,
    );
  }
  const routes = parseRoutes(name, options.http ?? {}, ingress);
  if (routes.length === 0 && !("fetch" in ingress.deployedClass.prototype)) {
    throw new TuttiError(
      "InvalidOptions",
      `application ${name}: give http routes, or let ${ingress.name} have a method fetch(request)`,
    );
  }
  const deadlineMs = finiteNumber(`application ${name}: deadlineMs`, options.deadlineMs, {
    default: 30_000,
    min: 1,
  });
  const made: Application = Object.freeze({
    kind: "tutti-application",
    name,
    route,
    version: String(version),
    deadlineMs,
    ingress,
    routes,
    routing: resolveRoutingOptions(options.routing),
  });
  applications.add(made);
  return made;
}

/** An object that looks right but comes from another copy of this package has handles that nothing here knows. */
const applications = new WeakSet<object>();

export function isApplication(value: unknown): value is Application {
  return typeof value === "object" && value !== null && applications.has(value);
}
