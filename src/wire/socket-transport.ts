import net from "node:net";
import { TuttiError } from "../errors/tutti-error.ts";
import { FrameReader } from "./frame-reader.ts";
import type { WireLimits } from "./protocol.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/** Frames over a byte stream: a unix socket on one host, TCP between hosts. */
export class SocketTransport implements Transport {
  readonly #socket: net.Socket;
  readonly #limits: WireLimits;
  #events: TransportEvents | undefined;
  #reason: Error | undefined;
  #hasEnded = false;

  constructor(socket: net.Socket, limits: WireLimits) {
    this.#socket = socket;
    this.#limits = limits;
    socket.setNoDelay(true);
    // From the first, so that an end before `start` is neither an unhandled error nor missed (T2).
    socket.on("error", (error) => {
      this.#reason ??= error;
    });
    socket.on("close", () => {
      this.#hasEnded = true;
      this.#events?.onClose(this.#reason);
    });
  }

  start(events: TransportEvents): void {
    const socket = this.#socket;
    const reader = new FrameReader(this.#limits, (frame) => {
      if (!socket.destroyed) events.onFrame(frame);
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (thrown) {
        this.destroy(TuttiError.from(thrown, "ProtocolError"));
      }
    });
    socket.on("drain", () => events.onDrain?.());
    // The other side's end is ours too: half-open connections have no use here.
    socket.on("end", () => socket.end());
    this.#events = events;
    if (this.#hasEnded) queueMicrotask(() => events.onClose(this.#reason));
  }

  send(frame: Buffer): void {
    if (this.#socket.writable) this.#socket.write(frame);
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  close(): void {
    this.#socket.end();
  }

  destroy(reason: Error): void {
    this.#socket.destroy(reason);
  }
}

/**
 * Connects to a unix socket.
 *
 * @throws TuttiError `PeerClosed` when nobody listens there within `timeoutMs`.
 */
export function connectUnix(path: string, limits: WireLimits, timeoutMs: number): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path });
    const fail = (why: string) => {
      socket.destroy();
      reject(new TuttiError("PeerClosed", `cannot connect to ${path}: ${why}`, { started: "no" }));
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    const onError = (error: Error) => {
      clearTimeout(timer);
      fail(error.message);
    };
    socket.once("error", onError);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", onError);
      resolve(new SocketTransport(socket, limits));
    });
  });
}

export interface UnixListener {
  close(): Promise<void>;
}

/** Listens on a unix socket; each connection becomes a transport. `close` ends the listening, not the connections. */
export function listenUnix(
  path: string,
  limits: WireLimits,
  onTransport: (transport: Transport) => void,
): Promise<UnixListener> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => onTransport(new SocketTransport(socket, limits)));
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve({ close: () => new Promise((done) => server.close(() => done())) });
    });
  });
}
