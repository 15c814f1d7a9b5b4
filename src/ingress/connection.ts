import type { Socket } from "node:net";
import { TuttiError } from "../errors/tutti-error.ts";
import { rawErrorAnswer } from "./error-answer.ts";
import type { CallTarget } from "./ingress-target.ts";

/** What a connection asks of a request on it. */
export interface LiveExchange {
  readonly isReading: boolean;
  /** Who answers it; undefined when the edge does itself, and before that is known. */
  readonly target: CallTarget | undefined;
  /** How long its body says to be, if all of it is here. */
  readonly receivedBytes: number | undefined;
  /** The client is gone. */
  abandon(): void;
  /** Ends the request with an error and the connection after it. */
  broken(error: TuttiError): void;
}

/**
 * One client connection and its unanswered requests: several if it pipelines. Node answers them in order.
 *
 * - **K1** When the connection ends, each request still on it is abandoned.
 * - **K2** When its bytes stop being HTTP, requests before that are answered first, then the error, then it is closed.
 */
export class Connection {
  readonly socket: Socket;
  newest: LiveExchange | undefined;
  /** A list, not a set: see `src/wire/slot-table.ts` on what filling and emptying a set all the time costs. Nearly always one. */
  #live: LiveExchange[] = [];
  readonly #requestIdForFaults: () => string;
  #bytesAtLastRequest = 0;
  #onRefused: (() => void) | undefined;
  #fault: TuttiError | undefined;

  constructor(socket: Socket, requestIdForFaults: () => string) {
    this.socket = socket;
    this.#requestIdForFaults = requestIdForFaults;
  }

  /** No request here, none half received, and no answer half sent. */
  get isIdle(): boolean {
    const { socket } = this;
    return (
      this.#live.length === 0 && socket.writableLength === 0 && socket.bytesRead === this.#bytesAtLastRequest
    );
  }

  get hasLive(): boolean {
    return this.#live.length > 0;
  }

  openRequests(isCounted: (exchange: LiveExchange) => boolean): number {
    return this.#live.filter(isCounted).length;
  }

  opened(exchange: LiveExchange): void {
    this.#live.push(exchange);
    this.newest = exchange;
  }

  /** @param then called once, with the first refusal on it. */
  onRefused(then: () => void): void {
    this.#onRefused = then;
  }

  /** A request on it was not admitted. */
  wasRefused(): void {
    const then = this.#onRefused;
    this.#onRefused = undefined;
    then?.();
  }

  received(): void {
    this.#bytesAtLastRequest = this.socket.bytesRead;
  }

  /** The answer has been handed to the operating system. */
  finished(exchange: LiveExchange): void {
    const place = this.#live.indexOf(exchange);
    if (place >= 0) this.#live.splice(place, 1);
    if (this.newest === exchange) this.newest = undefined;
    if (this.#fault !== undefined && this.#live.length === 0) this.#endWith(this.#fault);
  }

  fail(error: TuttiError): void {
    if (this.#fault !== undefined) return;
    this.#fault = error;
    if (this.newest?.isReading) this.newest.broken(error);
    else if (this.#live.length === 0) this.#endWith(error);
  }

  closed(): void {
    const live = this.#live;
    this.#live = [];
    for (const exchange of live) exchange.abandon();
    this.newest = undefined;
  }

  #endWith(error: TuttiError): void {
    if (this.socket.writable) this.socket.end(rawErrorAnswer(error, this.#requestIdForFaults()));
    closeSoon(this.socket);
  }
}

export const LINGER_MS = 1000;

/**
 * Closing a socket with unread input sends a reset, and a reset can destroy an answer the client has not read yet. So the
 * answer is followed by our half of the close, and the rest of the input is read and dropped for a while.
 */
export function closeSoon(socket: Socket): void {
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/** What a parser error or time-out of Node's HTTP server means, by its code. */
export function faultOf(code: string | undefined): TuttiError {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new TuttiError("RequestTimeout", "the request was not received in time");
    case "HPE_HEADER_OVERFLOW":
      return new TuttiError(
        "HeaderTooLarge",
        "the request line and headers are larger than the limit (http.maxHeaderBytes)",
      );
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new TuttiError("PayloadTooLarge", "the chunk extensions of the body are too large");
    default:
      return new TuttiError("InvalidArgument", `the request is not valid HTTP/1.1 (${code ?? "unknown"})`);
  }
}
