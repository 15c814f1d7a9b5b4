import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

/** Feature vectors by player, from the table that all systems of the example share. */
export class PlayerFeatures {
  readonly #select: StatementSync;
  readonly #delayMs: number;

  constructor(path: string, delayMs: number) {
    this.#select = new DatabaseSync(path, { readOnly: true }).prepare(
      "SELECT vector FROM features WHERE key = ?",
    );
    this.#delayMs = delayMs;
  }

  /** @returns `undefined` for a player that is not in the table. */
  async get(playerId: string): Promise<Float32Array | undefined> {
    if (this.#delayMs > 0) await sleep(this.#delayMs);
    const vector = this.#select.get(playerId)?.vector;
    // A copy: a blob need not be aligned to the four bytes of a float.
    return vector instanceof Uint8Array ? new Float32Array(vector.slice().buffer) : undefined;
  }
}
