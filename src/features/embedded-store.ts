import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Clock, systemClock } from "../clock/clock.ts";
import { duration, flag, optional, resolveOptions, text, wholeNumber } from "../config/option-fields.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { BoundedWork } from "./bounded-work.ts";
import { checkedEntries, checkKeys, MAX_VECTOR_LENGTH, refuseEnded, storeClosed } from "./check-features.ts";
import { DamagedRowsError } from "./damaged-rows-error.ts";
import { processFeatureCounters } from "./feature-counters.ts";
import type { FeatureEntry, FeatureRow, FeatureRows, FeatureStore, GetOptions } from "./feature-store.ts";
import { SharedRead } from "./shared-read.ts";
import { isBusy, sqliteFailure } from "./sqlite-failures.ts";
import { decodeVector, encodeVector } from "./vector-codec.ts";

export interface EmbeddedStoreOptions {
  /** The database file. Created with its folder when it does not exist, unless `readOnly`. */
  readonly path: string;
  /** Refuses `put`, and a file that does not exist. Default false. */
  readonly readOnly?: boolean;
  /** Elements that every vector must have. Default: any number. */
  readonly dimensions?: number | undefined;
  /** How long opening and `put` wait for another process that writes. Default 5,000. */
  readonly busyTimeoutMs?: number;
}

export interface ResolvedEmbeddedStoreOptions {
  readonly path: string;
  readonly readOnly: boolean;
  readonly dimensions: number | undefined;
  readonly busyTimeoutMs: number;
}

export function resolveEmbeddedStoreOptions(options: EmbeddedStoreOptions): ResolvedEmbeddedStoreOptions {
  return resolveOptions<ResolvedEmbeddedStoreOptions>(
    "embedded feature store",
    {
      path: text(),
      readOnly: flag(false),
      dimensions: optional(wholeNumber(1, MAX_VECTOR_LENGTH, 1)),
      busyTimeoutMs: duration(0, 600_000, 5_000),
    },
    options,
  );
}

/** Rows a transaction writes before it lets other writers, and this process's event loop, have their turn. */
const ROWS_PER_TRANSACTION = 500;
const FIRST_BUSY_DELAY_MS = 1;
const MAX_BUSY_DELAY_MS = 20;

/** Other programs read and write the same file: this is its whole format. Vectors are little-endian float32. */
const SCHEMA = "features(key TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID";

/**
 * The default store: a table in one SQLite file that any number of processes of this host may read while one writes
 * (write-ahead log). A get runs on the calling thread and takes a few microseconds, so nothing is gained by caching or
 * batching in front of it. All gets of one turn of the event loop see the file in one state (`SharedRead`). A process
 * that is killed while writing loses at most its last transaction; a power cut may lose the last ones, and never
 * damages the file.
 *
 * SQLite's own busy handler blocks the thread and is off; waiting for another process is done on the event loop.
 */
export class EmbeddedStore implements FeatureStore {
  readonly #options: ResolvedEmbeddedStoreOptions;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #work: BoundedWork;
  readonly #database: DatabaseSync;
  readonly #select: StatementSync;
  readonly #upsert: StatementSync | undefined;
  readonly #shared: SharedRead;

  private constructor(options: ResolvedEmbeddedStoreOptions, database: DatabaseSync, clock: Clock) {
    this.#options = options;
    this.#name = storeName(options.path);
    this.#clock = clock;
    this.#work = new BoundedWork(clock);
    this.#database = database;
    this.#shared = new SharedRead(database, clock);
    this.#select = database.prepare("SELECT vector FROM features WHERE key = ?");
    this.#upsert = options.readOnly
      ? undefined
      : database.prepare(
          "INSERT INTO features(key, vector) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET vector = excluded.vector",
        );
  }

  /** @throws TuttiError `InvalidOptions`; `FeaturesUnavailable` when the file cannot be opened or is not one of ours. */
  static async open(options: EmbeddedStoreOptions, clock: Clock = systemClock): Promise<EmbeddedStore> {
    const resolved = resolveEmbeddedStoreOptions(options);
    const work = new BoundedWork(clock);
    const bounds = { deadlineMs: clock.now() + resolved.busyTimeoutMs };
    try {
      if (!resolved.readOnly) await mkdir(dirname(resolved.path), { recursive: true });
      // Imported when used: Node 22 prints a warning that SQLite is experimental.
      const { DatabaseSync } = await import("node:sqlite");
      const attempt = () => {
        const database = new DatabaseSync(resolved.path, { readOnly: resolved.readOnly });
        try {
          prepareDatabase(database, resolved.readOnly);
          checkSchema(database, resolved.path);
          return new EmbeddedStore(resolved, database, clock);
        } catch (error) {
          database.close();
          throw error;
        }
      };
      return await work.run(bounds, String, (signal) => repeatUntil(work, signal, unlessBusy(attempt)));
    } catch (error) {
      throw sqliteFailure(storeName(resolved.path), "open", error);
    }
  }

