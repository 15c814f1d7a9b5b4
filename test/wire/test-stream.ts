import type { TuttiError } from "../../src/errors/tutti-error.ts";
import type { CallOutcome, IncomingCall } from "../../src/wire/messages.ts";
import type { ChunkSource, ChunkWriter } from "../../src/wire/outgoing-streams.ts";
import type { StreamRequest } from "../../src/wire/outstanding-stream.ts";
import type { Peer } from "../../src/wire/peer.ts";

/** The side that makes a stream: writes when the test says so, and keeps what it is told. */
export class TestSource implements ChunkSource {
  readonly writer: ChunkWriter;
  writable = 0;
  readonly broken: TuttiError[] = [];
  #waiting: (() => void)[] = [];

  constructor(peer: Peer, call: IncomingCall) {
    this.writer = peer.openStream(call.id, this);
  }

  onWritable(): void {
    this.writable += 1;
    this.#tell();
  }

  onBroken(error: TuttiError): void {
    this.broken.push(error);
    this.#tell();
  }

  /** Writes while there is credit, at most so many. */
  writeAll(values: Iterable<unknown>): number {
    let written = 0;
    for (const value of values) {
      if (!this.writer.isWritable) return written;
      this.writer.write(value);
      written += 1;
    }
    return written;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** The side that reads a stream: keeps what came, and how it ended. */
export class TestReader {
  readonly id: number;
  readonly chunks: unknown[] = [];
  readonly sizes: number[] = [];
  /** Once, or D1 is broken. */
  readonly ends: CallOutcome[] = [];
  #waiting: (() => void)[] = [];

  constructor(peer: Peer, request: Partial<StreamRequest> = {}) {
    this.id = peer.callStream({
      target: 1,
      method: "tell",
      requestId: "r-1",
      deadlineAtMs: Number.POSITIVE_INFINITY,
      priority: 0,
      lean: false,
      idempotent: false,
      args: [],
      ...request,
      onChunk: (value, bytes) => {
        if (this.ends.length > 0) throw new Error("a chunk after the end");
        this.chunks.push(value);
        this.sizes.push(bytes);
        this.#tell();
      },
      onEnd: (outcome) => {
        this.ends.push(outcome);
        this.#tell();
      },
    });
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  untilChunks(count: number): Promise<void> {
    return this.until(() => this.chunks.length >= count);
  }

  async untilEnd(): Promise<CallOutcome> {
    await this.until(() => this.ends.length > 0);
    return this.ends[0]!;
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
