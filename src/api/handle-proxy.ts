import { TuttiError } from "../errors/tutti-error.ts";
import type { CallPlace, CallSpan, CallStatus } from "../observe/call-group.ts";
import type { CallOutcome, CallStats } from "../wire/messages.ts";
import type { CallPort, PendingCall, RequestScope } from "./call-port.ts";
import { currentContext, type TracedContext } from "./context.ts";
import type { CallOptions, Handle } from "./handle.ts";
import { RemoteStream } from "./remote-stream.ts";
import { LIFECYCLE_HOOKS } from "./reserved-names.ts";

/** What is behind a handle: where its calls go. Read by `ensemble`, which calls many at once. */
export interface HandleTarget {
  readonly deployment: string;
  readonly port: CallPort;
  readonly options: CallOptions;
  /** Of the application that the handle belongs to; undefined for one that is not running. */
  readonly version?: string;
  /** Methods that answer by a stream. Default none. */
  readonly streams?: ReadonlySet<string>;
}

const targets = new WeakMap<object, HandleTarget>();

/** Calls outside of a request (a start-up hook, a script) get this deadline, since no wait is without one. */
const DEFAULT_DEADLINE_MS = 30_000;
const CALL_OPTION_NAMES: ReadonlySet<string> = new Set(["deadlineMs", "hedge", "priority", "signal"]);

let detachedCalls = 0;

export function handleTarget(handle: unknown): HandleTarget | undefined {
  return typeof handle === "object" && handle !== null ? targets.get(handle) : undefined;
}

/** The scope in which a call through a handle is made: the request's, narrowed by the handle's options. */
export function callScope({ options, port }: Pick<HandleTarget, "options" | "port">): RequestScope {
  const current = currentContext();
  let deadlineAtMs = current?.deadlineAtMs ?? port.clock.now() + DEFAULT_DEADLINE_MS;
  if (options.deadlineMs !== undefined)
    deadlineAtMs = Math.min(deadlineAtMs, port.clock.now() + options.deadlineMs);
  return {
    requestId: current?.requestId ?? `detached-${++detachedCalls}`,
    deadlineAtMs,
    priority: options.priority ?? current?.priority ?? 1,
    lean: current?.lean ?? false,
  };
}

/**
 * Builds a handle. The cast is this file's job: the proxy makes real what `Handle<T>` says, method by method, and
 * knows nothing of `T` at run time.
 */
export function createHandle<T>(target: HandleTarget): Handle<T> {
  const methods = new Map<string, unknown>();
  const proxy = new Proxy(Object.create(null) as object, {
    get: (_, name) => {
      // `await handle` and promise resolution look for `then`: a handle is not a promise.
      // Neither is it data, so that logging one makes no calls.
      if (typeof name === "symbol" || name === "then" || name === "toJSON") return undefined;
      let method = methods.get(name);
      if (method === undefined) {
        method = name === "with" ? withOptions : remoteMethod(target, name);
        methods.set(name, method);
      }
      return method;
    },
    set: (_, name) => {
      throw new TypeError(`a handle cannot be changed: ${String(name)}`);
    },
  });
  const withOptions = (options: CallOptions) =>
    createHandle<T>({ ...target, options: { ...target.options, ...checkCallOptions(options) } });
  targets.set(proxy, target);
  return proxy as Handle<T>;
}

