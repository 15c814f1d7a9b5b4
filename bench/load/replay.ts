import { shuffledIndices } from "../measure/random.ts";

/**
 * Prebuilt requests, one for each player, in a shuffled order without repeats: a player comes again only after all
 * others have. The cursor goes on from run to run, so a new run does not start with players that were just asked for.
 */
export class Replay {
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
      const body = JSON.stringify({ playerId });
      return Buffer.from(
        `POST ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nContent-Type: application/json\r\n` +
          `Accept: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
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
