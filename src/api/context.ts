import { AsyncLocalStorage } from "node:async_hooks";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallGroup } from "../observe/call-group.ts";
import type { PendingCall, RequestScope } from "./call-port.ts";

/** What a method can know of the call it serves. */
export interface CallContext extends RequestScope {
  /** Aborts when the caller no longer wants the answer or the deadline passes. */
  readonly signal: AbortSignal;
  /** Name and index of the replica that serves the call, e.g. `Supervisor#0`. */
  readonly replica: string;
  readonly application: string;
  readonly applicationVersion: string;
  /**
   * True once an ensemble of this call, or of a call that it made, answered with members missing. Goes with the answer to
   * whoever called, and ends up in `x-tutti-degraded`.
   */
  degraded: boolean;
  /** Adds a stage to the answer's `server-timing`, in ms. */
  recordStage(name: string, ms: number): void;
}

/** The context as the runtime has it: it also knows the calls that the request makes, and hears how each ended. */
export interface TracedContext extends CallContext {
  /** Why nobody wants the answer any more; undefined while somebody does. No call is made for such a request. */
  readonly abortReason: TuttiError | undefined;
  /** Has a call cancelled when the request is given up before `release` (D2). */
  adopt(call: PendingCall): void;
  release(call: PendingCall): void;
  noteCalls(group: CallGroup): void;
}

const storage = new AsyncLocalStorage<TracedContext>();

/**
 * The context of the call being served.
 *
 * @throws TuttiError `NotRunning` outside of a call.
 */
export function context(): CallContext {
  const current = storage.getStore();
  if (current === undefined)
    throw new TuttiError("NotRunning", "context() was called outside of a method call");
  return current;
}

/** The context, or undefined outside of a call. */
export function currentContext(): TracedContext | undefined {
  return storage.getStore();
}

export function runInContext<R>(callContext: TracedContext, run: () => R): R {
  return storage.run(callContext, run);
}
