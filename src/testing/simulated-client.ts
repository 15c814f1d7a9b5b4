import { request as httpRequest } from "node:http";
import type { Duplex } from "node:stream";
import { memoryConnection } from "./memory-connection.ts";
import type { VirtualProcess } from "./virtual-process.ts";

/** A request to the application's routes, as a client on the network would make it. */
export interface SimulatedRequest {
  /** Default `POST` with a body, else `GET`. */
  readonly method?: string;
  /** Path and query, with the application's route in front. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as `x-request-timeout-ms`. */
  readonly deadlineMs?: number;
  /** Aborted: the client hangs up. */
  readonly signal?: AbortSignal;
}

export interface SimulatedAnswer {
  readonly requestId: string;
  /** 0 when the client hung up, or the connection ended without an answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed, if it is JSON; else the text. */
  readonly body: unknown;
  /** As the answer says in `x-tutti-degraded`. */
  readonly degraded: boolean;
  /** In virtual time. */
  readonly startedAtMs: number;
  readonly latencyMs: number;
}

const JSON_TYPE = /^application\/json\b/;

/** Clients of the application: each request comes over a connection of its own. */
export class SimulatedClient {
  readonly #process: VirtualProcess;
  readonly #connect: (connection: Duplex) => void;
  #open = 0;

  /** @param connect hands the server's end of a connection to the edge. */
  constructor(process: VirtualProcess, connect: (connection: Duplex) => void) {
    this.#process = process;
    this.#connect = connect;
  }

  /** Requests that have no answer yet. */
  get open(): number {
    return this.#open;
  }

  async send(request: SimulatedRequest, requestId: string): Promise<SimulatedAnswer> {
    const startedAtMs = this.#process.now();
    this.#open += 1;
    let received: Received;
    try {
      received = await this.#exchange(request, requestId);
    } catch {
      received = NOTHING_RECEIVED;
    } finally {
      this.#open -= 1;
    }
    const { status, headers, text } = received;
    const isJson = JSON_TYPE.test(String(headers["content-type"] ?? ""));
    return {
      requestId,
      status,
      headers,
      body: isJson && text !== "" ? JSON.parse(text) : text,
      degraded: headers["x-tutti-degraded"] === "1",
      startedAtMs,
      latencyMs: this.#process.now() - startedAtMs,
    };
  }

  #exchange(request: SimulatedRequest, requestId: string): Promise<Received> {
    const { path, body, deadlineMs, signal } = request;
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const sent = httpRequest({
        path,
        method: request.method ?? (text === undefined ? "GET" : "POST"),
        headers: {
          host: "simulated",
          "x-request-id": requestId,
          ...(text === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
          ...(deadlineMs === undefined ? {} : { "x-request-timeout-ms": String(deadlineMs) }),
          ...request.headers,
        },
        createConnection: () => {
          const [client, server] = memoryConnection();
          this.#connect(server);
          return client;
        },
        ...(signal === undefined ? {} : { signal }),
      });
      sent.on("error", reject);
      sent.on("response", (response) => {
        let answer = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          answer += chunk;
        });
        response.on("error", reject);
        response.on("end", () => {
          const { statusCode = 0, headers } = response;
          resolve({ status: statusCode, headers, text: answer });
        });
      });
      sent.end(text);
    });
  }
}

interface Received {
  readonly status: number;
  readonly headers: SimulatedAnswer["headers"];
  readonly text: string;
}

const NOTHING_RECEIVED: Received = { status: 0, headers: {}, text: "" };
