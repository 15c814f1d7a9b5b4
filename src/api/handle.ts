import type { Batched } from "./batched.ts";

/** Names a handle keeps for itself, and hooks that the runtime alone may call. */
export type ReservedName = "with" | "then" | "constructor" | "reconfigure" | "checkHealth";

type MethodName<T> = {
  [K in keyof T]: K extends string
    ? K extends ReservedName
      ? never
      : T[K] extends Callable
        ? K
        : never
    : never;
}[keyof T];

type Callable = ((...args: never) => unknown) | Batched<never, unknown>;

/** One method as seen from afar. One signature a method: overloads and generics do not survive the mapping. */
export type RemoteMethod<M> =
  M extends Batched<infer X, infer Y>
    ? (input: X) => Promise<Y>
    : M extends (...args: infer A) => AsyncGenerator<infer Y>
      ? (...args: A) => AsyncIterable<Y>
      : M extends (...args: infer A) => infer R
        ? (...args: A) => Promise<Awaited<R>>
        : never;

/** Options of the calls made through one copy of a handle. */
export interface CallOptions {
  /** From the moment of the call, in ms; never extends the request's own deadline. */
  readonly deadlineMs?: number;
  /** 0 is served first; default: the request's. */
  readonly priority?: number;
  /** A call that takes unusually long is tried on another replica too, for methods declared idempotent. Default false. */
  readonly hedge?: boolean;
  /** Cancels the calls made through this copy. */
  readonly signal?: AbortSignal;
}

/**
 * A typed caller of a deployment: each public method of `T` as an asynchronous call.
 *
 * A call rejects with a `TuttiError`: `DeadlineExceeded`, `Cancelled`, `Overloaded`, `Unavailable`, `PeerClosed` when
 * its process died and the method is not idempotent, `ApplicationError` when the method threw.
 *
 * An async generator gives an `AsyncIterable` at once: its call is made when it is first read, never runs ahead of its
 * reader by more than a window, ends the generator when the reader stops, and rejects likewise.
 */
export type Handle<T> = { readonly [K in MethodName<T>]: RemoteMethod<T[K]> } & {
  /** A copy of the handle whose calls have these options. */
  with(options: CallOptions): Handle<T>;
};
