import type { FastifyInstance, FastifyRequest } from "fastify";
import { checkKeys, wholeNumber } from "../config/check-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { Rollback } from "../policy/desired-state.ts";
import { checkNames, type RawQuery } from "./admin-query.ts";
import type { NodeOperations, WantedReplicas } from "./node-operations.ts";

interface Names {
  readonly application: string;
  readonly deployment: string;
}

const MAX_REASON_CHARS = 500;

/**
 * What can be done to a node. Every one of these takes a body of JSON: a web page cannot send one to another place without asking
 * first, and is not answered.
 */
export function addOperations(fastify: FastifyInstance, operations: NodeOperations): void {
  fastify.post("/api/deployments/:application/:deployment/scale", async (request) => {
    const { application, deployment } = request.params as Names;
    const { replicas } = bodyOf(request, ["replicas"]);
    const scaled = await operations.scale(application, deployment, toReplicas(replicas));
    return { application: scaled.name, deployment, replicas };
  });
  fastify.post("/api/applications/:application/rollback", async (request) => {
    const { application } = request.params as Names;
    const { version, reason } = bodyOf(request, ["version", "reason"]);
    const to: Rollback["to"] = version === undefined ? "previous" : { version: text("version", version) };
    const why = reason === undefined ? "somebody asked for it" : text("reason", reason);
    const { name, rollback } = await operations.rollBack(application, to, why);
    return { application: name, rollback };
  });
  fastify.post("/api/shutdown", async (request, reply) => {
    bodyOf(request, []);
    // Answered first: what follows ends this connection.
    reply.raw.once("close", () => operations.shutDown());
    return reply.code(202).header("connection", "close").send({ status: "draining" });
  });
}

function bodyOf(request: FastifyRequest, names: readonly string[]): Readonly<Record<string, unknown>> {
  checkNames(request.query as RawQuery, []);
  const { body } = request;
  if (body === undefined) {
    const message = "expected a body of content-type application/json";
    throw new TuttiError("UnsupportedMediaType", message, { path: "body" });
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new TuttiError("InvalidArgument", `the body: expected an object`, { path: "body" });
  }
  checkKeys("the body", body, names);
  return body as Readonly<Record<string, unknown>>;
}

function text(name: string, value: unknown): string {
  if (typeof value === "string" && value !== "" && value.length <= MAX_REASON_CHARS) return value;
  const message = `${name}: expected a text of 1 to ${MAX_REASON_CHARS} characters`;
  throw new TuttiError("InvalidArgument", message, { path: name });
}

/** Its bounds are checked with the deployment's other options. */
function toReplicas(value: unknown): WantedReplicas {
  const count = (name: string, given: unknown) => wholeNumber(name, given, { default: 1, min: 1 });
  if (value === undefined) {
    throw new TuttiError("InvalidOptions", "replicas: expected a number or { min, max }, got nothing", {
      path: "replicas",
    });
  }
  if (typeof value !== "object" || value === null) return count("replicas", value);
  checkKeys("replicas", value, ["min", "max", "initial"]);
  const given = value as Readonly<Record<string, unknown>>;
  const { initial } = given;
  const min = count("replicas.min", given["min"]);
  const max = count("replicas.max", given["max"]);
  if (min > max) {
    const message = `replicas: expected a min that is at most its max, got ${min} to ${max}`;
    throw new TuttiError("InvalidOptions", message, { path: "replicas" });
  }
  return {
    min,
    max,
    ...(initial === undefined ? {} : { initial: count("replicas.initial", initial) }),
  };
}
