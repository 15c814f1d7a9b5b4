import { ERROR_CODES, type ErrorCode, isErrorCode } from "./codes.ts";

/**
 * Whether a call's work had begun when it failed; drives retry (D3). `no`: it certainly did not begin. `maybe`:
 * the process that had it died. `yes`: it began and failed by itself.
 */
export type Started = "no" | "maybe" | "yes";

export interface TuttiErrorOptions {
  readonly started?: Started;
  /** Which part of the input is meant, as a JSON path such as `body.playerId`. */
  readonly path?: string;
  /** HTTP status to answer with, where it differs from the code's own. */
  readonly status?: number;
  /** The application's own code, for `HttpError`. */
  readonly publicCode?: string;
  /** Seconds after which a retry makes sense (`Retry-After`). */
  readonly retryAfterSeconds?: number;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Every failure that crosses a border of Tutti. `code` is the stable part; the message is for people. */
export class TuttiError extends Error {
  override readonly name: string = "TuttiError";
  readonly code: ErrorCode;
  readonly started: Started;
  readonly path: string | undefined;
  readonly status: number;
  readonly publicCode: string;
  readonly retryAfterSeconds: number | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options: TuttiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.started = options.started ?? "yes";
    this.path = options.path;
    this.status = options.status ?? ERROR_CODES[code].http;
    this.publicCode = options.publicCode ?? code;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.details = options.details;
  }

  /** A `TuttiError` as it is; anything else thrown becomes one of the given code, its stack kept as the cause. */
  static from(thrown: unknown, code: ErrorCode = "ApplicationError"): TuttiError {
    if (thrown instanceof TuttiError) return thrown;
    return new TuttiError(code, messageOf(thrown), { cause: thrown });
  }
}

/** Never throws: user code may throw what has no string form, and its call must still end (D1). */
function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.message) : String(thrown);
  } catch {
    return "something was thrown that cannot be shown as text";
  }
}

/**
 * Thrown by a method of the application to answer with a status of its choice.
 *
 * @param status 400 to 599.
 * @param code a short word of the application's own, e.g. `unknown-game`.
 * @param path which part of the input is meant, e.g. `body.playerId`.
 */
export class HttpError extends TuttiError {
  override readonly name: string = "HttpError";

  constructor(status: number, code: string, message: string, path?: string) {
    if (!isErrorStatus(status)) {
      throw new TuttiError("InvalidArgument", `HttpError: status must be 400 to 599, got ${status}`);
    }
    super("HttpError", message, { status, publicCode: code, ...(path === undefined ? {} : { path }) });
  }
}

function isErrorStatus(status: unknown): status is number {
  return typeof status === "number" && Number.isInteger(status) && status >= 400 && status <= 599;
}

/** The form of an error that crosses a process border: an `Error` object loses its class and fields there. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly started: Started;
  readonly path?: string;
  readonly status?: number;
  readonly publicCode?: string;
  readonly retryAfterSeconds?: number;
  readonly details?: Record<string, unknown>;
}

export function toWireError(thrown: unknown): WireError {
  const error = TuttiError.from(thrown);
  return {
    code: error.code,
    message: error.message,
    started: error.started,
    ...(error.path === undefined ? {} : { path: error.path }),
    ...(error.status === ERROR_CODES[error.code].http ? {} : { status: error.status }),
    ...(error.publicCode === error.code ? {} : { publicCode: error.publicCode }),
    ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
    ...(error.details === undefined ? {} : { details: { ...error.details } }),
  };
}

/** Never throws: a peer's malformed error becomes `Internal` with what could be read of it. */
export function fromWireError(value: unknown): TuttiError {
  const wire = (typeof value === "object" && value !== null ? value : {}) as Partial<WireError>;
  const message =
    typeof wire.message === "string" ? wire.message : "the peer reported an error without a message";
  const started = wire.started === "no" || wire.started === "maybe" ? wire.started : "yes";
  return new TuttiError(isErrorCode(wire.code) ? wire.code : "Internal", message, {
    started,
    ...(typeof wire.path === "string" ? { path: wire.path } : {}),
    ...(isErrorStatus(wire.status) ? { status: wire.status } : {}),
    ...(typeof wire.publicCode === "string" ? { publicCode: wire.publicCode } : {}),
    ...(Number.isFinite(wire.retryAfterSeconds) ? { retryAfterSeconds: wire.retryAfterSeconds } : {}),
    ...(typeof wire.details === "object" && wire.details !== null ? { details: wire.details } : {}),
  });
}

/**
 * What a method threw. It had begun, whatever the error says of a call that the method itself made (D3): passed on as
 * `started: "no"`, it would let the method be repeated.
 */
export function failedWhileRunning(thrown: unknown): TuttiError {
  const error = TuttiError.from(thrown);
  return error.started === "yes" ? error : fromWireError({ ...toWireError(error), started: "yes" });
}
