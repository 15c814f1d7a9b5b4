import { z } from "zod";
import { definitionSchema } from "../config/definition-schema.ts";
import type { Change } from "../policy/preview.ts";

/** What `GET` and `PUT /api/applications` take and answer. */

const json = () => z.unknown();

const application = () => z.string().describe("Its name.");

const code = z
  .strictObject({
    module: z.string(),
    args: z.record(z.string(), json()),
    version: z.string().exactOptional(),
  })
  .describe("What makes a version.");

const change = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("added"), application: application(), definition: definitionSchema }),
  z.strictObject({ kind: z.literal("removed"), application: application() }),
  z.strictObject({ kind: z.literal("version"), application: application(), from: code, to: code }),
  z.strictObject({
    kind: z.enum(["route", "traffic"]),
    application: application(),
    from: json().optional().describe("Absent: the module's own."),
    to: json().optional(),
  }),
  z.strictObject({
    kind: z.literal("option"),
    application: application(),
    deployment: z.string().describe("Its name, or the pattern that it is written under."),
    option: z.string(),
    from: json().optional().describe("Absent: what another entry says, or the module."),
    to: json().optional(),
    effect: z.enum(["inPlace", "restart"]).describe("Whether the deployment's replicas are made anew."),
  }),
  z.strictObject({ kind: z.literal("retried"), application: application(), reason: z.string() }),
]);

/** What is told of a change is what a preview is made of. */
export type ToldChange = z.infer<typeof change>;
true satisfies Change["kind"] extends ToldChange["kind"] ? true : false;

export const desiredBody = z.strictObject({ applications: z.array(definitionSchema) });

export const desiredAnswer = z.strictObject({
  revision: z.int().min(0),
  applications: z.array(definitionSchema).describe("As PUT takes them, complete; sorted by name."),
  notes: z
    .record(
      z.string(),
      z.strictObject({
        rollback: z
          .strictObject({
            to: z.union([z.literal("previous"), z.strictObject({ version: z.string() })]),
            reason: z.string(),
          })
          .optional()
          .describe("Set: what runs is an earlier definition."),
        history: z.array(definitionSchema).describe("Earlier definitions with other code, the latest first."),
      }),
    )
    .describe("What the node has noted of each application."),
  settings: z
    .record(z.string(), json())
    .describe("What the node as a whole was started with: http, admin, node. It takes a restart to change."),
});

export const changesAnswer = z.strictObject({
  revision: z.int().min(0).describe("That of the state that is there now."),
  isDryRun: z.boolean(),
  changes: z.array(change).describe("What has changed, or would; none when all is as it was."),
});
