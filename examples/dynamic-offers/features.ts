import { setTimeout as delay } from "node:timers/promises";
import { context, EmbeddedStore, type FeatureStore, Tensor } from "tutti";
import { settings } from "./settings.ts";

/** One look-up of a player's features: the vector that the models get, or nothing when the player is unknown. */
export class Features {
  readonly #store: FeatureStore;

  constructor(store: FeatureStore) {
    this.#store = store;
  }

  static async create(): Promise<Features> {
    return new Features(await EmbeddedStore.open({ path: settings.playersFile, readOnly: true }));
  }

  async get(playerId: string): Promise<Tensor | undefined> {
    if (settings.lookupDelayMs > 0) await delay(settings.lookupDelayMs);
    const keys = [playerId];
    const rows =
      this.#store.getNow?.(keys) ?? (await this.#store.get(keys, { deadlineMs: context().deadlineAtMs }));
    const [row] = rows;
    return row === undefined ? undefined : new Tensor("float32", row.vector, [1, row.vector.length]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store.close();
  }
}