  async get(keys: readonly string[], options: GetOptions): Promise<FeatureRows> {
    refuseEnded(options, this.#clock.now());
    const rows = this.getNow(keys);
    if (rows !== undefined) return rows;
    const late = () => `${this.#name}: another process kept the file locked until the deadline`;
    return this.#work.run(options, late, (signal) =>
      repeatUntil(this.#work, signal, () => this.getNow(keys)),
    );
  }

  getNow(keys: readonly string[]): FeatureRows | undefined {
    this.#refuseClosed();
    checkKeys(keys);
    try {
      const rows = this.#read(keys);
      processFeatureCounters.storeGets += 1;
      processFeatureCounters.storeKeys += keys.length;
      return rows;
    } catch (error) {
      if (isBusy(error)) return undefined;
      processFeatureCounters.storeFailures += 1;
      throw sqliteFailure(this.#name, "read", error);
    }
  }

  async put(rows: Iterable<FeatureEntry>): Promise<void> {
    this.#refuseClosed();
    const upsert = this.#upsert;
    if (upsert === undefined) {
      const message = `${this.#name} was opened read-only; open it without readOnly to put rows`;
      throw new TuttiError("FeaturesUnavailable", message, { started: "no" });
    }
    const entries = checkedEntries(rows, this.#options.dimensions);
    for (let start = 0; start < entries.length; start += ROWS_PER_TRANSACTION) {
      const part = entries.slice(start, start + ROWS_PER_TRANSACTION);
      const bounds = { deadlineMs: this.#clock.now() + this.#options.busyTimeoutMs };
      try {
        await this.#work.run(bounds, String, async (signal) => {
          if (start > 0) await this.#work.wait(0, signal);
          await repeatUntil(
            this.#work,
            signal,
            unlessBusy(() => this.#write(upsert, part)),
          );
        });
      } catch (error) {
        throw sqliteFailure(this.#name, "write", error);
      }
    }
  }

  async close(): Promise<void> {
    this.#work.endAll(storeClosed(this.#name));
    this.#shared.end();
    if (this.#database.isOpen) this.#database.close();
  }

  #read(keys: readonly string[]): FeatureRows {
    const rows = new Array<FeatureRow | undefined>(keys.length);
    let damagedKeys: string[] | undefined;
    let reason = "";
    for (let index = 0; index < keys.length; index += 1) {
      const key = keys[index] ?? "";
      this.#shared.begin();
      const found = this.#select.get(key);
      if (found === undefined) continue;
      const bytes = found.vector;
      const vector =
        bytes instanceof Uint8Array
          ? decodeVector(bytes, this.#options.dimensions)
          : `its vector is of type ${typeof bytes}, expected a blob`;
      if (vector instanceof Float32Array) {
        rows[index] = { vector, defaulted: false };
      } else {
        reason ||= vector;
        damagedKeys ??= [];
        damagedKeys.push(key);
      }
    }
    if (damagedKeys !== undefined) throw new DamagedRowsError(this.#name, damagedKeys, reason);
    return rows;
  }

  #write(upsert: StatementSync, entries: readonly FeatureEntry[]): true {
    this.#shared.end();
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      for (const { key, vector } of entries) upsert.run(key, encodeVector(vector));
      this.#database.exec("COMMIT");
      return true;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #refuseClosed(): void {
    if (!this.#database.isOpen) throw storeClosed(this.#name);
  }
}

const storeName = (path: string) => `feature store ${path}`;

function prepareDatabase(database: DatabaseSync, readOnly: boolean): void {
  database.exec("PRAGMA busy_timeout = 0");
  if (readOnly) return;
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = NORMAL");
  database.exec(`CREATE TABLE IF NOT EXISTS ${SCHEMA}`);
}

function checkSchema(database: DatabaseSync, path: string): void {
  const columns = database.prepare("PRAGMA table_info(features)").all();
  const found = columns.map((column) => `${column.name} ${column.type}`).join(", ");
  if (found === "key TEXT, vector BLOB" && columns[0]?.pk === 1) return;
  const what = columns.length === 0 ? "no table of that name" : `features(${found})`;
  throw new TuttiError(
    "FeaturesUnavailable",
    `feature store ${path}: expected the table ${SCHEMA}, found ${what}; give the path of a feature file`,
  );
}

/** Turns "another process holds the lock" into `undefined`. */
function unlessBusy<T>(attempt: () => T): () => T | undefined {
  return () => {
    try {
      return attempt();
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }
  };
}

/** Attempts until there is a result or the signal ends it. */
async function repeatUntil<T>(
  work: BoundedWork,
  signal: AbortSignal,
  attempt: () => T | undefined,
): Promise<T> {
  for (let delayMs = FIRST_BUSY_DELAY_MS; ; delayMs = Math.min(2 * delayMs, MAX_BUSY_DELAY_MS)) {
    const result = attempt();
    if (result !== undefined) return result;
    await work.wait(delayMs, signal);
  }
}
