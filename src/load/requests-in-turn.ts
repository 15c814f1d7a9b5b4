import { type HttpRequest, requestBytes } from "./http-request.ts";
import type { RequestSource, Target } from "./request-source.ts";

/** Requests built beforehand, one after the other, and again from the first. */
export class RequestsInTurn implements RequestSource {
  readonly #requests: readonly Buffer[];
  #next = 0;

  constructor(requests: readonly HttpRequest[], target: Target) {
    if (requests.length === 0) throw new RangeError("RequestsInTurn: no requests");
    this.#requests = requests.map((request) => requestBytes(request, target));
  }

  next(): number {
    const key = this.#next;
    this.#next = (key + 1) % this.#requests.length;
    return key;
  }

  request(key: number): Buffer {
    const request = this.#requests[key];
    if (request === undefined) throw new RangeError(`RequestsInTurn: no request ${key}`);
    return request;
  }
}
