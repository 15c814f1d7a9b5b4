import type { IngressLog } from "../../src/ingress/edge-services.ts";
import { Ingress } from "../../src/ingress/ingress.ts";
import { type IngressOptions, resolveIngressOptions } from "../../src/ingress/ingress-options.ts";
import type {
  ApplicationSpec,
  EdgeAnswer,
  EdgeRequest,
  IngressTarget,
  PendingAnswer,
} from "../../src/ingress/ingress-target.ts";
import { CallCounters } from "../../src/observe/call-counters.ts";
import { RawClient } from "./raw-client.ts";

export const OK: EdgeAnswer = {
  status: 200,
  contentType: "application/json",
  body: "{}",
  degraded: false,
  stages: [],
};

/** Answers with what it was called with, unless a test turns its knob. */
export class TargetWithKnobs implements IngressTarget {
  readonly requests: EdgeRequest[] = [];
  readonly cancelled: string[] = [];
  /** How long its calls say that they have waited. */
  waitedMs: number | undefined;
  ready = { ready: true, reason: "all replicas are healthy" };
  respond: (request: EdgeRequest) => Promise<EdgeAnswer> = async (request) => {
    const { application, routeIndex, method, params, query, body } = request;
    const seen = body instanceof Uint8Array ? `bytes ${body.length}` : body;
    return { ...OK, body: JSON.stringify({ application, routeIndex, method, params, query, body: seen }) };
  };

  call(request: EdgeRequest): PendingAnswer {
    this.requests.push(request);
    return {
      answer: this.respond(request),
      cancel: () => this.cancelled.push(request.requestId),
      waitedMs: this.waitedMs,
    };
  }

  readiness(): { ready: boolean; reason: string } {
    return this.ready;
  }
}

/** Answers when told to. */
export class Gate {
  readonly #waiting: (() => void)[] = [];

  readonly respond = (): Promise<EdgeAnswer> =>
    new Promise((resolve) => this.#waiting.push(() => resolve(OK)));

  open(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }
}

export const never = (): Promise<EdgeAnswer> => new Promise(() => {});

export const OFFERS: ApplicationSpec = {
  name: "offers",
  version: "1",
  route: "/offers",
  deadlineMs: 5000,
  maxInFlight: 1000,
  kind: "routes",
  routes: [
    { method: "POST", path: "/:game", handler: "offer", takesBody: true, idempotent: true, priority: "high" },
    { method: "GET", path: "/:game", handler: "read", takesBody: false, idempotent: true, priority: "high" },
  ],
};
export const WEB: ApplicationSpec = { ...OFFERS, name: "web", route: "/web", kind: "fetch", routes: [] };

export interface LogLine {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string | undefined;
}

export interface TestIngress {
  readonly ingress: Ingress;
  readonly target: TargetWithKnobs;
  /** Those of the process that the edge is in. */
  readonly calls: CallCounters;
  readonly port: number;
  readonly lines: readonly LogLine[];
  connect(): Promise<RawClient>;
}

const closing: (() => Promise<void>)[] = [];

export async function startIngress(
  options: IngressOptions = {},
  applications = [OFFERS, WEB],
): Promise<TestIngress> {
  const target = new TargetWithKnobs();
  const lines: LogLine[] = [];
  const calls = new CallCounters();
  const ingress = new Ingress({
    options: resolveIngressOptions({ port: 0, ...options }),
    target,
    log: logInto(lines),
    calls,
  });
  ingress.setApplications(applications);
  const { port } = await ingress.start();
  const clients: RawClient[] = [];
  closing.push(async () => {
    for (const client of clients) client.destroy();
    await ingress.close();
  });
  const connect = async () => {
    const client = await RawClient.connect(port);
    clients.push(client);
    return client;
  };
  return { ingress, target, calls, port, lines, connect };
}

/** For `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0)) await close();
}

function logInto(lines: LogLine[]): IngressLog {
  const at =
    (level: string) =>
    (fields: unknown, message?: string): void => {
      lines.push({ level, fields: Object(fields), message });
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
