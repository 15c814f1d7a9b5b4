import type { OutgoingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { ERROR_CODES } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { reportText } from "../observe/requests-report.ts";
import { AdminGuard } from "./admin-guard.ts";
import type { ResolvedAdminOptions } from "./admin-options.ts";
import { checkNames, formatOf, type RawQuery, requestsQuery } from "./admin-query.ts";
import type { AdminSource } from "./admin-source.ts";
import { describeStatus } from "./describe-status.ts";
import { EVENTS_TYPE, EventStreams } from "./event-stream.ts";
import { METRICS_TYPE, renderMetrics } from "./render-metrics.ts";
import { requestsJson } from "./requests-json.ts";

export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 8 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;

export interface AdminLog {
  error(fields: object, message: string): void;
}

/** Probes need no token: they say less than the port itself does. */
const OPEN_PATHS: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);

/**
 * The admin API: read only so far, for people and programs of this machine, or with a token. It shares its process with
 * the edge and so is bounded in all that a client may make it do.
 */
export class AdminServer {
  readonly #options: ResolvedAdminOptions;
  readonly #fastify: FastifyInstance;
  readonly #paths = new Set<string>();

  constructor(options: ResolvedAdminOptions, source: AdminSource, log: AdminLog) {
    this.#options = options;
    this.#fastify = createServer(options, source, log, this.#paths);
  }

