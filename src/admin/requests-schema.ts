import { z } from "zod";
import { ERROR_CODES } from "../errors/codes.ts";
import { KEPT } from "../observe/record-book.ts";

/** What `GET /api/requests` answers, as JSON: what `requestsJson` makes of a report. */

const ms = () => z.number().min(0);
const count = () => z.int().min(0);
const code = () => z.enum(Object.keys(ERROR_CODES));

const wait = z
  .strictObject({
    requestId: z.string(),
    deployment: z.string(),
    startedAtEpochMs: z.number(),
    queueMs: ms(),
    heldMs: ms().describe("How much of that the lane was free: the batch was held back for company."),
    ended: z.enum(["ran", "expired", "cancelled", "refused"]),
    behind: z
      .array(z.looseObject({ deployment: z.string(), runs: count(), largestBatch: count(), ms: ms() }))
      .describe("What ran meanwhile, longest first."),
  })
  .describe("What its lane did while it waited, for one that waited long.");

/** Calls are described by more than is documented here. */
export const treeCall = z.looseObject({
  name: z.string().describe("The deployment; edge for the outermost call of a request."),
  method: z.string(),
  status: z.enum(["ok", "late", "failed", "shed", "cancelled"]),
  code: code().optional(),
  latencyMs: ms(),
  routedMs: ms().describe("Before its last attempt was sent."),
  queueMs: ms(),
  laneMs: ms().optional().describe("How much of that its lane was at work; absent: all of it."),
  runMs: ms().describe("How long the run took that it was part of."),
  batchSize: count(),
  executor: z.string().describe("The id of the one that its last attempt was sent to; empty when none was."),
  attempts: count(),
  secondAttempt: z
    .strictObject({
      why: z.enum(["hedge", "rescue"]),
      afterMs: ms().describe("How long the first had been out."),
      first: z.string().describe("The id of its executor."),
      second: z.string().describe("The id of its executor."),
      decided: z.enum(["first", "second"]).describe("Whose end was the call's."),
    })
    .optional()
    .describe("One that was made while the first was out."),
  degraded: z.boolean().optional().describe("It answered, but an ensemble below it had members missing."),
  wait: wait.optional(),
  servedAfterMs: ms().describe("Groups and stages count from here, so much after the call was made."),
  get groups() {
    return z
      .array(z.strictObject({ startMs: z.number(), endMs: z.number(), calls: z.array(treeCall) }))
      .describe("Calls that it made together.");
  },
  stages: z.array(z.strictObject({ name: z.string(), startMs: z.number(), endMs: z.number() })),
});

const pathStage = z.looseObject({
  kind: z.enum(["edge", "router", "wire", "queue", "batch wait", "run", "features", "unanswered"]),
  name: z.string(),
  stage: z.string().optional().describe("As named by recordStage."),
  ms: ms(),
});

const cause = z.union([
  z.strictObject({
    kind: z.literal("stage"),
    stage: pathStage,
    name: z.string(),
    ms: ms(),
    usualMs: ms(),
  }),
  z.strictObject({
    kind: z.literal("missing"),
    name: z.string(),
    status: z.enum(["late", "failed", "shed", "cancelled"]),
    ms: ms(),
    others: count().describe("How many other calls are missing too."),
  }),
]);

const request = z.strictObject({
  line: z.string().describe("What happened, as the text has it."),
  requestId: z.string(),
  application: z.string(),
  applicationVersion: z.string(),
  route: z.string().describe("As declared."),
  startedAt: z.iso.datetime(),
  latencyMs: ms(),
  outcome: z.enum(["ok", "degraded", "failed", "refused"]),
  status: z.int().nullable().describe("Of the answer; 499 for a client that went away."),
  code: code().nullable(),
  fallback: z.boolean(),
  root: treeCall,
  cause: cause.nullable(),
  path: z.array(pathStage).describe("The critical path: what the request waited for; adds up to latencyMs."),
});

export const requestsReport = z.strictObject({
  kept: z.enum(KEPT),
  sample: z.strictObject({ sampled: count(), of: count(), p50Ms: ms(), p95Ms: ms() }),
  whatIf: z
    .strictObject({
      deployment: z.string(),
      replicas: count(),
      sampled: count(),
      p95Ms: ms(),
      withoutP95Ms: ms(),
      withReplicaP95Ms: ms(),
    })
    .nullable(),
  silent: z.array(z.string()).describe("Executors that did not answer: what they recorded is missing."),
  requests: z.array(request),
});
