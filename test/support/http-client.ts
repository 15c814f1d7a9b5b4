import { Agent, type IncomingHttpHeaders, request } from "node:http";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Undefined when the body is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly json: any;
  readonly latencyMs: number;
}

export interface HttpRequest {
  readonly method?: string;
  /** Anything but a string or bytes is sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A keep-alive client of one server. A connection that was closed under a request is an error, never repeated. */
export class HttpClient implements Disposable {
  readonly #agent: Agent;
  readonly #port: number;

  constructor(port: number, maxConnections = 256) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets: maxConnections });
  }

  get(path: string, options: HttpRequest = {}): Promise<HttpAnswer> {
    return this.send(path, options);
  }

  post(path: string, body: unknown, options: HttpRequest = {}): Promise<HttpAnswer> {
    return this.send(path, { ...options, method: "POST", body });
  }

  send(path: string, { method = "GET", body, headers = {}, signal }: HttpRequest): Promise<HttpAnswer> {
    const payload =
      body === undefined || typeof body === "string" || body instanceof Uint8Array
        ? body
        : JSON.stringify(body);
    const contentType = payload === body ? {} : { "content-type": "application/json" };
    const length = payload === undefined ? {} : { "content-length": Buffer.byteLength(payload) };
    const startedAtMs = performance.now();
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: "127.0.0.1",
          port: this.#port,
          agent: this.#agent,
          method,
          path,
          headers: { ...contentType, ...length, ...headers },
          ...(signal === undefined ? {} : { signal }),
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
          incoming.on("error", reject);
          incoming.on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            const latencyMs = performance.now() - startedAtMs;
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              text,
              json: parse(text),
              latencyMs,
            });
          });
        },
      );
      outgoing.on("error", reject);
      outgoing.end(payload);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
