import { systemClock } from "../clock/clock.ts";
import type { ResolvedDeploymentOptions } from "../config/deployment-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { NO_STATS } from "../wire/messages.ts";
import type { CallPort } from "./call-port.ts";
import type { Handle } from "./handle.ts";
import { createHandle, handleTarget } from "./handle-proxy.ts";
import { streamNames } from "./method-names.ts";

/** A deployment with its constructor arguments: a node of the application's graph. */
export type Binding = ClassBinding | ModelBinding;

export interface ClassBinding {
  readonly kind: "class";
  readonly name: string;
  readonly options: ResolvedDeploymentOptions;
  readonly deployedClass: DeployableClass;
  readonly args: readonly unknown[];
}

export interface ModelBinding {
  readonly kind: "model";
  readonly name: string;
  readonly options: ResolvedDeploymentOptions;
  readonly path: string;
  /** Rows in one run, at most. */
  readonly maxBatchRows: number;
  /** Passed on to the session as they are. */
  readonly session: Readonly<Record<string, unknown>>;
}

/** A class as the runtime sees it: what its constructor takes was checked when it was bound. */
export interface DeployableClass {
  readonly name: string;
  readonly prototype: object;
  new (...args: never): object;
  create?(...args: never): Promise<object> | object;
}

declare const boundDeployment: unique symbol;

/**
 * A deployment that was given its arguments. Stands where a constructor wants a `Handle<T>`; calling it before the
 * application runs rejects with `NotRunning`.
 */
export type BoundDeployment<T> = Handle<T> & { readonly [boundDeployment]: T };

const NO_STREAMS: ReadonlySet<string> = new Set();

const bindings = new WeakMap<object, Binding>();

const notRunning: CallPort = {
  clock: systemClock,
  dispatch: (call) => {
    const error = notRunningYet(`${call.deployment}.${call.method}()`);
    queueMicrotask(() => call.onEnd({ ok: false, error }, NO_STATS));
    return { cancel: () => {} };
  },
  dispatchStream: (call) => ({ ...notRunning.dispatch(call), grant: () => {} }),
  dispatchMany: (call) => {
    call.deployments.forEach((deployment, member) => {
      const error = notRunningYet(`${deployment}.${call.method}()`);
      queueMicrotask(() => call.onEnd(member, { ok: false, error }, NO_STATS));
    });
    return { cancel: () => {} };
  },
};

function notRunningYet(what: string): TuttiError {
  return new TuttiError("NotRunning", `${what} was called, but its application is not running yet`, {
    started: "no",
  });
}

export function bindDeployment<T>(binding: Binding): BoundDeployment<T> {
  const handle = createHandle<T>({
    deployment: binding.name,
    port: notRunning,
    options: {},
    streams: streamsOf(binding),
  });
  bindings.set(handle, binding);
  // The brand exists only for the compiler.
  return handle as BoundDeployment<T>;
}

/** Its methods whose handles give streams; a model has none. */
export function streamsOf(binding: Binding): ReadonlySet<string> {
  return binding.kind === "class" ? new Set(streamNames(binding.deployedClass.prototype)) : NO_STREAMS;
}

export function bindingOf(value: unknown): Binding | undefined {
  return typeof value === "object" && value !== null ? bindings.get(value) : undefined;
}

/** Replaces bound deployments by live handles in constructor arguments: alone, in lists and in plain objects. */
export function mapBindings(value: unknown, replace: (binding: Binding) => unknown): unknown {
  const binding = bindingOf(value);
  if (binding !== undefined) return replace(binding);
  const copy = handleTarget(value);
  if (copy !== undefined) {
    const message = `${copy.deployment}: bind the deployment itself, and use with(...) where its handle is called`;
    throw new TuttiError("InvalidOptions", message);
  }
  if (Array.isArray(value)) return value.map((item) => mapBindings(item, replace));
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapBindings(item, replace)]));
  }
  return value;
}
