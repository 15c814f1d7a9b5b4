import { readFileSync } from "node:fs";
import { KEPT } from "../observe/record-book.ts";
import { DEFAULT_LIMIT, MAX_LIMIT, MAX_TEXT_CHARS } from "./admin-query.ts";
import { EVENTS_TYPE } from "./event-stream.ts";
import { componentSchemas, refTo, type SchemaName } from "./openapi-schemas.ts";
import { METRICS_TYPE } from "./render-metrics.ts";

const TEXT = "text/plain; charset=utf-8";

const json = (description: string, name: SchemaName) => ({
  description,
  content: { "application/json": { schema: refTo(name) } },
});

const textOrJson = (description: string, name: SchemaName) => ({
  description,
  content: { "application/json": { schema: refTo(name) }, [TEXT]: { schema: { type: "string" } } },
});

const of = (type: string, description: string) => ({
  description,
  content: { [type]: { schema: { type: "string" } } },
});

const query = (name: string, description: string, schema: object) => ({
  name,
  in: "query",
  description,
  required: false,
  schema,
});

const text = { type: "string", minLength: 1, maxLength: MAX_TEXT_CHARS };
const format = query("format", "What to answer with; by default JSON for who accepts it, else text.", {
  enum: ["text", "json"],
});
const refused = {
  "400": json("A parameter is wrong: error.path names it.", "Error"),
  "401": json("The token is missing or wrong.", "Error"),
  "403": json("Without a token: the host header does not name this machine.", "Error"),
};

const storeFaults = {
  "500": json("What is stored is damaged; what runs goes on.", "Error"),
  "503": json("The store cannot be read or written now; what runs goes on.", "Error"),
};

/** Of what takes a body. */
const taken = {
  ...refused,
  "400": json("The body is wrong: error.path names what of it.", "Error"),
  "413": json("The body is larger than 1 MiB.", "Error"),
  "415": json("There is no body of type application/json.", "Error"),
};

const named = (name: string) => ({
  name,
  in: "path",
  description: `Of the ${name}.`,
  required: true,
  schema: { type: "string" },
});

const withEtag = (answer: object) => ({
  ...answer,
  headers: { etag: { description: "The revision, as if-match takes it.", schema: { type: "string" } } },
});

const PATHS = {
  "/healthz": {
    get: {
      summary: "Whether the process lives",
      security: [],
      responses: { "200": json("It does.", "Alive") },
    },
  },
  "/readyz": {
    get: {
      summary: "Whether every deployment has its minimum of replicas",
      security: [],
      responses: { "200": json("They have.", "Readiness"), "503": json("Not all.", "Readiness") },
    },
  },
  "/metrics": {
    get: {
      summary: "What was counted and measured, for Prometheus",
      responses: { "200": of(METRICS_TYPE, "Prometheus's text format."), ...refused },
    },
  },
  "/api/status": {
    get: {
      summary: "Application, deployments, replicas, executors, and what was counted",
      parameters: [format],
      responses: { "200": textOrJson("The node as it is now.", "NodeStatus"), ...refused },
    },
  },
  "/api/requests": {
    get: {
      summary: "Recorded requests: what was slow, degraded, failed or refused, and why",
      parameters: [
        ...KEPT.map((kept) =>
          query(kept, "Which; one of them, without a value. Default slow.", { type: "string", maxLength: 0 }),
        ),
        query("limit", "How many at most.", {
          type: "integer",
          minimum: 1,
          maximum: MAX_LIMIT,
          default: DEFAULT_LIMIT,
        }),
        query("id", "One request, in detail.", text),
        query("deployment", "What if asked for; default the most frequent cause.", text),
        format,
      ],
      responses: {
        "200": textOrJson("The requests, slowest or newest first.", "RequestsReport"),
        "404": textOrJson("The request asked for by id is not recorded.", "RequestsReport"),
        ...refused,
      },
    },
  },
  "/api/applications": {
    get: {
      summary: "What the node is to run; its etag is for changing it",
      responses: {
        "200": withEtag(json("The desired state.", "DesiredState")),
        "404": json("This node keeps none: it runs what it was started with.", "Error"),
        ...refused,
        ...storeFaults,
      },
    },
    put: {
      summary:
        "Puts all applications in the place of those that are there; with dryRun it only says what would change",
      parameters: [
        query("dryRun", "Nothing is changed; without a value, 1 or true.", { enum: ["", "1", "true"] }),
        {
          name: "if-match",
          in: "header",
          description: "The etag of what was read, or * for whatever is there.",
          required: true,
          schema: { type: "string" },
        },
      ],
      requestBody: {
        required: true,
        content: { "application/json": { schema: refTo("DesiredApplications") } },
      },
      responses: {
        "200": withEtag(json("What has changed, or would.", "Changes")),
        "404": json("This node keeps none: it runs what it was started with.", "Error"),
        "409": json("Another writer came between.", "Error"),
        "412": json("The state is not that of the etag.", "Error"),
        "413": json("The body is larger than 1 MiB.", "Error"),
        "415": json("The body is not of type application/json.", "Error"),
        "428": json("There is no if-match.", "Error"),
        ...refused,
        "400": json("A parameter or the body is wrong: error.faults has all of it.", "Error"),
        ...storeFaults,
        "507": json("There is no room left to store it; nothing has changed.", "Error"),
      },
    },
  },
  "/api/applications/{application}/rollback": {
    post: {
      summary: "Goes back to an earlier version of an application",
      parameters: [named("application")],
      requestBody: { required: true, content: { "application/json": { schema: refTo("RollbackBody") } } },
      responses: {
        "200": json("It is wanted now; how far it is, is in the status.", "RolledBack"),
        "404": json(
          "There is no such application or version; the message names those that there are.",
          "Error",
        ),
        ...taken,
        ...storeFaults,
      },
    },
  },
  "/api/deployments/{application}/{deployment}/scale": {
    post: {
      summary: "Wants another number of replicas of a deployment, in place",
      parameters: [named("application"), named("deployment")],
      requestBody: { required: true, content: { "application/json": { schema: refTo("ScaleBody") } } },
      responses: {
        "200": json("It is wanted now; how far it is, is in the status.", "Scaled"),
        "404": json("There is no such deployment; the message names those that there are.", "Error"),
        ...taken,
        ...storeFaults,
      },
    },
  },
  "/api/shutdown": {
    post: {
      summary: "Finishes what was accepted, then ends the node",
      requestBody: { required: true, content: { "application/json": { schema: refTo("Nothing") } } },
      responses: { "202": json("It has begun.", "Draining"), ...taken },
    },
  },
  "/api/events": {
    get: {
      summary: "What happens to the node from now on, as server-sent events; with last-event-id, since then",
      responses: {
        "200": of(EVENTS_TYPE, "The names of events and their fields are in docs/reference/admin.md."),
        "503": json("As many read as may.", "Error"),
        ...refused,
      },
    },
  },
  "/api/openapi.json": {
    get: {
      summary: "This document",
      responses: {
        "200": {
          description: "OpenAPI 3.1.",
          content: { "application/json": { schema: { type: "object" } } },
        },
        ...refused,
      },
    },
  },
};

/** The document of the admin API. Its schemas are those that its types are made of. */
export function openApi(demandsToken: boolean): object {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return {
    openapi: "3.1.0",
    info: {
      title: "Tutti admin API",
      version,
      description: "What a node tells of itself. Every path takes HEAD where it takes GET.",
    },
    paths: PATHS,
    security: demandsToken ? [{ token: [] }] : [],
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: componentSchemas(),
    },
  };
}
