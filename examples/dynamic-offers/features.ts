import { setTimeout as delay } from "node:timers/promises";
import { context, EmbeddedStore, type FeatureRows, type FeatureStore, Tensor } from "tutti";
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
    const [row] = this.#store.getNow?.([playerId]) ?? (await this.#lookUp(playerId));
    return row === undefined ? undefined : new Tensor("float32", row.vector, [1, row.vector.length]);
  }

  /** A look-up that takes a while ends with the request it is for. */
  #lookUp(playerId: string): Promise<FeatureRows> {
    const { deadlineAtMs, signal } = context();
    return this.#store.get([playerId], { deadlineMs: deadlineAtMs, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store.close();
  }
}
