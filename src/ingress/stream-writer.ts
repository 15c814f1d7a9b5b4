import type { ServerResponse } from "node:http";
import type { Clock } from "../clock/clock.ts";
import type { TuttiError } from "../errors/tutti-error.ts";
import type { DeadlineWheel, Expiring, WheelEntry } from "./deadline-wheel.ts";
import { errorAnswer } from "./error-answer.ts";
import type { EdgeStream, EdgeStreamEnd, EdgeStreamSink } from "./ingress-target.ts";

export interface StreamWriterOptions {
  readonly response: ServerResponse;
  readonly stream: EdgeStream;
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  /** A stream of events that has been silent for so long gets a comment, lest somebody on the way cut it. 0: none. */
  readonly heartbeatMs: number;
  /** The client reads what comes after a body. */
  readonly takesTrailers: boolean;
  /** Told when the stream has come to its end; what comes after is the owner's. */
  readonly onEnd: (end: EdgeStreamEnd) => void;
}

const HEARTBEAT = Buffer.from(": heartbeat\n\n");
const NEWLINE = 10;
/** What of an answer is only known when its body is there. */
const TRAILER = "x-tutti-degraded";

/**
 * Writes a body that is still being made. Each part is handed to the socket as it comes, and counted as taken when the
 * operating system has it: a client that does not read is sent no more than the stream's window, and what the kernel holds.
 */
export class StreamWriter implements EdgeStreamSink, Expiring {
  readonly #options: StreamWriterOptions;
  /** What was written last ends an event, or a line: what comes next is not in the midst of it. */
  #isBetween = true;
  #writtenAtMs = 0;
  #heartbeat: WheelEntry | undefined;

  constructor(options: StreamWriterOptions) {
    this.#options = options;
  }

  /** @param headers flat names and values, without those of framing. */
  begin(status: number, headers: string[]): void {
    const { response, stream, clock, heartbeatMs, takesTrailers } = this.#options;
    if (takesTrailers) headers.push("trailer", TRAILER);
    response.writeHead(status, headers);
    // The first part may be long in coming.
    response.flushHeaders();
    if (stream.format === "events" && heartbeatMs > 0) {
      this.#writtenAtMs = clock.now();
      this.#watch(this.#writtenAtMs + heartbeatMs);
    }
    stream.start(this);
  }

  onChunk(bytes: Uint8Array): void {
    const { response, stream, clock } = this.#options;
    if (stream.format !== "bytes") this.#isBetween = endsPart(bytes, stream.format);
    if (this.#heartbeat !== undefined) this.#writtenAtMs = clock.now();
    response.write(bytes, (error) => {
      if (error === null || error === undefined) stream.taken(bytes.byteLength);
    });
  }

  onEnd(end: EdgeStreamEnd): void {
    this.#options.onEnd(end);
  }

  /** The time for a heartbeat, unless something was written meanwhile, or what was written is still unread. */
  expire(): void {
    const { response, clock, heartbeatMs } = this.#options;
    const nowMs = clock.now();
    if (this.#writtenAtMs + heartbeatMs <= nowMs) {
      if (this.#isBetween && response.writableLength === 0) response.write(HEARTBEAT);
      this.#writtenAtMs = nowMs;
    }
    this.#watch(this.#writtenAtMs + heartbeatMs);
  }

  /** Nothing more is written: its owner has left it. */
  leave(): void {
    if (this.#heartbeat !== undefined) this.#options.wheel.remove(this.#heartbeat);
  }

  /** @param finished runs when the operating system has all of it. */
  end(degraded: boolean, finished: () => void): void {
    const { response, takesTrailers } = this.#options;
    if (takesTrailers) response.addTrailers({ [TRAILER]: degraded ? "1" : "0" });
    response.end(finished);
  }

  /**
   * Ends with the error, where the body's format can hold one; else by cutting the connection, so that it is seen. In the
   * midst of an event the event becomes the error, so that no half of an item is taken for one.
   */
  fail(error: TuttiError, requestId: string, finished: () => void): void {
    const { response, stream } = this.#options;
    if (stream.format === "bytes") {
      response.destroy();
      return;
    }
    const { body } = errorAnswer(error, requestId);
    const start = this.#isBetween ? "" : "\n";
    response.end(
      `${start}${stream.format === "events" ? `event: error\ndata: ${body}\n\n` : `${body}\n`}`,
      finished,
    );
  }

  #watch(atMs: number): void {
    this.#heartbeat = this.#options.wheel.add(atMs, this);
  }
}

/** Items are JSON, in which no newline is left as it is: a line ends an item, and an empty one an event. */
function endsPart(bytes: Uint8Array, format: "events" | "lines"): boolean {
  const last = bytes.length - 1;
  if (bytes[last] !== NEWLINE) return false;
  // A part may be cut anywhere; of two newlines the second may be all there is in it.
  return format === "lines" || last === 0 || bytes[last - 1] === NEWLINE;
}
