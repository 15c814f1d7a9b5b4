/**
 * The form of a results file, `bench/results/<suite>-<date>.json`: the one source of its types, of the check on reading
 * and of its JSON schema (`npm run bench -- --schema`). docs/benchmarks.md explains the fields.
 */
import { z } from "zod";

const whole = z.int().min(0);
const amount = z.number().min(0);

export const spreadSchema = z.object({
  median: z.number(),
  min: z.number(),
  max: z.number(),
  rounds: whole.describe("how many rounds the figure is made of"),
});

export const latencySchema = z.object({
  p50Ms: amount,
  p95Ms: amount,
  p99Ms: amount,
  p999Ms: amount,
  maxMs: amount,
  meanMs: amount,
  count: whole,
});

const countsShape = {
  requests: whole,
  right: whole,
  degraded: whole.describe("labelled as degraded; not compared with the reference"),
  fallback: whole.describe("the game's default offer"),
  wrong: whole.describe("200 with another propensity or offer than the reference; never acceptable"),
  failed: whole.describe("other statuses, broken connections, missing answers"),
};
export const countsSchema = z.object(countsShape);

export const probeSchema = z.object({
  ...countsShape,
  shape: z.enum(["closed", "open"]),
  level: amount.describe("connections (closed loop) or arrivals per second (open loop)"),
  throughputRps: amount.describe("right answers per second"),
  latency: latencySchema,
  cpuSecondsPer1k: amount.nullable().describe("of all processes of the system, per 1,000 answers"),
  generatorCpuSecondsPer1k: amount.nullable(),
  sendLagP99Ms: amount.nullable(),
  overloaded: z.boolean(),
  failures: z.array(z.string()),
});

/** One visit to one system: started, warmed up, measured, ended. The unit that is stored and resumed. */
export const visitSchema = z.object({
  case: z.string(),
  system: z.string(),
  round: whole,
  coldStartMs: amount.describe("process start to the first personal offer"),
  processes: whole,
  pssMb: amount.describe("highest sample under load, all processes of the system"),
  capacity: probeSchema.nullable().describe("null: no level met the limit"),
  capacityProbes: z.array(probeSchema),
  storyRateRps: amount
    .nullable()
    .describe("flask-story: the highest rate at which it keeps the limit, in this round"),
  latencies: z.array(probeSchema).describe("open loop at stated rates"),
  atStoryRate: probeSchema.nullable(),
});

export const floorBatchSchema = z.object({
  batch: whole,
  ensemblesPerSecond: amount,
  cpuSecondsPer1k: amount,
});

export const floorVisitSchema = z.object({
  family: z.string(),
  round: whole,
  batches: z.array(floorBatchSchema),
});

export const hopSampleSchema = z.object({
  subject: z.string().describe("bare-socket, inline, processes, fan-out-15"),
  payloadBytes: whole,
  round: whole,
  latency: latencySchema.describe("one call at a time"),
  callsPerSecond: amount.nullable().describe("64 calls under way at once"),
});

/** One arrival rate above what the system carries. */
export const overloadStepSchema = z.object({
  ...countsShape,
  multiple: amount.describe("of what was carried just before"),
  carriedRps: amount
    .nullable()
    .default(null)
    .describe(
      "right answers per second in the closed loop at the level of the capacity, mean of just before and just after; null: not measured",
    ),
  rateRps: amount.describe("arrivals per second, open loop"),
  answeredRps: amount.describe("right answers per second"),
  goodputRps: amount.describe("right answers per second that came within the limit for the admitted"),
  refused: whole.describe("of the failed: 503 with Retry-After"),
  shed: whole.describe("answers that lack a member because a bound inside refused it"),
  admitted: latencySchema.describe("of all but the refused, from the intended time of sending"),
  refusals: latencySchema.describe("how long it took to be refused"),
  cpuSeconds: amount.describe("of all processes of the system, in the window"),
  generatorCpuSeconds: amount,
  windowSeconds: amount,
  sendLagP99Ms: amount.nullable(),
  failures: z.array(z.string()),
});

