import { mkdir } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { TuttiError } from "../errors/tutti-error.ts";

/** SQLite's primary result code (https://sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;

/**
 * A directory that one process has to itself. The lock is the kernel's, taken through an empty SQLite database, since
 * Node itself has none: it ends with the process, however that ends, and there is no stale one to judge.
 */
export class DirectoryLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Makes the directory when it is not there.
   *
   * @throws TuttiError `StoreLocked` when another process has it, `StoreFailed` when it cannot be written.
   */
  static async take(directory: string): Promise<DirectoryLock> {
    let database: DatabaseSync | undefined;
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      database = new DatabaseSync(path.join(directory, "lock"), { timeout: 0 });
      // No journal beside it: nothing is ever written.
      database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
      return new DirectoryLock(database);
    } catch (thrown) {
      database?.close();
      throw explain(directory, thrown);
    }
  }

  /** Idempotent. */
  release(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

function explain(directory: string, thrown: unknown): TuttiError {
  const isBusy = thrown instanceof Error && "errcode" in thrown && thrown.errcode === SQLITE_BUSY;
  if (isBusy) {
    const message = `${directory} is the state directory of another node that runs; give this one its own, by --state-dir`;
    return new TuttiError("StoreLocked", message, { started: "no" });
  }
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  const message = `${directory} cannot be used as state directory, expected one that can be written: ${why}`;
  return new TuttiError("StoreFailed", message, { started: "no", cause: thrown });
}