  /** All that it answers at. */
  get paths(): readonly string[] {
    return [...this.#paths];
  }

  /** @throws TuttiError `PortInUse` or `StartFailed` */
  async start(): Promise<AdminAddress> {
    const { host, port } = this.#options;
    try {
      await this.#fastify.listen({ host, port });
    } catch (thrown) {
      throw listenError(thrown, host, port);
    }
    return { host, port: (this.#fastify.server.address() as AddressInfo).port };
  }

  /** Ends every connection. Idempotent. */
  async close(): Promise<void> {
    this.#fastify.server.closeAllConnections();
    await this.#fastify.close();
  }
}

function createServer(
  options: ResolvedAdminOptions,
  source: AdminSource,
  log: AdminLog,
  paths: Set<string>,
): FastifyInstance {
  const fastify = Fastify({
    logger: false,
    http: { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: REQUEST_TIMEOUT_MS },
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
    // A path that does not decode never reaches a route.
    frameworkErrors: (_error, request, reply) =>
      sendError(
        new TuttiError("NotFound", `there is nothing at ${request.url.slice(0, 200)}`),
        request,
        reply,
      ),
    genReqId: numbered("admin"),
  });
  fastify.server.maxConnections = MAX_CONNECTIONS;
  const guard = new AdminGuard(options);
  fastify.addHook("onRequest", async (request, reply) => {
    reply.headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
    const { headers, url } = request;
    if (hasBody(request)) {
      // Not read, so that the connection cannot go on.
      reply.header("connection", "close");
      return sendError(new TuttiError("PayloadTooLarge", "a body is not taken here"), request, reply);
    }
    const refusal = OPEN_PATHS.has(pathOf(url)) ? undefined : guard.refusalOf(headers);
    if (refusal === undefined) return;
    if (refusal.code === "Unauthenticated") reply.header("www-authenticate", "Bearer");
    return sendError(refusal, request, reply);
  });
  fastify.setErrorHandler((thrown, request, reply) => {
    const error = TuttiError.from(thrown, "Internal");
    if (error.code === "Internal") log.error({ requestId: request.id, err: thrown }, "admin request failed");
    return sendError(error, request, reply);
  });
  fastify.addHook("onRoute", ({ path }) => void paths.add(path));
  fastify.setNotFoundHandler((request, reply) => sendError(notFound(request, paths), request, reply));
  addRoutes(fastify, source, options);
  return fastify;
}

function addRoutes(fastify: FastifyInstance, source: AdminSource, { token }: ResolvedAdminOptions): void {
  fastify.get("/healthz", (_, reply) => reply.send({ status: "alive" }));
  fastify.get("/readyz", (_, reply) => {
    const { ready, reason } = source.readiness();
    if (!ready) reply.header("retry-after", "1");
    return reply.code(ready ? 200 : 503).send({ ready, reason });
  });
  fastify.get("/metrics", async (request, reply) => {
    checkNames(request.query as RawQuery, []);
    return reply.type(METRICS_TYPE).send(await renderMetrics(await source.metrics()));
  });
  fastify.get("/api/status", (request, reply) => {
    const query = request.query as RawQuery;
    checkNames(query, ["format"]);
    const format = formatOf(query, request.headers.accept);
    const status = source.status();
    return format === "json" ? reply.send(status) : reply.type(TEXT).send(describeStatus(status));
  });
  const streams = new EventStreams(source);
  fastify.get("/api/events", (request, reply) => {
    checkNames(request.query as RawQuery, []);
    reply.type(EVENTS_TYPE);
    if (request.method === "HEAD") return reply.send();
    if (streams.isFull) {
      reply.header("retry-after", "10");
      throw new TuttiError("Overloaded", "as many read the events as may");
    }
    // Its headers hold what the hooks have set.
    const headers = reply.getHeaders() as OutgoingHttpHeaders;
    reply.hijack();
    reply.raw.writeHead(200, headers);
    streams.open(reply.raw, request.headers["last-event-id"]?.toString());
  });
  fastify.get("/api/openapi.json", async (request, reply) => {
    checkNames(request.query as RawQuery, []);
    // Loaded for who asks: the library of the schemas is a tenth of a second and 20 MB, and no request needs it.
    const { openApi } = await import("./openapi.ts");
    return reply.send(openApi(token !== undefined));
  });
  fastify.get("/api/requests", async (request, reply) => {
    const query = request.query as RawQuery;
    const asked = requestsQuery(query);
    const format = formatOf(query, request.headers.accept);
    const report = await source.requests(asked);
    if (asked.id !== undefined && report.requests.length === 0) reply.code(404);
    if (format === "json") return reply.send(requestsJson(report));
    return reply.type(TEXT).send(reportText(report, (id) => source.nameOf(id)));
  });
}

const TEXT = "text/plain; charset=utf-8";

function notFound({ url, method }: FastifyRequest, paths: ReadonlySet<string>): TuttiError {
  const path = pathOf(url);
  if (paths.has(path))
    return new TuttiError("MethodNotAllowed", `${method} is not allowed at ${path}; allowed: GET, HEAD`);
  return new TuttiError(
    "NotFound",
    `there is nothing at ${path.slice(0, 200)}; there is ${[...paths].join(", ")}`,
  );
}

function sendError(error: TuttiError, request: FastifyRequest, reply: FastifyReply) {
  if (error.code === "MethodNotAllowed") reply.header("allow", "GET, HEAD");
  const { code, path } = error;
  // A defect's message may hold anything: it is in the log, under the request's id.
  const message = code === "Internal" ? ERROR_CODES[code].meaning : error.message;
  const told = { code, message, ...(path === undefined ? {} : { path }), requestId: request.id };
  return reply.code(error.status).send({ error: told });
}

const pathOf = (url: string): string => url.split("?", 1)[0] ?? url;

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

function numbered(prefix: string): () => string {
  let count = 0;
  return () => `${prefix}-${++count}`;
}

function listenError(thrown: unknown, host: string, port: number): TuttiError {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "EADDRINUSE") {
    const message =
      `the admin port ${port} on ${host} is in use, perhaps by another node: ` +
      "choose another with --admin-port (0 for any), or --no-admin to have none";
    return new TuttiError("PortInUse", message, { path: "admin.port", cause: thrown });
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new TuttiError("StartFailed", `the admin API cannot listen on ${host}:${port}: ${reason}`, {
    path: "admin.host",
    cause: thrown,
  });
}