/** One visit of the suite `overload`: capacity, then rates above it. */
export const overloadVisitSchema = z.object({
  case: z.string(),
  system: z.string(),
  round: whole,
  capacityRps: amount,
  capacityConnections: amount,
  steps: z.array(overloadStepSchema),
});

export const overloadResultSchema = z.object({
  case: z.string(),
  system: z.string(),
  multiple: amount,
  rounds: whole,
  capacityRps: amount.describe("median of the rounds, as are all figures here"),
  rateRps: amount,
  goodputRps: amount,
  shareOfCapacity: spreadSchema.describe("goodput of what was carried beside it, taken round by round"),
  admittedP50Ms: amount,
  admittedP95Ms: spreadSchema,
  refusedShare: amount.describe("of all requests"),
  refusalP50Ms: amount,
  refusalP95Ms: amount,
  shedShare: spreadSchema.describe(
    "answers that lack a member because a bound inside refused it, of all answers",
  ),
  failed: whole.describe("over all rounds, the refused aside"),
  wrong: whole,
  sendLagP99Ms: amount.nullable(),
});

/** One window of one arm: without the fault, or from its beginning on. */
export const stragglersWindowSchema = z.object({
  ...countsShape,
  refused: whole.describe("of the failed: 503 with Retry-After"),
  latency: latencySchema.describe("of all but the refused, from the intended time of sending"),
  settled: latencySchema.nullable().describe("of what arrived later than the settling time; null: no fault"),
  wastedRuns: whole.describe("executions whose result nobody took, over all processes of the system"),
  cpuSeconds: amount.describe("of all processes of the system, in the window"),
  generatorCpuSeconds: amount,
  otherCpuSeconds: amount.describe("of everything else on the machine: what disturbed the measurement"),
  windowSeconds: amount,
  sendLagP99Ms: amount.nullable(),
  failures: z.array(z.string()),
});

/** One visit of the suite `stragglers`: a system in one arm, without a fault and with one. */
export const stragglersVisitSchema = z.object({
  fault: z.enum(["slow-lane", "late-replica"]),
  arm: z.enum(["on", "off"]).describe("all that is done about stragglers, or none of it"),
  round: whole,
  lane: z.string().describe("the one that has the fault"),
  rateRps: amount,
  healthy: stragglersWindowSchema,
  faulty: stragglersWindowSchema,
});

const armSchema = z.object({
  p50Ms: amount,
  p95Ms: amount,
  p99Ms: amount,
  extraExecutions: amount.describe("share of the executions needed; of the whole window with the fault"),
});

export const stragglersResultSchema = z.object({
  fault: stragglersVisitSchema.shape.fault,
  window: z.enum(["healthy", "from-onset", "settled"]),
  rounds: whole,
  rateRps: amount,
  off: armSchema.describe("medians of the rounds"),
  on: armSchema,
  timesLower: spreadSchema.describe("p99 off through p99 on, taken round by round"),
  extraExecutions: spreadSchema.describe("with it on, round by round"),
  busyFraction: amount.describe("of all cores, by all processes and the generator, with it on"),
  disturbedFraction: amount.describe("of all cores, by other programs, in the worst round of either arm"),
  refusedOff: amount.describe("share of the requests, over all rounds; they are in no latency"),
  refusedOn: amount,
  degraded: whole.describe("over all rounds and both arms; so are failed and wrong"),
  failed: whole.describe("the refused aside"),
  wrong: whole,
});

/** One window of a visit of the suite `rollout`: as it is, or while versions take over. */
export const rolloutWindowSchema = z.object({
  ...countsShape,
  latency: latencySchema.describe("of all requests, from the intended time of sending"),
  cpuSeconds: amount.describe("of the processes of the system that live at both edges of the window"),
  generatorCpuSeconds: amount,
  otherCpuSeconds: amount.describe("of everything else on the machine; 0 while processes come and go"),
  windowSeconds: amount,
  sendLagP99Ms: amount.nullable(),
  failures: z.array(z.string()),
});

