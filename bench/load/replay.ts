import { requestBytes } from "../../src/load/http-request.ts";
import type { RequestSource } from "../../src/load/request-source.ts";
import { shuffledIndices } from "../measure/random.ts";

/**
 * Prebuilt requests, one for each player, in a shuffled order without repeats: a player comes again only after all
 * others have. The cursor goes on from run to run, so a new run does not start with players that were just asked for.
 */
export class Replay implements RequestSource {
  readonly #requests: readonly Buffer[];
  readonly #order: Uint32Array;
  #cursor = 0;

  constructor(options: {
    readonly playerIds: readonly string[];
    readonly host: string;
    readonly port: number;
    readonly path: string;
    readonly seed: number;
  }) {
    const { host, port, path } = options;
    this.#requests = options.playerIds.map((playerId) => {
      const headers = { "Content-Type": "application/json", Accept: "application/json" };
      return requestBytes(
        { method: "POST", path, headers, body: JSON.stringify({ playerId }) },
        { host, port },
      );
    });
    if (this.#requests.length === 0) throw new RangeError("Replay: no players");
    this.#order = shuffledIndices(this.#requests.length, options.seed);
  }

  /** @returns the index of the next player. */
  next(): number {
    const index = this.#order[this.#cursor] ?? 0;
    this.#cursor = (this.#cursor + 1) % this.#order.length;
    return index;
  }

  request(index: number): Buffer {
    const request = this.#requests[index];
    if (request === undefined) throw new RangeError(`Replay: no request ${index}`);
    return request;
  }
}
