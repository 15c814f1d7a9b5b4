import { z } from "zod";
import { definitionSchema } from "../config/definition-schema.ts";
import { NODE_BOUNDS } from "../config/node-options.ts";
import { flag, number, oneOf, strict, text, wholeNumber } from "../config/schema-parts.ts";
import { ADMISSION_BOUNDS } from "../ingress/admission-options.ts";
import { ACCESS_LOG_LEVELS, INGRESS_INTEGERS } from "../ingress/ingress-options.ts";

/** What `tutti.yaml` may hold. */

const address = () => text("an address or host name").describe("Address to listen on.");

const integer = (name: keyof typeof INGRESS_INTEGERS) => wholeNumber(INGRESS_INTEGERS[name]).exactOptional();

const nodeNumber = (name: keyof typeof NODE_BOUNDS) => {
  const bounds = NODE_BOUNDS[name];
  return (bounds.isWhole ? wholeNumber : number)(bounds).exactOptional();
};

const admission = strict({
  enabled: flag().exactOptional().describe("False: everything is taken in, until replicas refuse."),
  maxQueueMs: number(ADMISSION_BOUNDS.maxQueueMs).exactOptional(),
  maxInFlight: wholeNumber(ADMISSION_BOUNDS.maxInFlight).exactOptional(),
  minInFlight: wholeNumber(ADMISSION_BOUNDS.minInFlight).exactOptional(),
  lowPriorityShare: number(ADMISSION_BOUNDS.lowPriorityShare).exactOptional(),
  leanShare: number(ADMISSION_BOUNDS.leanShare).exactOptional(),
  holdMs: number(ADMISSION_BOUNDS.holdMs).exactOptional(),
});

const integers = {
  port: integer("port").describe("0 picks a free one."),
  maxBodyBytes: integer("maxBodyBytes"),
  maxJsonDepth: integer("maxJsonDepth"),
  maxHeaderBytes: integer("maxHeaderBytes"),
  maxUrlBytes: integer("maxUrlBytes"),
  headersTimeoutMs: integer("headersTimeoutMs"),
  bodyTimeoutMs: integer("bodyTimeoutMs"),
  keepAliveTimeoutMs: integer("keepAliveTimeoutMs"),
  writeTimeoutMs: integer("writeTimeoutMs"),
  streamHeartbeatMs: integer("streamHeartbeatMs"),
  maxConnections: integer("maxConnections"),
  drainGraceMs: integer("drainGraceMs"),
} satisfies Record<keyof typeof INGRESS_INTEGERS, z.ZodType>;

const http = strict({
  host: address().exactOptional(),
  ...integers,
  accessLog: oneOf(ACCESS_LOG_LEVELS).exactOptional().describe("Level of one log line for each request."),
  admission: admission.exactOptional().describe("How many requests are let in, and which not."),
});

const admin = strict({
  host: address().exactOptional(),
  port: wholeNumber({ min: 0, max: 65_535 }).exactOptional().describe("0 picks a free one."),
  tokenFile: text("the path of a file")
    .exactOptional()
    .describe("Where the token is that it demands; relative paths begin at this file."),
});

const nodeNumbers = {
  lanes: nodeNumber("lanes").describe("Model executors, one compute lane each."),
  codeExecutors: nodeNumber("codeExecutors"),
  spares: nodeNumber("spares"),
  laneNiceness: nodeNumber("laneNiceness"),
  heartbeatTimeoutMs: nodeNumber("heartbeatTimeoutMs"),
  loadingTimeoutMs: nodeNumber("loadingTimeoutMs"),
  executorMemoryLimitMb: nodeNumber("executorMemoryLimitMb"),
  drainTimeoutMs: nodeNumber("drainTimeoutMs"),
} satisfies Record<keyof typeof NODE_BOUNDS, z.ZodType>;

/** Of the node as a whole; read when it starts. */
export const settingsSchema = strict({
  http: http.exactOptional().describe("The HTTP edge."),
  admin: admin.exactOptional().describe("The admin API."),
  node: strict(nodeNumbers).exactOptional().describe("How the node runs its executors."),
  stateDir: text("the path of a directory")
    .exactOptional()
    .describe("Where the node keeps what it is to run; relative paths begin at this file."),
  modulesDir: text("the path of a directory")
    .exactOptional()
    .describe("Modules that the admin API may deploy lie in it. Default: this file's directory."),
});

/** The applications are read one by one, so that what is wrong with one does not hide what is wrong with another. */
export const fileSchema = strict({
  ...settingsSchema.shape,
  applications: z.unknown().exactOptional(),
});

export type WrittenSettings = z.infer<typeof settingsSchema>;

/** For editors; `schema/tutti.schema.json` is this. */
export function configJsonSchema(): object {
  const whole = strict({
    ...settingsSchema.shape,
    applications: z.array(definitionSchema).exactOptional().describe("What the node is to run."),
  }).meta({ title: "tutti.yaml", description: "What a Tutti node is to run, and how." });
  return z.toJSONSchema(whole, { io: "input" });
}