function remoteMethod(target: HandleTarget, method: string): (...args: unknown[]) => unknown {
  if (LIFECYCLE_HOOKS.has(method)) {
    // Not on access: whatever prints or compares objects looks at their `constructor`.
    return () => {
      throw new TuttiError("InvalidArgument", `${method} is called by the runtime, not through a handle`);
    };
  }
  if (target.streams?.has(method)) {
    return (...args) => {
      const { deployment, port, options } = target;
      const served = currentContext();
      return new RemoteStream({
        port,
        // Of the moment of the call, though the call is made when the stream is first read.
        call: { ...callScope(target), deployment, method, args, hedge: false },
        signal: options.signal,
        served,
        begin: () => (served === undefined ? undefined : callNoter(target, method, served)),
      });
    };
  }
  return (...args) =>
    new Promise((resolve, reject) => {
      const { signal } = target.options;
      if (signal?.aborted)
        return reject(new TuttiError("Cancelled", "the signal was aborted", { started: "no" }));
      const served = currentContext();
      if (served?.abortReason !== undefined) {
        const { code, message } = served.abortReason;
        return reject(new TuttiError(code, message, { started: "no" }));
      }
      const noteCall = served === undefined ? undefined : callNoter(target, method, served);
      let pending: PendingCall | undefined;
      const onAbort = () => pending?.cancel();
      pending = target.port.dispatch({
        ...callScope(target),
        deployment: target.deployment,
        method,
        args,
        hedge: target.options.hedge ?? false,
        onEnd: (outcome, stats, place) => {
          signal?.removeEventListener("abort", onAbort);
          if (pending !== undefined) served?.release(pending);
          noteCall?.(outcome, stats, place);
          if (outcome.ok) resolve(outcome.value);
          else reject(outcome.error);
        },
      });
      served?.adopt(pending);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
}

/** Tells the request being served how the call that begins now will have ended. */
function callNoter({ deployment, port }: HandleTarget, method: string, served: TracedContext) {
  const startedAtMs = port.clock.now();
  return (
    outcome: CallOutcome,
    { queueUs, runUs, batchItems, waitedUs, laneUs, degraded = false }: CallStats,
    place: CallPlace | undefined,
  ) => {
    const endedAtMs = port.clock.now();
    const call: CallSpan = {
      name: deployment,
      status: outcome.ok ? "ok" : statusOf(outcome.error),
      code: outcome.ok ? undefined : outcome.error.code,
      latencyMs: endedAtMs - startedAtMs,
      routedMs: routedMs(place, startedAtMs),
      queueMs: queueUs / 1000,
      laneMs: (laneUs ?? queueUs) / 1000,
      runMs: runUs / 1000,
      waitedMs: (waitedUs ?? 0) / 1000,
      batchSize: batchItems,
      executor: place?.executor ?? "",
      attempts: place?.attempts ?? 0,
      secondAttempt: place?.secondAttempt,
      degraded,
    };
    // What is made with a degraded answer is degraded too.
    if (degraded && outcome.ok) served.degraded = true;
    served.noteCalls({ method, startedAtMs, endedAtMs, calls: [call] });
  };
}

/** What passed between a call and the sending of its last attempt. */
export const routedMs = (place: CallPlace | undefined, startedAtMs: number): number =>
  place === undefined ? 0 : Math.max(0, place.sentAtMs - startedAtMs);

/** What a call's failure means to who made it. */
export function statusOf(error: TuttiError): CallStatus {
  if (error.code === "DeadlineExceeded") return "late";
  if (error.code === "Overloaded") return "shed";
  return error.code === "Cancelled" ? "cancelled" : "failed";
}

export function checkCallOptions(options: CallOptions): CallOptions {
  for (const name of Object.keys(options)) {
    if (!CALL_OPTION_NAMES.has(name)) {
      throw new TuttiError(
        "InvalidOptions",
        `with: unknown option ${name}; known: ${[...CALL_OPTION_NAMES].join(", ")}`,
      );
    }
  }
  const { deadlineMs, hedge, priority } = options;
  if (hedge !== undefined && typeof hedge !== "boolean") {
    throw new TuttiError("InvalidOptions", `with: hedge must be true or false, got ${String(hedge)}`);
  }
  if (deadlineMs !== undefined && !(deadlineMs > 0)) {
    throw new TuttiError("InvalidOptions", `with: deadlineMs must be above 0, got ${deadlineMs}`);
  }
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= 255)) {
    throw new TuttiError("InvalidOptions", `with: priority must be 0 to 255, got ${priority}`);
  }
  return options;
}
