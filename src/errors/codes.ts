/**
 * The one table of error codes. `docs/errors.md` is checked against it by a test.
 *
 * `retryable` means: the same call may succeed later or elsewhere. Whether *this runtime* repeats a call is
 * decided by `started` and idempotence (invariant D3), not by this column.
 */
interface CodeEntry {
  readonly http: number;
  readonly grpc: string;
  readonly retryable: boolean;
  readonly meaning: string;
}

const code = (http: number, grpc: string, retryable: boolean, meaning: string): CodeEntry => ({
  http,
  grpc,
  retryable,
  meaning,
});

export const ERROR_CODES = {
  // What the caller sent.
  MalformedJson: code(400, "INVALID_ARGUMENT", false, "The request body is not JSON."),
  InvalidArgument: code(400, "INVALID_ARGUMENT", false, "A value is of the wrong type, shape or range."),
  TensorMismatch: code(
    400,
    "INVALID_ARGUMENT",
    false,
    "A tensor's name, type or shape is not what the model takes.",
  ),
  Unauthenticated: code(401, "UNAUTHENTICATED", false, "The admin API's token is missing or wrong."),
  Forbidden: code(
    403,
    "PERMISSION_DENIED",
    false,
    "The admin API was asked under a name that is not this machine's.",
  ),
  NotFound: code(404, "NOT_FOUND", false, "No such route, application, deployment, method or record."),
  MethodNotAllowed: code(405, "UNIMPLEMENTED", false, "The path exists, but not for this HTTP method."),
  RequestTimeout: code(408, "DEADLINE_EXCEEDED", false, "The client was too slow in sending its request."),
  PayloadTooLarge: code(413, "RESOURCE_EXHAUSTED", false, "A body or value is larger than its limit."),
  UnsupportedMediaType: code(
    415,
    "INVALID_ARGUMENT",
    false,
    "The body's content type or encoding is not taken here.",
  ),
  HeaderTooLarge: code(
    431,
    "RESOURCE_EXHAUSTED",
    false,
    "The request's headers are larger than their limit.",
  ),
  // How a call ended.
  Cancelled: code(499, "CANCELLED", false, "The caller no longer wants the answer."),
  DeadlineExceeded: code(504, "DEADLINE_EXCEEDED", false, "The deadline passed before the answer was there."),
  Overloaded: code(503, "RESOURCE_EXHAUSTED", true, "A queue or an in-flight limit is full."),
  Unavailable: code(503, "UNAVAILABLE", true, "No healthy replica can take the call now."),
  Draining: code(503, "UNAVAILABLE", true, "This process is shutting down and takes no new work."),
  PeerClosed: code(503, "UNAVAILABLE", true, "The process at the other end went away during the call."),
  BelowQuorum: code(
    503,
    "UNAVAILABLE",
    true,
    "Fewer members of an ensemble answered than its quorum asks for.",
  ),
  FeaturesUnavailable: code(
    503,
    "UNAVAILABLE",
    true,
    "The feature store did not answer in time, or with an error.",
  ),
  // What user code did.
  ApplicationError: code(500, "INTERNAL", false, "A method of the application threw an error."),
  HttpError: code(500, "UNKNOWN", false, "A method answered with a status of its own choice."),
  BatchSizeMismatch: code(
    500,
    "INTERNAL",
    false,
    "A batch function returned another number of results than it got inputs.",
  ),
  PoisonInput: code(500, "INTERNAL", false, "This input ended two executors and was given up."),
  NotSerialisable: code(500, "INTERNAL", false, "A value cannot cross a process border."),
  NotRunning: code(
    500,
    "FAILED_PRECONDITION",
    false,
    "A handle was used before its application was running.",
  ),
  // The wire.
  ProtocolError: code(502, "INTERNAL", false, "A peer sent bytes that are not a valid frame."),
  VersionMismatch: code(
    502,
    "FAILED_PRECONDITION",
    false,
    "The two ends of a connection speak different protocol versions.",
  ),
  // Starting and deploying.
  InvalidOptions: code(
    400,
    "INVALID_ARGUMENT",
    false,
    "An option is unknown, of the wrong type or out of range.",
  ),
  DuplicateName: code(400, "ALREADY_EXISTS", false, "Two deployments, models or routes have one name."),
  ModuleLoadFailed: code(
    500,
    "FAILED_PRECONDITION",
    false,
    "The application's module could not be imported.",
  ),
  StartFailed: code(500, "FAILED_PRECONDITION", false, "An executor or a replica could not be started."),
  ModelNotFound: code(500, "NOT_FOUND", false, "A model file or repository does not exist."),
  ModelInvalid: code(
    500,
    "FAILED_PRECONDITION",
    false,
    "A model file is not ONNX, is damaged or needs what this runtime lacks.",
  ),
  RevisionConflict: code(
    409,
    "ABORTED",
    false,
    "The desired state has changed since it was read: read it again, then decide again.",
  ),
  StoreFailed: code(
    503,
    "UNAVAILABLE",
    true,
    "The desired state could not be read or written; what runs goes on as it is.",
  ),
  StoreFull: code(
    507,
    "RESOURCE_EXHAUSTED",
    false,
    "There is no room left to store the desired state; what runs goes on as it is.",
  ),
  StoreDamaged: code(500, "DATA_LOSS", false, "What is stored as the desired state is not what was written."),
  StoreLocked: code(500, "FAILED_PRECONDITION", false, "Another node has this state directory."),
  PortInUse: code(500, "FAILED_PRECONDITION", false, "Another program listens on the wanted port."),
  Internal: code(500, "INTERNAL", false, "A defect in Tutti itself."),
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(ERROR_CODES, value);
}
