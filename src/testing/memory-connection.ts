import { Duplex } from "node:stream";

/** One end of a connection between two parts of this process; what is written comes out at the other end. */
class MemoryEnd extends Duplex {
  other: MemoryEnd | undefined;
  #takeMore: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  override _read(): void {
    const takeMore = this.#takeMore;
    this.#takeMore = undefined;
    takeMore?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.other?.receive(chunk, done);
  }

  override _final(done: () => void): void {
    this.other?.receive(null, done);
  }

  /** As on a socket: the end of one side is the end of the other. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { other } = this;
    if (other !== undefined && !other.destroyed) process.nextTick(() => other.destroy());
    done(error);
  }

  receive(chunk: Buffer | null, done: () => void): void {
    if (this.destroyed || this.readableEnded) return done();
    if (this.push(chunk) || chunk === null) done();
    else this.#takeMore = done;
  }
}

/** A connection: its client's end and its server's. */
export function memoryConnection(): [client: Duplex, server: Duplex] {
  const client = new MemoryEnd();
  const server = new MemoryEnd();
  client.other = server;
  server.other = client;
  return [client, server];
}
