import {
  CODE_DEFAULTS,
  type DeploymentOptions,
  resolveDeploymentOptions,
} from "../config/deployment-options.ts";
import { DEPLOYMENT_NAME } from "../config/names.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { type BoundDeployment, bindDeployment, type DeployableClass } from "./binding.ts";
import { methodNames } from "./method-names.ts";
import { HANDLE_NAMES } from "./reserved-names.ts";

/** What the class's `static async create` takes, or else its constructor. */
export type BindArguments<C> = C extends { create(...args: infer A): unknown }
  ? A
  : C extends new (
        ...args: infer A
      ) => object
    ? A
    : never;

/** The instances of a class that can be deployed. */
export type InstanceOf<C> = C extends new (...args: never) => infer T ? T : never;

export interface Deployment<C> {
  /** Gives the class its constructor arguments; bound deployments stand for handles of them. */
  bind(...args: BindArguments<C>): BoundDeployment<InstanceOf<C>>;
}

/**
 * A class as a deployment, scaled by itself.
 *
 * The class may have `static async create(...)` in the constructor's place, and the hooks `reconfigure(userConfig)`,
 * `checkHealth()` (throws when unhealthy) and `[Symbol.asyncDispose]()`.
 *
 * @throws TuttiError `InvalidOptions` when an option is unknown or out of range, or a method has a reserved name.
 */
export function deployment<C extends new (...args: never) => object>(
  deployedClass: C,
  options: DeploymentOptions = {},
): Deployment<C> {
  if (typeof deployedClass !== "function" || deployedClass.prototype === undefined) {
    throw new TuttiError("InvalidOptions", "deployment: the first argument is a class");
  }
  const name = checkDeploymentName(options.name ?? deployedClass.name);
  const resolved = resolveDeploymentOptions(name, options, CODE_DEFAULTS);
  for (const method of methodNames(deployedClass.prototype)) {
    if (HANDLE_NAMES.has(method)) {
      throw new TuttiError(
        "InvalidOptions",
        `deployment ${name}: ${method} is a reserved method name; rename it`,
      );
    }
  }
  return {
    bind: (...args) =>
      bindDeployment({
        kind: "class",
        name,
        options: resolved,
        deployedClass: deployedClass as unknown as DeployableClass,
        args,
      }),
  };
}

export function checkDeploymentName(name: unknown): string {
  if (typeof name === "string" && DEPLOYMENT_NAME.test(name)) return name;
  throw new TuttiError(
    "InvalidOptions",
    `deployment: a name has 1 to 128 letters, digits, dots, dashes or underscores, got ${JSON.stringify(name)}; ` +
      "an anonymous class needs the option name",
  );
}
