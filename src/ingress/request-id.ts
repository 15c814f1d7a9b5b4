const SAFE = /^[A-Za-z0-9._:-]{1,64}$/;

/**
 * Ids for requests: the client's own if it is short and safe to print into logs and headers, else a prefix of this process
 * and a counter, which costs a tenth of a UUID and is unique as long as prefixes are.
 */
export class RequestIds {
  readonly #prefix: string;
  #count = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  idFor(clientId: string | string[] | undefined): string {
    if (typeof clientId === "string" && SAFE.test(clientId)) return clientId;
    return `${this.#prefix}-${(++this.#count).toString(36)}`;
  }
}
