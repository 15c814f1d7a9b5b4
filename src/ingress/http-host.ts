import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import { EarlyRefusals } from "./early-refusals.ts";
import type { EdgeServices } from "./edge-services.ts";
import { Exchange } from "./exchange.ts";

const ANY_PATH = "*";

export interface HttpHost {
  readonly fastify: FastifyInstance;
  readonly server: Server;
}

/**
 * The HTTP server: Node's, with limits set, and Fastify's life cycle around it.
 *
 * Requests pass Fastify by, because it cannot take routes back at run time, and its router, request, reply and hooks cost
 * about 5 µs that a compiled table and one `writeHead` do not. They go through it only once a plugin has added a route: other
 * protocols of the port (`/v2`) can be that, since a route with a longer path is chosen before the catch-all.
 */
export function createHttpHost(services: EdgeServices, connections: Connections): HttpHost {
  const { options } = services;
  let server: Server | undefined;
  let hasPlugins = false;
  const edge = (request: IncomingMessage, response: ServerResponse) => {
    const connection = connections.of(request.socket);
    if (connection === undefined) request.socket.destroy();
    else new Exchange(services, connection, request, response).begin();
  };
  const hijack = ({ raw: request }: FastifyRequest, reply: FastifyReply) => {
    reply.hijack();
    edge(request, reply.raw);
  };
  const fastify = Fastify({
    serverFactory: (handler) => {
      server = createServer(
        {
          maxHeaderSize: options.maxHeaderBytes,
          headersTimeout: options.headersTimeoutMs,
          // Bodies have their own timer; this one ends what is read only to be dropped.
          requestTimeout: options.headersTimeoutMs + options.bodyTimeoutMs,
          connectionsCheckingInterval: Math.min(1000, Math.ceil(options.headersTimeoutMs / 4)),
          keepAliveTimeout: options.keepAliveTimeoutMs,
          // Checked by the edge, since Node's own 400 has no body.
          requireHostHeader: false,
          noDelay: true,
        },
        (request, response) => (hasPlugins ? handler(request, response) : edge(request, response)),
      );
      return server;
    },
    logger: false,
    exposeHeadRoutes: false,
    clientErrorHandler: (error, socket) => connections.onClientError(error, socket),
    // A path that does not decode never reaches a route.
    frameworkErrors: (_error, request, reply) => hijack(request, reply),
    routerOptions: { maxParamLength: options.maxUrlBytes },
  });
  if (server === undefined) throw new TypeError("Fastify did not call its server factory");
  bound(server, services, connections, (connection, keepAliveMs) => {
    // What a plugin answers is not an application's to refuse.
    if (!hasPlugins) EarlyRefusals.onceRefused(services, connection, keepAliveMs);
  });
  fastify.addHook("onRoute", ({ path }) => {
    if (path !== ANY_PATH) hasPlugins = true;
  });
  // Never calling `done` is what `hijack` asks for: the request has left Fastify.
  fastify.register(async (scope) => {
    scope.addHook("onRequest", (request, reply, _done) => hijack(request, reply));
    scope.all(ANY_PATH, hijack);
    // Methods that Fastify does not route: no application takes them, but the error is to have our form.
    scope.setNotFoundHandler(hijack);
  });
  return { fastify, server };
}

function bound(
  server: Server,
  services: EdgeServices,
  connections: Connections,
  accepted: (connection: Connection, keepAliveMs: number) => void,
): void {
  // A limit on their number would drop headers silently; their size is limited instead.
  server.maxHeadersCount = 0;
  server.timeout = services.options.writeTimeoutMs;
  server.on("timeout", (socket) => connections.onSocketTimeout(socket));
  // Node's own `maxConnections` closes without a word, so it only guards those being refused.
  server.maxConnections = services.options.maxConnections + 1000;
  const serve = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket) => {
    if (!connections.accept(socket)) return;
    for (const listener of serve) listener.call(server, socket);
    const connection = connections.of(socket);
    if (connection !== undefined) accepted(connection, server.keepAliveTimeout);
  });
  server.on("checkContinue", (request, response) => {
    // A body that is refused by its declared size is never asked for.
    const declared = Number(request.headers["content-length"] ?? 0);
    if (declared <= services.options.maxBodyBytes) response.writeContinue();
    server.emit("request", request, response);
  });
  // The default answer has no body; an expectation we do not know may be ignored (RFC 9110, 10.1.1).
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
}
