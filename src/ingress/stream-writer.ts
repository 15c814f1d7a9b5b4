import type { ServerResponse } from "node:http";
import type { TuttiError } from "../errors/tutti-error.ts";
import { errorAnswer } from "./error-answer.ts";
import type { EdgeStream, EdgeStreamSink } from "./ingress-target.ts";

/** Told when the stream has come to its end, by itself or by an error; what comes after is the owner's. */
export type OnStreamEnd = (error: TuttiError | undefined) => void;

/**
 * Writes a body that is still being made. Each part is handed to the socket as it comes, and counted as taken when the
 * operating system has it: a client that does not read is sent no more than the stream's window, and what the kernel holds.
 */
export class StreamWriter implements EdgeStreamSink {
  readonly #response: ServerResponse;
  readonly #stream: EdgeStream;
  readonly #onEnd: OnStreamEnd;

  constructor(response: ServerResponse, stream: EdgeStream, onEnd: OnStreamEnd) {
    this.#response = response;
    this.#stream = stream;
    this.#onEnd = onEnd;
  }

  /** @param headers flat names and values, without those of framing. */
  begin(status: number, headers: string[]): void {
    this.#response.writeHead(status, headers);
    // The first part may be long in coming.
    this.#response.flushHeaders();
    this.#stream.start(this);
  }

  onChunk(bytes: Uint8Array): void {
    this.#response.write(bytes, (error) => {
      if (error === null || error === undefined) this.#stream.taken(bytes.byteLength);
    });
  }

  onEnd(error: TuttiError | undefined): void {
    this.#onEnd(error);
  }

  /** @param finished runs when the operating system has all of it. */
  end(finished: () => void): void {
    this.#response.end(finished);
  }

  /** Ends with the error, where the body's format can hold one; else by cutting the connection, so that it is seen. */
  fail(error: TuttiError, requestId: string, finished: () => void): void {
    const { format } = this.#stream;
    if (format === "bytes") {
      this.#response.destroy();
      return;
    }
    const { body } = errorAnswer(error, requestId);
    this.#response.end(format === "events" ? `event: error\ndata: ${body}\n\n` : `${body}\n`, finished);
  }
}
