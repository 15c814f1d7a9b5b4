import { z } from "zod";

const count = z.int().nonnegative();
const ms = z.number().nonnegative();

/** One fault, and what became of the requests that were sent from before it was planted until all was well again. */
export const phaseSchema = z.strictObject({
  fault: z.string(),
  about: z.string(),
  system: z.enum(["embedded", "dynamodb", "jumping"]),
  seed: count,
  holdMs: ms,
  sent: count.describe("requests; the next seven add up to it"),
  right: count.describe("personal, of all members, with the values that the models give when run directly"),
  degraded: count.describe(
    "personal, of fewer members, which it says; values right for the members it names",
  ),
  fallback: count.describe("the default offer, which it says, with a reason"),
  refused: count.describe("503 or 429"),
  failed: count.describe("any other status, or no answer"),
  wrong: count.describe("200 with another value than it must have"),
  unlabelled: count.describe("200 with less than a whole answer, which it does not say"),
  status5xx: count.describe("answers of status 500 and above, refusals included"),
  provoked: count.describe("requests that the fault itself made, each answered by a labelled fallback"),
  p50Ms: ms,
  p95Ms: ms,
  maxMs: ms,
  replacements: count.describe("executors that the node has replaced"),
  replacedBecause: z.array(z.string()).describe("the reasons it gave, each once, numbers left out"),
  fallbackReasons: z.record(z.string(), count).describe("what the fallbacks said, and how often"),
  slowestReplacementMs: ms.nullable().describe("from a strike until every executor was back"),
  recoveryMs: ms.describe(
    "from the end of the fault until the last request was sent whose answer was not right",
  ),
  ownLagMs: ms.describe("the longest that the campaign itself was kept from running"),
  foreignCpuFraction: z.number().describe("of all cores, what neither the system nor the campaign used"),
  attempts: count.describe(
    "runs of the phase: it is run anew when a bound of time was missed while others had the processor",
  ),
  broken: z.array(z.string()).describe("demands that were not met, but for those of the next list"),
  late: z.array(z.string()).default([]).describe("durations that were longer than demanded"),
  notJudged: z
    .array(z.string())
    .describe(
      "bounds of time that were missed in each run while others had the processor: nothing is known of them",
    ),
  examples: z.array(z.string()).describe("the first of what was wrong, unlabelled or failed"),
});

export const campaignSchema = z.strictObject({
  schemaVersion: z.literal(1),
  quick: z.boolean(),
  seed: count,
  ratePerSecond: z.number().positive(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  machine: z.strictObject({ cpu: z.string(), cores: count, memoryMb: count, kernel: z.string() }),
  versions: z.record(z.string(), z.string()),
  git: z.strictObject({ revision: z.string(), dirty: z.boolean() }),
  phases: z.array(phaseSchema),
  memory: z.array(
    z.strictObject({
      system: z.enum(["embedded", "dynamodb", "jumping"]),
      beforeMb: z.number().describe("PSS of all processes after a load, before the first fault"),
      afterMb: z.number().describe("the same after the same load, after the last"),
    }),
  ),
  broken: z.array(z.string()).describe("demands on the whole campaign that were not met"),
});

export type PhaseResult = z.infer<typeof phaseSchema>;
export type CampaignResult = z.infer<typeof campaignSchema>;
