import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { waitFor } from "./wait-for.ts";

/** One answer that is read as it comes, or not read at all. */
export class StreamClient implements Disposable {
  readonly #request: ClientRequest;
  readonly #response: Promise<IncomingMessage>;
  readonly ended: Promise<"whole" | "cut">;
  text = "";
  bytes = 0;

  private constructor(port: number, path: string, headers: Readonly<Record<string, string>>, reads: boolean) {
    const ended = Promise.withResolvers<"whole" | "cut">();
    this.ended = ended.promise;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    this.#response = promise;
    promise.catch(() => {});
    this.#request = request({ host: "127.0.0.1", port, path, headers, agent: false }, (response) => {
      response.on("error", () => {});
      response.once("close", () => ended.resolve(response.complete ? "whole" : "cut"));
      if (reads) this.#read(response);
      resolve(response);
    });
    this.#request.on("error", (error) => {
      reject(error);
      ended.resolve("cut");
    });
    this.#request.end();
  }

  static get(port: number, path: string, headers: Readonly<Record<string, string>> = {}): StreamClient {
    return new StreamClient(port, path, headers, true);
  }

  /** Asks, takes the head, and reads nothing. */
  static unread(port: number, path: string): StreamClient {
    return new StreamClient(port, path, {}, false);
  }

  get status(): Promise<number> {
    return this.#response.then(({ statusCode }) => statusCode ?? 0);
  }

  get headers(): Promise<IncomingHttpHeaders> {
    return this.#response.then(({ headers }) => headers);
  }

  /** What came after the body; complete when it has ended. */
  get trailers(): Promise<NodeJS.Dict<string>> {
    return this.#response.then(({ trailers }) => trailers);
  }

  /** Begins to read after all. */
  async read(): Promise<void> {
    this.#read(await this.#response);
  }

  async untilText(part: string): Promise<void> {
    await waitFor(() => this.text.includes(part), { what: `${part} in the stream` });
  }

  [Symbol.dispose](): void {
    this.#request.destroy();
  }

  #read(response: IncomingMessage): void {
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      this.bytes += text.length;
      // Of a flood only the beginning matters.
      if (this.text.length < 1 << 20) this.text += text;
    });
  }
}
