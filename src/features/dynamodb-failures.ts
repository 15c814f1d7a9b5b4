import { TuttiError } from "../errors/tutti-error.ts";

/** Why an attempt on DynamoDB failed, and whether another may succeed. */
export interface DynamoDbFailure {
  readonly retryable: boolean;
  /** A clause for an error message: what happened and, where one can do something, what to do. */
  readonly reason: string;
  readonly cause: unknown;
}

const THROTTLED = "it throttles; raise the table's capacity or use on-demand capacity";
const NO_CREDENTIALS =
  "there are no valid credentials; give the process a role, AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/** By the error's name as the service or the SDK gives it. */
const KNOWN: Readonly<Record<string, { readonly retryable: boolean; readonly reason: string }>> = {
  ProvisionedThroughputExceededException: { retryable: true, reason: THROTTLED },
  ThrottlingException: { retryable: true, reason: THROTTLED },
  RequestLimitExceeded: { retryable: true, reason: THROTTLED },
  LimitExceededException: { retryable: true, reason: THROTTLED },
  TooManyRequestsException: { retryable: true, reason: THROTTLED },
  ResourceNotFoundException: {
    retryable: false,
    reason: 'there is no such table in this region; create it, or set "table", "region" or "endpoint"',
  },
  ValidationException: {
    retryable: false,
    reason:
      'the request does not fit the table; set "keyAttribute" to its partition key, of type S, without a sort key',
  },
  AccessDeniedException: {
    retryable: false,
    reason: "access is denied; allow dynamodb:BatchGetItem (and BatchWriteItem to put) on the table",
  },
  CredentialsProviderError: { retryable: false, reason: NO_CREDENTIALS },
  UnrecognizedClientException: { retryable: false, reason: NO_CREDENTIALS },
  ExpiredTokenException: { retryable: false, reason: NO_CREDENTIALS },
  InvalidSignatureException: { retryable: false, reason: `${NO_CREDENTIALS}; check the host's clock` },
  MissingAuthenticationTokenException: { retryable: false, reason: NO_CREDENTIALS },
};

export function classifyFailure(error: unknown): DynamoDbFailure {
  // Our own bound on one attempt.
  if (error instanceof TuttiError) return { retryable: true, reason: error.message, cause: error };
  const name = error instanceof Error ? error.name : "";
  const message = error instanceof Error ? error.message : String(error);
  const known = Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined;
  if (known !== undefined) return { ...known, reason: `${known.reason} (${name}: ${message})`, cause: error };
  if (message.includes("Region is missing")) {
    return { retryable: false, reason: 'no region is set; set "region" or AWS_REGION', cause: error };
  }
  const status = httpStatus(error);
  const refused = status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429;
  const answered = status === undefined ? "" : `, HTTP status ${status}`;
  return { retryable: !refused, reason: `${name || "error"}: ${message}${answered}`, cause: error };
}

/** The SDK hangs what it knows of the answer on its errors, and on those of its parser. */
function httpStatus(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const metadata: unknown = "$metadata" in error ? error.$metadata : undefined;
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata)) return undefined;
  return typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : undefined;
}
