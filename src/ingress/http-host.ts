import { createServer, type Server } from "node:http";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Connections } from "./connections.ts";
import type { EdgeServices } from "./edge-services.ts";
import { Exchange } from "./exchange.ts";

export interface HttpHost {
  readonly fastify: FastifyInstance;
  readonly server: Server;
}

/**
 * The HTTP server: Fastify on Node's, with limits set and the applications behind one hook.
 *
 * The hook hijacks a request before Fastify parses anything, because Fastify cannot take routes back at run time and its
 * reply path costs about 5 µs that a compiled table and one `writeHead` do not. Other protocols of the port
 * (`/v2`) can be plugins with routes of their own: a route with a longer path is chosen before the catch-all.
 */
export function createHttpHost(services: EdgeServices, connections: Connections): HttpHost {
  const { options } = services;
  let server: Server | undefined;
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
        handler,
      );
      return server;
    },
    logger: false,
    exposeHeadRoutes: false,
    clientErrorHandler: (error, socket) => connections.onClientError(error, socket),
    // A path that does not decode never reaches a route.
    frameworkErrors: (_error, request, reply) => hijack(services, connections, request, reply),
    routerOptions: { maxParamLength: options.maxUrlBytes },
  });
  if (server === undefined) throw new TypeError("Fastify did not call its server factory");
  bound(server, services, connections);
  // Never calling `done` is what `hijack` asks for: the request has left Fastify.
  const edge = (request: FastifyRequest, reply: FastifyReply) =>
    hijack(services, connections, request, reply);
  fastify.register(async (scope) => {
    scope.addHook("onRequest", (request, reply, _done) => edge(request, reply));
    scope.all("*", edge);
    // Methods that Fastify does not route: no application takes them, but the error is to have our form.
    scope.setNotFoundHandler(edge);
  });
  return { fastify, server };
}

function hijack(
  services: EdgeServices,
  connections: Connections,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  reply.hijack();
  const connection = connections.of(request.raw.socket);
  if (connection === undefined) request.raw.socket.destroy();
  else new Exchange(services, connection, request.raw, reply.raw).begin();
}

function bound(server: Server, services: EdgeServices, connections: Connections): void {
  // A limit on their number would drop headers silently; their size is limited instead.
  server.maxHeadersCount = 0;
  server.timeout = services.options.writeTimeoutMs;
  server.on("timeout", (socket) => connections.onSocketTimeout(socket));
  // Node's own `maxConnections` closes without a word, so it only guards those being refused.
  server.maxConnections = services.options.maxConnections + 1000;
  const serve = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket) => {
    if (connections.accept(socket)) for (const listener of serve) listener.call(server, socket);
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
