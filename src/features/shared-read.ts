import type { DatabaseSync } from "node:sqlite";
import type { CancelTimer, Clock } from "../clock/clock.ts";

/**
 * Has all look-ups of one turn of the event loop share a read transaction, from the second on. Each alone locks the file and
 * looks for what others have left there, which takes three quarters of the time of one look-up; under load a turn has tens of
 * them. They see the file as it was at the second one: what others write meanwhile is seen in the next turn.
 */
export class SharedRead {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  #reads = 0;
  #cancelEnd: CancelTimer | undefined;

  constructor(database: DatabaseSync, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** To be called before each look-up. */
  begin(): void {
    this.#reads += 1;
    if (this.#reads === 1) this.#cancelEnd = this.#clock.onNextTurn(() => this.end());
    else if (this.#reads === 2) this.#database.exec("BEGIN");
  }

  /** To be called before anything else is done with the database. */
  end(): void {
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
    this.#reads = 0;
    if (!this.#database.isOpen || !this.#database.isTransaction) return;
    try {
      this.#database.exec("COMMIT");
    } catch {
      // Nobody waits for this: the next transaction cannot begin then, and says why to who asked.
    }
  }
}
