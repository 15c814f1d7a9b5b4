import type { FastifyInstance } from "fastify";
import { TuttiError } from "../errors/tutti-error.ts";
import { checkNames, isAsked, type RawQuery } from "./admin-query.ts";
import { type ApplicationsDesk, etagOf } from "./applications-desk.ts";

/** What the node is to run, to be read and changed. */
export function addApplications(fastify: FastifyInstance, desk: ApplicationsDesk | undefined): void {
  fastify.get("/api/applications", async (request, reply) => {
    checkNames(request.query as RawQuery, []);
    const desired = await openDesk(desk).read();
    return reply.header("etag", etagOf(desired.revision)).send(desired);
  });
  fastify.put("/api/applications", async (request, reply) => {
    const query = request.query as RawQuery;
    checkNames(query, ["dryRun"]);
    const answer = await openDesk(desk).change({
      ifMatch: request.headers["if-match"],
      body: request.body,
      isDryRun: isAsked(query, "dryRun"),
    });
    return reply.header("etag", etagOf(answer.revision)).send(answer);
  });
}

function openDesk(desk: ApplicationsDesk | undefined): ApplicationsDesk {
  if (desk !== undefined) return desk;
  const message = "this node runs what it was started with and keeps no desired state: tutti start does";
  throw new TuttiError("NotFound", message);
}
