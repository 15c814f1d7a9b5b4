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
import type { ApplicationsDesk } from "./applications-desk.ts";
import { addApplications } from "./applications-routes.ts";
import { describeStatus } from "./describe-status.ts";
import { EVENTS_TYPE, EventStreams } from "./event-stream.ts";
import { MAX_BODY_BYTES, takeJson, toError } from "./json-bodies.ts";
import type { NodeOperations } from "./node-operations.ts";
import { addOperations } from "./operations-routes.ts";
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

interface AdminParts {
  readonly source: AdminSource;
  readonly log: AdminLog;
  readonly desk: ApplicationsDesk | undefined;
  readonly operations: NodeOperations | undefined;
}

/**
 * The admin API, for people and programs of this machine, or with a token. It shares its process with the edge and so is
 * bounded in all that a client may make it do.
 */
export class AdminServer {
  readonly #options: ResolvedAdminOptions;
  readonly #fastify: FastifyInstance;
  readonly #paths: Paths = new Map();

  /**
   * @param desk undefined: what this node runs was said when it started, and cannot be changed.
   * @param operations undefined: it is only looked at.
   */
  constructor(
    options: ResolvedAdminOptions,
    source: AdminSource,
    log: AdminLog,
    desk?: ApplicationsDesk,
    operations?: NodeOperations,
  ) {
    this.#options = options;
    this.#fastify = createServer(options, { source, log, desk, operations }, this.#paths);
  }

  /** All that it answers at, parameters in braces. */
  get paths(): readonly string[] {
    return [...this.#paths.keys()].map((path) => path.replaceAll(/:(\w+)/g, "{$1}"));
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

/** The methods of each path. */
type Paths = Map<string, string[]>;

function createServer(options: ResolvedAdminOptions, parts: AdminParts, paths: Paths): FastifyInstance {
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
    bodyLimit: MAX_BODY_BYTES,
  });
  takeJson(fastify);
  fastify.server.maxConnections = MAX_CONNECTIONS;
  const guard = new AdminGuard(options);
  fastify.addHook("onRequest", async (request, reply) => {
    reply.headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
    const { headers, url } = request;
    const isOpen = OPEN_PATHS.has(pathOf(url));
    const refusal = (isOpen ? undefined : guard.refusalOf(headers)) ?? refusalOfBody(request);
    if (refusal === undefined) return;
    // Not read, so that the connection cannot go on.
    if (hasBody(request)) reply.header("connection", "close");
    if (refusal.code === "Unauthenticated") reply.header("www-authenticate", "Bearer");
    return sendError(refusal, request, reply);
  });
  fastify.setErrorHandler((thrown, request, reply) => {
    const error = toError(thrown);
    if (error.code === "Internal")
      parts.log.error({ requestId: request.id, err: thrown }, "admin request failed");
    return sendError(error, request, reply);
  });
  fastify.addHook("onRoute", ({ path, method }) => {
    paths.set(path, [...(paths.get(path) ?? []), ...[method].flat()]);
  });
  fastify.setNotFoundHandler((request, reply) => sendError(notFound(request, paths), request, reply));
  addRoutes(fastify, parts, options);
  addApplications(fastify, parts.desk);
  if (parts.operations !== undefined) addOperations(fastify, parts.operations);
  return fastify;
}

function addRoutes(fastify: FastifyInstance, { source }: AdminParts, { token }: ResolvedAdminOptions): void {
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

function notFound({ url, method }: FastifyRequest, paths: Paths): TuttiError {
  const path = pathOf(url);
  const allowed = paths.get(path)?.join(", ");
  if (allowed !== undefined) {
    const message = `${method} is not allowed at ${path}; allowed: ${allowed}`;
    return new TuttiError("MethodNotAllowed", message, { details: { allowed } });
  }
  return new TuttiError(
    "NotFound",
    `there is nothing at ${path.slice(0, 200)}; there is ${[...paths.keys()].join(", ")}`,
  );
}

function sendError(error: TuttiError, request: FastifyRequest, reply: FastifyReply) {
  const { code, path, details } = error;
  if (code === "MethodNotAllowed") reply.header("allow", String(details?.["allowed"]));
  // A defect's message may hold anything: it is in the log, under the request's id.
  const message = code === "Internal" ? ERROR_CODES[code].meaning : error.message;
  const faults = details?.["faults"];
  const told = {
    code,
    message,
    ...(path === undefined ? {} : { path }),
    ...(faults === undefined ? {} : { faults }),
    requestId: request.id,
  };
  return reply.code(error.status).send({ error: told });
}

const pathOf = (url: string): string => url.split("?", 1)[0] ?? url;

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

function refusalOfBody(request: FastifyRequest): TuttiError | undefined {
  if (!hasBody(request) || request.method === "PUT" || request.method === "POST") return undefined;
  return new TuttiError("PayloadTooLarge", "a body is not taken here");
}

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
