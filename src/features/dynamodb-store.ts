import type { BatchGetItemOutput, DynamoDBClient, WriteRequest } from "@aws-sdk/client-dynamodb";
import { type Clock, systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { BoundedWork } from "./bounded-work.ts";
import { checkedEntries, checkKeys, storeClosed } from "./check-features.ts";
import { DamagedRowsError } from "./damaged-rows-error.ts";
import { classifyFailure, type DynamoDbFailure } from "./dynamodb-failures.ts";
import { toItem, vectorOf } from "./dynamodb-items.ts";
import {
  type DynamoDbStoreOptions,
  type ResolvedDynamoDbStoreOptions,
  resolveDynamoDbStoreOptions,
} from "./dynamodb-options.ts";
import { processFeatureCounters } from "./feature-counters.ts";
import type { FeatureEntry, FeatureRow, FeatureRows, FeatureStore, GetOptions } from "./feature-store.ts";
import { type RetryPolicy, retryDelayMs } from "./retry-delay.ts";

/** DynamoDB's limit for one BatchWriteItem. */
const MAX_BATCH_WRITES = 25;
const PARALLEL_WRITES = 4;

type Sdk = typeof import("@aws-sdk/client-dynamodb");

/**
 * Rows in a DynamoDB table, one item an entity. Gets are BatchGetItem calls; put a `BatchingStore` in front to share
 * them between requests.
 *
 * The SDK makes one attempt and no more: throttling, lost connections, unreadable answers, attempts without an answer
 * and unprocessed keys are tried again here, within the deadline, because the SDK's own policy knows no deadline. Nothing
 * relies on the SDK obeying the abort signal: finding credentials, for one, does not.
 */
export class DynamoDbStore implements FeatureStore {
  readonly #options: ResolvedDynamoDbStoreOptions;
  readonly #name: string;
  readonly #retry: RetryPolicy;
  readonly #sdk: Sdk;
  readonly #client: DynamoDBClient;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #work: BoundedWork;
  #closed = false;

  private constructor(options: ResolvedDynamoDbStoreOptions, sdk: Sdk, clock: Clock, random: () => number) {
    this.#options = options;
    this.#name = `feature store DynamoDB table "${options.table}"`;
    this.#retry = {
      maxAttempts: options.maxAttempts,
      firstDelayMs: options.firstRetryDelayMs,
      maxDelayMs: options.maxRetryDelayMs,
    };
    this.#sdk = sdk;
    this.#clock = clock;
    this.#random = random;
    this.#work = new BoundedWork(clock);
    const { region, endpoint, credentials } = options;
    this.#client = new sdk.DynamoDBClient({
      maxAttempts: 1,
      requestHandler: { httpAgent: agent(options), httpsAgent: agent(options) },
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials === undefined ? {} : { credentials }),
    });
  }

  /**
   * Loads the SDK (about 0.1 s and 25 MB, spent only by processes that open this store); does not connect.
   *
   * @throws TuttiError `InvalidOptions`.
   */
  static async open(
    options: DynamoDbStoreOptions,
    clock: Clock = systemClock,
    random: () => number = Math.random,
  ): Promise<DynamoDbStore> {
    const resolved = resolveDynamoDbStoreOptions(options);
    return new DynamoDbStore(resolved, await import("@aws-sdk/client-dynamodb"), clock, random);
  }

  async get(keys: readonly string[], options: GetOptions): Promise<FeatureRows> {
    if (this.#closed) throw storeClosed(this.#name);
    checkKeys(keys);
    let lastFailure: DynamoDbFailure | undefined;
    const late = () => lateMessage(this.#name, lastFailure);
    return this.#work.run(options, late, async (signal) => {
      const reading: Reading = { found: new Map(), damaged: [], damage: "" };
      const unique = [...new Set(keys)];
      processFeatureCounters.storeGets += 1;
      processFeatureCounters.storeKeys += unique.length;
      const onFailure = (failure: DynamoDbFailure) => {
        processFeatureCounters.storeFailures += 1;
        lastFailure = failure;
      };
      await Promise.all(
        chunks(unique, this.#options.maxBatchKeys).map((chunk) =>
          this.#untilDone(options.deadlineMs, signal, onFailure, chunk, (pending, attempt) =>
            this.#read(pending, reading, attempt),
          ),
        ),
      );
      if (reading.damaged.length > 0) throw new DamagedRowsError(this.#name, reading.damaged, reading.damage);
      return keys.map((key) => reading.found.get(key));
    });
  }

  async put(rows: Iterable<FeatureEntry>): Promise<void> {
    if (this.#closed) throw storeClosed(this.#name);
    const entries = checkedEntries(rows, this.#options.dimensions);
    // DynamoDB refuses a batch that writes one key twice.
    const items = [...new Map(entries.map((entry) => [entry.key, entry])).values()];
    const requests = items.map(
      (entry): WriteRequest => ({ PutRequest: { Item: toItem(entry, this.#options) } }),
    );
    const deadlineMs = this.#clock.now() + this.#options.putTimeoutMs;
    let lastFailure: DynamoDbFailure | undefined;
    const onFailure = (failure: DynamoDbFailure) => {
      lastFailure = failure;
    };
    const late = () => lateMessage(this.#name, lastFailure);
    try {
      await this.#work.run({ deadlineMs }, late, async (signal) => {
        const next = chunks(requests, MAX_BATCH_WRITES).values();
        const write = async () => {
          for (const chunk of next) {
            await this.#untilDone(deadlineMs, signal, onFailure, chunk, (pending, attempt) =>
              this.#write(pending, attempt),
            );
          }
        };
        await Promise.all(Array.from({ length: PARALLEL_WRITES }, write));
      });
    } catch (error) {
      if (!(error instanceof TuttiError) || error.code !== "DeadlineExceeded") throw error;
      const message = `${error.message}; the put did not end within its putTimeoutMs, put the rows again`;
      throw new TuttiError("FeaturesUnavailable", message, { cause: error });
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#work.endAll(storeClosed(this.#name));
    this.#client.destroy();
  }

  /**
   * Repeats an operation on what is left of its subjects, until nothing is.
   *
   * @param operation gives back the subjects that were not processed; fewer than before counts as progress.
   */
  async #untilDone<T>(
    deadlineMs: number,
    signal: AbortSignal,
    onFailure: (failure: DynamoDbFailure) => void,
    subjects: readonly T[],
    operation: (pending: readonly T[], signal: AbortSignal) => Promise<readonly T[]>,
  ): Promise<void> {
    let pending = subjects;
    let failures = 0;
    while (pending.length > 0) {
      const outcome = await this.#attempt(signal, (attempt) => operation(pending, attempt));
      let failure: DynamoDbFailure;
      if ("left" in outcome) {
        if (outcome.left.length === 0) return;
        if (outcome.left.length < pending.length) failures = 0;
        pending = outcome.left;
        const reason = `it left ${pending.length} keys unprocessed; raise the table's capacity`;
        failure = { retryable: true, reason, cause: undefined };
      } else {
        failure = outcome;
      }
      onFailure(failure);
      failures += 1;
      const delayMs = failure.retryable
        ? retryDelayMs(this.#retry, failures, deadlineMs - this.#clock.now(), this.#random())
        : undefined;
      if (delayMs === undefined) {
        const attempts = failures === 1 ? "" : ` after ${failures} attempts`;
        throw new TuttiError("FeaturesUnavailable", `${this.#name}${attempts}: ${failure.reason}`, {
          cause: failure.cause,
        });
      }
      await this.#work.wait(delayMs, signal);
    }
  }

  async #attempt<T>(
    signal: AbortSignal,
    operation: (signal: AbortSignal) => Promise<readonly T[]>,
  ): Promise<{ readonly left: readonly T[] } | DynamoDbFailure> {
    const { attemptTimeoutMs } = this.#options;
    const bounds = { deadlineMs: this.#clock.now() + attemptTimeoutMs, signal };
    try {
      const late = () => `an attempt had no answer within ${attemptTimeoutMs} ms`;
      return { left: await this.#work.run(bounds, late, operation) };
    } catch (error) {
      if (signal.aborted) throw error;
      return classifyFailure(error);
    }
  }

  async #read(keys: readonly string[], into: Reading, signal: AbortSignal): Promise<readonly string[]> {
    const { table, keyAttribute, vectorAttribute, consistentRead } = this.#options;
    const command = new this.#sdk.BatchGetItemCommand({
      RequestItems: {
        [table]: {
          Keys: keys.map((key) => ({ [keyAttribute]: { S: key } })),
          ConsistentRead: consistentRead,
          ProjectionExpression: "#key, #vector",
          ExpressionAttributeNames: { "#key": keyAttribute, "#vector": vectorAttribute },
        },
      },
    });
    const output: BatchGetItemOutput = await this.#client.send(command, { abortSignal: signal });
    // An answer of another service, or a proxy's, parses as one without rows: every key would seem unknown.
    if (output.Responses === undefined) throw new Error("the answer is not one of BatchGetItem");
    const wanted = new Set(keys);
    for (const item of output.Responses[table] ?? []) {
      const key = item[keyAttribute]?.S;
      if (key === undefined || !wanted.has(key)) continue;
      const vector = vectorOf(item, this.#options);
      if (vector instanceof Float32Array) {
        into.found.set(key, { vector, defaulted: false });
      } else {
        into.damaged.push(key);
        into.damage ||= vector;
      }
    }
    const unprocessed = new Set(output.UnprocessedKeys?.[table]?.Keys?.map((key) => key[keyAttribute]?.S));
    return keys.filter((key) => unprocessed.has(key));
  }

  async #write(requests: readonly WriteRequest[], signal: AbortSignal): Promise<readonly WriteRequest[]> {
    const { table } = this.#options;
    const command = new this.#sdk.BatchWriteItemCommand({ RequestItems: { [table]: [...requests] } });
    const output = await this.#client.send(command, { abortSignal: signal });
    if (output.UnprocessedItems === undefined) throw new Error("the answer is not one of BatchWriteItem");
    return output.UnprocessedItems[table] ?? [];
  }
}

/** What the chunks of one get have found so far. */
interface Reading {
  readonly found: Map<string, FeatureRow>;
  readonly damaged: string[];
  damage: string;
}

const agent = (options: ResolvedDynamoDbStoreOptions) => ({
  keepAlive: true,
  maxSockets: options.maxConnections,
});

function lateMessage(name: string, lastFailure: DynamoDbFailure | undefined): string {
  const reason = lastFailure === undefined ? "no answer came; raise the deadline" : lastFailure.reason;
  return `${name}: the deadline passed: ${reason}`;
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let start = 0; start < items.length; start += size) parts.push(items.slice(start, start + size));
  return parts;
}
