import { once } from "node:events";
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** What the proxy does to one request. */
export type Fault =
  | { readonly kind: "pass" }
  /** Answers in the service's stead with an error of its protocol. */
  | { readonly kind: "error"; readonly name: string; readonly status?: number }
  /** Takes the request and never answers. */
  | { readonly kind: "hang" }
  /** Passes the request on, sends half of the answer's bytes and then nothing. */
  | { readonly kind: "stall" }
  /** Closes the connection without a word. */
  | { readonly kind: "cut" }
  /** Passes the request on and closes the connection in the middle of the answer's body. */
  | { readonly kind: "cutMidBody" }
  /** Answers status 200 with this body. */
  | { readonly kind: "body"; readonly body: string | Buffer }
  /** Passes on only the first `process` keys or items; hands the rest back as unprocessed. */
  | { readonly kind: "unprocessed"; readonly process: number };

export interface ProxiedRequest {
  /** Such as `BatchGetItem`. */
  readonly operation: string;
  readonly body: string;
  /** True once the client has closed the connection or got all of an answer. */
  ended: boolean;
}

const pass: Fault = { kind: "pass" };

/** A proxy in front of a DynamoDB that misbehaves as it is told. */
export class FaultProxy {
  /** Decides on each request, by its number since the start and its operation. Default: pass all. */
  decide: (index: number, operation: string) => Fault = () => pass;
  readonly requests: ProxiedRequest[] = [];
  readonly #server: Server;
  readonly #target: number;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #watchers = new Set<() => void>();

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    // Whoever has gone, the client or the service: the connection ends with it.
    server.on("request", (incoming, response) => {
      this.#serve(incoming, response).catch(() => response.destroy());
    });
  }

  static async start(target: number): Promise<FaultProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FaultProxy(server, target);
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The faults of the next requests in turn; those after them pass. */
  script(...faults: readonly Fault[]): void {
    const start = this.requests.length;
    this.decide = (index) => faults[index - start] ?? pass;
  }

  /** Resolves when the condition holds, looked at whenever a request comes or ends. */
  async when(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  openConnections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => {});
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part);
    const body = Buffer.concat(parts).toString();
    const operation = String(incoming.headers["x-amz-target"]).replace(/^.*\./, "");
    const record: ProxiedRequest = { operation, body, ended: false };
    const fault = this.decide(this.requests.length, operation);
    this.requests.push(record);
    response.on("close", () => {
      record.ended = true;
      this.#notify();
    });
    this.#notify();
    switch (fault.kind) {
      case "hang":
        return;
      case "cut":
        response.destroy();
        return;
      case "error": {
        const answer = {
          __type: `com.amazonaws.dynamodb.v20120810#${fault.name}`,
          message: "planted by the proxy",
        };
        sendJson(response, fault.status ?? 400, answer);
        return;
      }
      case "body":
        response.setHeader("content-type", "application/x-amz-json-1.0");
        response.end(fault.body);
        return;
      case "unprocessed": {
        const { kept, left } = split(operation, body, fault.process);
        const answer = kept === undefined ? EMPTY[operation] : await this.#forward(incoming, kept);
        const field = operation === "BatchGetItem" ? "UnprocessedKeys" : "UnprocessedItems";
        sendJson(response, 200, { ...parse(answer?.toString() ?? "{}"), [field]: left });
        return;
      }
      default: {
        const answer = await this.#forward(incoming, body);
        response.setHeader("content-type", "application/x-amz-json-1.0");
        response.setHeader("content-length", answer.length);
        response.statusCode = this.#lastStatus;
        if (fault.kind === "pass") {
          response.end(answer);
          return;
        }
        response.write(answer.subarray(0, answer.length / 2));
        if (fault.kind === "cutMidBody") setImmediate(() => response.destroy());
      }
    }
  }

  #lastStatus = 200;

  /** The request goes on with its whole body: dynalite throws when a connection to it breaks. */
  #forward(incoming: IncomingMessage, body: string): Promise<Buffer> {
    const headers = { ...incoming.headers, "content-length": String(Buffer.byteLength(body)) };
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: this.#target, method: "POST", headers, agent: this.#agent };
      const outgoing = request(options, async (answer) => {
        const parts: Buffer[] = [];
        for await (const part of answer) parts.push(part);
        this.#lastStatus = answer.statusCode ?? 502;
        resolve(Buffer.concat(parts));
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher();
    this.#watchers.clear();
  }
}

const EMPTY: Readonly<Record<string, Buffer>> = {
  BatchGetItem: Buffer.from('{"Responses":{}}'),
  BatchWriteItem: Buffer.from("{}"),
};

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/x-amz-json-1.0" });
  response.end(JSON.stringify(value));
}

const parse = (text: string): Record<string, unknown> => JSON.parse(text);

/** A batch request as the part to pass on and the part to hand back. */
function split(operation: string, body: string, keep: number): { kept?: string; left: unknown } {
  const whole = JSON.parse(body);
  const [table = ""] = Object.keys(whole.RequestItems);
  const subjects = whole.RequestItems[table];
  if (operation === "BatchWriteItem") {
    const part = (items: unknown[]) => ({ ...whole, RequestItems: { [table]: items } });
    const rest = subjects.slice(keep);
    return {
      ...(keep === 0 ? {} : { kept: JSON.stringify(part(subjects.slice(0, keep))) }),
      left: rest.length === 0 ? {} : { [table]: rest },
    };
  }
  const rest = subjects.Keys.slice(keep);
  const kept = { ...whole, RequestItems: { [table]: { ...subjects, Keys: subjects.Keys.slice(0, keep) } } };
  return {
    ...(keep === 0 ? {} : { kept: JSON.stringify(kept) }),
    left: rest.length === 0 ? {} : { [table]: { ...subjects, Keys: rest } },
  };
}
