import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A client that sends exactly the bytes it is told to, and can behave badly. */
export class RawClient {
  readonly socket: Socket;
  readonly #port: number;
  #received = "";
  #closed = false;
  #wake = () => {};

  private constructor(port: number, socket: Socket) {
    this.#port = port;
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#received += chunk.toString("latin1");
      this.#wake();
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#wake();
    });
    socket.on("error", () => {});
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, "127.0.0.1");
    const client = new RawClient(port, socket);
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return client;
  }

  send(bytes: string | Uint8Array): this {
    this.socket.write(bytes);
    return this;
  }

  /** Sends a request with a host and, for a body, its length. */
  request(method: string, path: string, body?: string, headers: Readonly<Record<string, string>> = {}): this {
    const lines = [`${method} ${path} HTTP/1.1`, `host: 127.0.0.1:${this.#port}`];
    if (body !== undefined) lines.push(`content-length: ${Buffer.byteLength(body)}`);
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
    return this.send(`${lines.join("\r\n")}\r\n\r\n${body ?? ""}`);
  }

  /** The next answer. Rejects if the connection ends before it is whole. */
  async answer({ hasBody = true } = {}): Promise<RawAnswer> {
    for (;;) {
      const headEnd = this.#received.indexOf("\r\n\r\n");
      if (headEnd >= 0) {
        const [first = "", ...lines] = this.#received.slice(0, headEnd).split("\r\n");
        const headers = Object.fromEntries(
          lines.map((line) => [
            line.slice(0, line.indexOf(":")).toLowerCase(),
            line.slice(line.indexOf(":") + 1).trim(),
          ]),
        );
        const end = headEnd + 4 + (hasBody ? Number(headers["content-length"] ?? 0) : 0);
        if (this.#received.length >= end) {
          const body = Buffer.from(this.#received.slice(headEnd + 4, end), "latin1").toString("utf8");
          this.#received = this.#received.slice(end);
          return { status: Number(first.split(" ")[1]), headers, body };
        }
      }
      if (this.#closed) throw new Error(`connection closed after ${JSON.stringify(this.#received)}`);
      await this.#change();
    }
  }

  /** Everything received and not yet read as answers, once the server has closed. */
  async closed(): Promise<string> {
    while (!this.#closed) await this.#change();
    return this.#received;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Waits for a condition, not for a time; the test's own time-out ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
