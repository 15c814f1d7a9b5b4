import type { TuttiError } from "../errors/tutti-error.ts";
import type { RequestPriority } from "../policy/admit.ts";

/**
 * The port between the edge and whatever carries a call to the application (router and code executor).
 * Everything that crosses it is data: the edge never sees user code.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * An answer as data, served by the edge when the application cannot: one body, or one per value of a path
 * parameter (no entry for a value: no fallback). Strings that are exactly `$requestId`, `$latencyMs`, `$reason`,
 * `$params.<name>` or `$body.<field>` are replaced by the value, `null` if there is none. `status` defaults to 200.
 */
export type FallbackSpec =
  | { readonly status?: number; readonly body: Json }
  | { readonly status?: number; readonly byParam: string; readonly bodies: Readonly<Record<string, Json>> };

export interface RouteSpec {
  readonly method: string;
  /** Relative to the application's route, e.g. `/:game`; `/` is the route itself. */
  readonly path: string;
  /** Method of the ingress class. */
  readonly handler: string;
  readonly takesBody: boolean;
  readonly fallback?: FallbackSpec;
  readonly idempotent: boolean;
  /** Requests of low priority are refused before others; a client can lower the priority, not raise it. */
  readonly priority: RequestPriority;
}

export interface ApplicationSpec {
  readonly name: string;
  readonly version: string;
  /** Path prefix, e.g. `/offers`, or `/`. */
  readonly route: string;
  readonly deadlineMs: number;
  /** So many requests its replicas take at a time: the edge lets in no more. */
  readonly maxInFlight: number;
  /** `fetch`: one handler takes every method and path below the route; `routes` is empty then. */
  readonly kind: "routes" | "fetch";
  readonly routes: readonly RouteSpec[];
  /** Default: all requests at its route, by the edge's own target. */
  readonly serving?: Serving;
}

/** How one version of an application is served: several may be at one route, each with its share of the requests. */
export interface Serving {
  readonly target: CallTarget;
  /** Above 0, at most 1; those of the versions at one route add up to 1. */
  readonly weight: number;
  /** Told of each of its requests that ended. Default nobody. */
  readonly stats?: RequestStats;
}

export interface RequestStats {
  /** @param failed it ended by an error that is not the client's, also where a fallback was served instead. */
  ended(latencyMs: number, failed: boolean): void;
}

export interface EdgeRequest {
  readonly requestId: string;
  readonly application: string;
  /** Index into the application's `routes`; -1 for a `fetch` application. */
  readonly routeIndex: number;
  readonly method: string;
  /** Path and query as the client sent them, e.g. `/offers/tower?explain=1`. */
  readonly url: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | string[]>>;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed JSON for routes, `Uint8Array` for `fetch`, `undefined` if the client sent none. */
  readonly body: unknown;
  readonly priority: RequestPriority;
  /** The edge is near its limit: what is optional is to be left out. */
  readonly lean: boolean;
  /** Absolute, on the scale of `performance.now()`. */
  readonly deadlineAtMs: number;
}

export interface StageTime {
  readonly name: string;
  readonly ms: number;
}

export interface EdgeAnswer {
  readonly status: number;
  /** Empty: no content type is sent. */
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** One `set-cookie` header each; they cannot be joined into one. */
  readonly setCookies?: readonly string[];
  readonly body: Uint8Array | string | EdgeStream;
  readonly degraded: boolean;
  readonly stages: readonly StageTime[];
}

/** A body that is still being made. Its head is the answer's other fields, as they were when its first part was there. */
export interface EdgeStream {
  /** How the client can be told of an error: as an event, as a last line of JSON, or by the connection's end. */
  readonly format: "events" | "lines" | "bytes";
  /** Called once; then the sink gets all there is and its end, some of it perhaps at once. */
  start(sink: EdgeStreamSink): void;
  /** The client has taken a part of so many bytes: another may come. */
  taken(bytes: number): void;
}

export interface EdgeStreamSink {
  onChunk(bytes: Uint8Array): void;
  /** Called exactly once, after the last part, unless the call is cancelled. */
  onEnd(end: EdgeStreamEnd): void;
}

export interface EdgeStreamEnd {
  /** Why it is not whole. */
  readonly error: TuttiError | undefined;
  /** As it is known now; the head could only say what was known before the first part. */
  readonly degraded: boolean;
}

export interface PendingAnswer {
  /** Rejects with a `TuttiError`. */
  readonly answer: Promise<EdgeAnswer>;
  /** The client is gone or the deadline has passed: nobody reads the answer. Called at most once. */
  cancel(): void;
  /** How long it waited for others' work; undefined until it has ended, and when nobody can tell. */
  readonly waitedMs: number | undefined;
}

export interface CallTarget {
  /** May throw a `TuttiError` at once, e.g. `Overloaded`. */
  call(request: EdgeRequest): PendingAnswer;
}

export interface IngressTarget extends CallTarget {
  readiness(): { readonly ready: boolean; readonly reason: string };
}
