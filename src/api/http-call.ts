/**
 * A call of a routed method by the edge: the method's name behind this prefix. The executor then does what HTTP needs
 * around it: validates the body, writes the answer.
 */
export const HTTP_PREFIX = "http:";

/** The method of the class that a call ends up in, whichever way it came. */
export const calledMethod = (method: string): string =>
  method.startsWith(HTTP_PREFIX) ? method.slice(HTTP_PREFIX.length) : method;

/** A request as the edge hands it on. */
export interface HttpCall {
  /** Index into the application's routes; -1 when the ingress class has `fetch`. */
  readonly route: number;
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | string[]>>;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed JSON for a route, bytes for `fetch`, undefined without a body. */
  readonly body: unknown;
}

/** What a routed method gets beside the body. */
export interface HttpRequestInfo {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | string[]>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** All of an answer but its body. */
export interface HttpHead {
  readonly status: number;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
  /** One header each; unlike others they cannot be joined into one. */
  readonly setCookies: readonly string[];
  readonly degraded: boolean;
  readonly stages: readonly (readonly [name: string, ms: number])[];
}

/** The answer on its way to the edge, ready to be written. */
export interface HttpReply extends HttpHead {
  readonly body: string | Uint8Array;
}

/** How a body that is a stream can tell of an error: as an event, as a last line of JSON, or not at all. */
export type StreamFormat = "events" | "lines" | "bytes";

/** The first chunk of an answer that is a stream; all others are bytes, ready to be written. */
export interface HttpStreamHead extends HttpHead {
  readonly format: StreamFormat;
}