export const rolloutVisitSchema = z.object({
  round: whole,
  rateRps: amount,
  updates: whole,
  updateMs: z.array(amount).describe("from a deployment to the end of the version before"),
  steady: rolloutWindowSchema,
  updating: rolloutWindowSchema,
});

const rolloutFiguresSchema = z.object({ p50Ms: amount, p95Ms: amount, p99Ms: amount, maxMs: amount });

export const rolloutResultSchema = z.object({
  rounds: whole,
  rateRps: amount,
  updates: whole.describe("over all rounds; so are requests, failed, degraded and wrong"),
  updateMs: amount.describe("median"),
  steady: rolloutFiguresSchema.describe("medians of the rounds"),
  updating: rolloutFiguresSchema,
  p95Times: spreadSchema.describe("p95 during the updates through p95 without, round by round"),
  failedPerVisit: spreadSchema.describe("failed or wrong, during the updates"),
  requests: whole,
  failed: whole,
  degraded: whole,
  wrong: whole,
});

const watchKindShape = {
  changed: z.enum(["module", "model"]),
  way: z
    .enum(["renamed", "in-place", "version-folder"])
    .describe("put in its place whole, written over, or, of a model, as the folder of its next version"),
};

const watchCountsShape = {
  requests: whole,
  failed: whole,
  wrong: whole.describe(
    "neither what was before the change nor what is after it; or what was before, after that was not served",
  ),
  latency: latencySchema,
  failures: z.array(z.string()),
};

/** One change of the suite `watch`; its counts are of all requests from then until the next one. */
export const watchChangeSchema = z.object({
  ...watchKindShape,
  servedMs: amount.describe("from before it was written to the first answer that shows it"),
  ...watchCountsShape,
});

export const watchVisitSchema = z.object({
  round: whole,
  steady: z.object(watchCountsShape).describe("before the first change"),
  changes: z.array(watchChangeSchema),
  cpuSeconds: amount.describe("of the node and its processes, those that ended meanwhile included"),
  benchCpuSeconds: amount.describe("of the bench, which sends the requests"),
  otherCpuSeconds: amount.describe("of everything else on the machine"),
  windowSeconds: amount,
});

export const watchResultSchema = z.object({
  ...watchKindShape,
  rounds: whole,
  changes: whole.describe("over all rounds; so are requests, failed and wrong"),
  servedMs: spreadSchema.describe("over all changes of all rounds"),
  p95Ms: amount,
  soonShare: amount.describe("of the changes: served in under a second"),
  requests: whole,
  failed: whole,
  wrong: whole,
  slowestRequestMs: amount,
});

export const systemResultSchema = z.object({
  name: z.string(),
  case: z.string().describe('model family and look-up delay, e.g. "trees/10ms"'),
  configuration: z.string(),
  rounds: whole,
  capacityRps: amount
    .nullable()
    .describe("highest throughput that meets the p95 limit, median of the rounds"),
  capacityConnections: amount.nullable(),
  p50Ms: amount.nullable().describe("at capacity, median of the rounds; so are p95 and p99"),
  p95Ms: amount.nullable(),
  p99Ms: amount.nullable(),
  pssMb: amount.nullable(),
  cpuSecondsPer1k: amount.nullable().describe("at capacity"),
  generatorCpuSecondsPer1k: amount.nullable(),
  coldStartMs: amount.nullable(),
  latencies: z.array(
    z.object({
      rateRps: amount,
      p50Ms: amount,
      p95Ms: amount,
      p99Ms: amount,
      p999Ms: amount,
      maxMs: amount,
      rounds: whole,
    }),
  ),
  counts: countsSchema.describe("over all measured windows"),
});

export const ratioSchema = z.object({
  ...spreadSchema.shape,
  name: z.enum(["capacity", "p95AtStoryRate", "cpu", "pss", "p50", "shareOfFloor", "roundTrip"]),
  of: z.string(),
  against: z.string(),
  case: z.string(),
});

