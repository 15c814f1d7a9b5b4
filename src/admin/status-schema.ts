import { z } from "zod";
import { ENDINGS, STAGES } from "../observe/call-counters.ts";
import { APPLICATION_STATUSES } from "../policy/application-status.ts";

/**
 * What `GET /api/status` answers, as JSON. The types of `node-status.ts` are those of these schemas, and so is what
 * `openapi.json` says. Fields without a value are left out of the JSON.
 */

const ms = () => z.number().min(0);
const count = () => z.int().min(0);

const callCounts = z
  .partialRecord(z.enum(STAGES), z.partialRecord(z.enum(ENDINGS), count()).readonly())
  .readonly()
  .describe(
    "Calls that ended otherwise than by an answer that was used, by stage and ending; only what happened.",
  );

export const replicaStatus = z
  .strictObject({
    index: count(),
    executor: z.string().describe("The name of its place."),
    state: z.enum(["ready", "starting", "waiting", "stopped"]),
    reason: z.string().optional().describe("Why it waits for its next try."),
  })
  .readonly();

export const deploymentStatus = z
  .strictObject({
    name: z.string(),
    kind: z.enum(["class", "model"]),
    state: z.enum(["ready", "short", "down"]).describe("All replicas are ready, some, or none."),
    ready: count().describe("How many are ready, of how many are wanted."),
    wanted: count(),
    replicas: z.array(replicaStatus).readonly().describe("Those that are wanted, each with its place."),
  })
  .readonly();

export const versionStatus = z
  .strictObject({
    version: z.string(),
    state: z
      .enum(["starting", "failed", "ready", "serving", "draining", "ending"])
      .describe("`ready` is one that gets no requests yet."),
    weight: z.number().min(0).max(1).describe("Its share of the application's requests."),
    openRequests: count().describe("Requests that came to it and have not ended."),
    deployments: z.array(deploymentStatus).readonly(),
    error: z.string().optional().describe("Why it could not be started, or its options not be changed."),
    attempts: count().optional().describe("How often it was tried, if it failed."),
    retryInMs: ms().optional().describe("When it is tried again."),
  })
  .readonly();

export const applicationStatus = z
  .strictObject({
    name: z.string(),
    version: z.string().describe("Of the version that has the traffic, or most of it."),
    route: z.string(),
    deadlineMs: ms(),
    status: z.enum(APPLICATION_STATUSES),
    reason: z.string().describe("Why it is so; empty when there is nothing to say."),
    deployments: z.array(deploymentStatus).readonly().describe("Of that version."),
    versions: z.array(versionStatus).readonly(),
    rollout: z
      .strictObject({
        from: z.string(),
        to: z.string(),
        step: count().describe("From 1; one more than there are steps when the new version has all."),
        steps: count(),
        weight: z.number().min(0).max(1).describe("The new version's share."),
        stepAgeMs: ms(),
      })
      .readonly()
      .optional()
      .describe("Absent while no version takes over from another."),
  })
  .readonly();

export const executorReport = z
  .strictObject({
    name: z.string().describe("Its place, which outlives the process, e.g. lane 0."),
    id: z.string().describe("Empty while the place is not filled."),
    kind: z.enum(["model", "code"]),
    state: z.enum(["filling", "ready", "waiting", "stopped"]),
    reason: z.string().optional().describe("Why it waits for its next try."),
    pid: z.int().optional(),
    replicas: count(),
    rssMb: z
      .number()
      .min(0)
      .optional()
      .describe("What it last said of itself, like all that follows; absent until it has."),
    ongoing: count().optional(),
    backlogMs: ms().optional().describe("Predicted time until its lane has done all it was given."),
    longestRunMs: ms().optional(),
    unhealthy: count().optional(),
    calls: callCounts.optional(),
  })
  .readonly();

const batchStatus = z
  .strictObject({
    application: z.string().describe("Of a model that several applications share: all of them."),
    deployment: z.string(),
    method: z.string(),
    replica: count(),
    reasons: z.record(z.string(), count()).readonly().describe("Batches by why they were run as they were."),
    sizes: z
      .array(z.strictObject({ upToRows: count(), batches: count() }).readonly())
      .readonly()
      .describe("Batches of up to so many rows, and more than the entry before."),
    rows: count(),
    calls: count(),
    waitedMs: ms().describe("Of all calls together."),
    runMs: ms(),
    waits: count().describe("How often company was awaited although a slot was free."),
    hopeless: count().describe("Calls ended early: they could not have been on time."),
    givenUp: count().describe("Calls ended early: they would have made more of the others late."),
    queuedCalls: count().describe("Now."),
    capRows: count().describe("Rows in one run, at most, as of now."),
  })
  .readonly();

export const nodeStatus = z
  .strictObject({
    pid: z.int(),
    uptimeMs: ms(),
    ready: z.boolean(),
    reason: z.string().describe("Why it is not ready; empty when it is."),
    troubles: z
      .array(z.string())
      .readonly()
      .describe(
        "What keeps it from reading the desired state or from noting something there; what is served goes on.",
      ),
    revision: count().describe(
      "Of the desired state that it acts upon; a change is seen a moment after it is stored.",
    ),
    applications: z
      .array(applicationStatus)
      .readonly()
      .describe("Those that are wanted, and those that are going."),
    executors: z.array(executorReport).readonly(),
    calls: callCounts.describe(
      "Of all processes together. Executors that have ended are not in it any more.",
    ),
    batches: z
      .array(batchStatus)
      .readonly()
      .describe("What batchers have decided since their replicas began, as executors last said."),
    ingress: z
      .record(z.string(), z.number().nullable())
      .readonly()
      .describe("What the HTTP edge has counted; null for no limit."),
  })
  .readonly();
