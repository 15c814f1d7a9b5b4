import type { DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import {
  duration,
  type Field,
  flag,
  optional,
  resolveOptions,
  text,
  wholeNumber,
} from "../config/option-fields.ts";
import { MAX_VECTOR_LENGTH } from "./check-features.ts";

/** What a store needs of AWS's own chain of credential sources; never written into a program. */
type Credentials = NonNullable<DynamoDBClientConfig["credentials"]>;

export interface DynamoDbStoreOptions {
  /** A table whose only key attribute is a partition key of type S. */
  readonly table: string;
  /** Default `key`. */
  readonly keyAttribute?: string;
  /** Binary with little-endian float32, as `put` writes it, or a list of numbers. Default `vector`. */
  readonly vectorAttribute?: string;
  /** Default: as the SDK finds it (`AWS_REGION`, profile). */
  readonly region?: string | undefined;
  /** Default: AWS's, by region. */
  readonly endpoint?: string | undefined;
  /** Default: as the SDK finds them (environment, profile, role of the container or machine). */
  readonly credentials?: Credentials | undefined;
  /** Reads see all writes that ended before (F5), for twice the read capacity. Default false. */
  readonly consistentRead?: boolean;
  /** Elements that every vector must have. Default: any number. */
  readonly dimensions?: number | undefined;
  /** Keys in one BatchGetItem. Default 100, DynamoDB's limit. */
  readonly maxBatchKeys?: number;
  /** Time for one attempt, after which it is abandoned and made again. Default 250. */
  readonly attemptTimeoutMs?: number;
  /** Attempts in a row without progress, the first included. Default 6. */
  readonly maxAttempts?: number;
  /** Pause after the first failure; doubles with each, with jitter. Default 10. */
  readonly firstRetryDelayMs?: number;
  /** Default 500. */
  readonly maxRetryDelayMs?: number;
  /** Time for a whole put. Default 60,000. */
  readonly putTimeoutMs?: number;
  /** Connections to DynamoDB. Default 50. */
  readonly maxConnections?: number;
}

export interface ResolvedDynamoDbStoreOptions {
  readonly table: string;
  readonly keyAttribute: string;
  readonly vectorAttribute: string;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly credentials: Credentials | undefined;
  readonly consistentRead: boolean;
  readonly dimensions: number | undefined;
  readonly maxBatchKeys: number;
  readonly attemptTimeoutMs: number;
  readonly maxAttempts: number;
  readonly firstRetryDelayMs: number;
  readonly maxRetryDelayMs: number;
  readonly putTimeoutMs: number;
  readonly maxConnections: number;
}

const credentials: Field<Credentials> = {
  expected: "an AWS credential provider",
  accepts: (value) => typeof value === "function" || (typeof value === "object" && value !== null),
};

export function resolveDynamoDbStoreOptions(options: DynamoDbStoreOptions): ResolvedDynamoDbStoreOptions {
  return resolveOptions<ResolvedDynamoDbStoreOptions>(
    "DynamoDB feature store",
    {
      table: text(),
      keyAttribute: text("key"),
      vectorAttribute: text("vector"),
      region: optional(text()),
      endpoint: optional(text()),
      credentials: optional(credentials),
      consistentRead: flag(false),
      dimensions: optional(wholeNumber(1, MAX_VECTOR_LENGTH, 1)),
      maxBatchKeys: wholeNumber(1, 100, 100),
      attemptTimeoutMs: duration(1, 60_000, 250),
      maxAttempts: wholeNumber(1, 100, 6),
      firstRetryDelayMs: duration(0, 60_000, 10),
      maxRetryDelayMs: duration(0, 60_000, 500),
      putTimeoutMs: duration(1, 3_600_000, 60_000),
      maxConnections: wholeNumber(1, 1_000, 50),
    },
    options,
  );
}