export const checkSchema = z.object({
  requirement: z.string(),
  bound: z.string(),
  measured: z.number().nullable().describe("null: not measured in this run"),
  min: z.number().nullable(),
  max: z.number().nullable(),
  reached: z.boolean().nullable(),
});

export const resultSchema = z.object({
  schemaVersion: z.literal(1),
  suite: z.enum(["offers", "hop", "overload", "stragglers", "rollout", "watch"]),
  quick: z.boolean(),
  runId: z.string(),
  startedAt: z.string(),
  finishedAt: z.string(),
  machine: z.object({ cpu: z.string(), cores: whole, memoryMb: whole, kernel: z.string() }),
  versions: z.record(z.string(), z.string()),
  git: z.object({ revision: z.string(), dirty: z.boolean() }),
  parameters: z.record(z.string(), z.unknown()),
  systems: z.array(systemResultSchema),
  floor: z.array(
    z.object({
      family: z.string(),
      batch: whole,
      ensemblesPerSecond: amount,
      cpuSecondsPer1k: amount,
      rounds: whole,
    }),
  ),
  hops: z.array(
    z.object({
      subject: z.string(),
      payloadBytes: whole,
      p50Ms: amount,
      p95Ms: amount,
      p99Ms: amount,
      callsPerSecond: amount.nullable(),
      rounds: whole,
    }),
  ),
  ratios: z.array(ratioSchema),
  overload: z.array(overloadResultSchema).default([]).describe("absent from files of older versions"),
  stragglers: z.array(stragglersResultSchema).default([]),
  rollout: z.array(rolloutResultSchema).default([]),
  watch: z.array(watchResultSchema).default([]),
  checks: z.array(checkSchema),
  skipped: z.array(z.string()).describe("what this run should have measured and did not, with the reason"),
  visits: z.array(visitSchema),
  floorVisits: z.array(floorVisitSchema),
  hopSamples: z.array(hopSampleSchema),
  overloadVisits: z.array(overloadVisitSchema).default([]),
  stragglersVisits: z.array(stragglersVisitSchema).default([]),
  rolloutVisits: z.array(rolloutVisitSchema).default([]),
  watchVisits: z.array(watchVisitSchema).default([]),
});

export type Latency = z.infer<typeof latencySchema>;
export type Counts = z.infer<typeof countsSchema>;
export type ProbeRecord = z.infer<typeof probeSchema>;
export type Visit = z.infer<typeof visitSchema>;
export type FloorVisit = z.infer<typeof floorVisitSchema>;
export type HopSample = z.infer<typeof hopSampleSchema>;
export type OverloadStep = z.infer<typeof overloadStepSchema>;
export type OverloadVisit = z.infer<typeof overloadVisitSchema>;
export type OverloadResult = z.infer<typeof overloadResultSchema>;
export type StragglersWindow = z.infer<typeof stragglersWindowSchema>;
export type StragglersVisit = z.infer<typeof stragglersVisitSchema>;
export type StragglersResult = z.infer<typeof stragglersResultSchema>;
export type RolloutWindow = z.infer<typeof rolloutWindowSchema>;
export type RolloutVisit = z.infer<typeof rolloutVisitSchema>;
export type RolloutResult = z.infer<typeof rolloutResultSchema>;
export type WatchChange = z.infer<typeof watchChangeSchema>;
export type WatchVisit = z.infer<typeof watchVisitSchema>;
export type WatchResult = z.infer<typeof watchResultSchema>;
export type SystemResult = z.infer<typeof systemResultSchema>;
export type RatioResult = z.infer<typeof ratioSchema>;
export type Check = z.infer<typeof checkSchema>;
export type BenchResult = z.infer<typeof resultSchema>;

/** @throws with the path of the first field that is not as the schema says. */
export function parseResult(value: unknown): BenchResult {
  return resultSchema.parse(value);
}
