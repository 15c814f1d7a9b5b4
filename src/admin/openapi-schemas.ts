import { z } from "zod";
import { ERROR_CODES } from "../errors/codes.ts";
import { changesAnswer, desiredAnswer, desiredBody } from "./applications-schema.ts";
import { requestsReport, treeCall } from "./requests-schema.ts";
import { nodeStatus } from "./status-schema.ts";

const errorAnswer = z.strictObject({
  error: z.strictObject({
    code: z.enum(Object.keys(ERROR_CODES)),
    message: z.string(),
    path: z.string().optional().describe("What is wrong: an option, or a parameter as query.<name>."),
    faults: z
      .array(z.strictObject({ path: z.string(), expected: z.string(), found: z.string() }))
      .optional()
      .describe("Everything that is wrong with a body, where the code is InvalidOptions."),
    requestId: z.string(),
  }),
});

const wantedReplicas = z.union([
  z.int().min(1),
  z.strictObject({ min: z.int().min(1), max: z.int().min(1), initial: z.int().min(1).optional() }),
]);

const rollbackNote = z.strictObject({
  to: z.union([z.literal("previous"), z.strictObject({ version: z.string() })]),
  reason: z.string(),
});

const named = {
  Alive: z.strictObject({ status: z.literal("alive") }),
  Readiness: z.strictObject({ ready: z.boolean(), reason: z.string() }),
  NodeStatus: nodeStatus,
  RequestsReport: requestsReport,
  Call: treeCall,
  DesiredState: desiredAnswer,
  DesiredApplications: desiredBody,
  Changes: changesAnswer,
  RollbackBody: z.strictObject({
    version: z.string().optional().describe("Default: the latest one before."),
    reason: z.string().optional().describe("For people."),
  }),
  RolledBack: z.strictObject({ application: z.string(), rollback: rollbackNote }),
  ScaleBody: z.strictObject({ replicas: wantedReplicas }),
  Scaled: z.strictObject({ application: z.string(), deployment: z.string(), replicas: wantedReplicas }),
  Nothing: z.strictObject({}),
  Draining: z.strictObject({ status: z.literal("draining") }),
  Error: errorAnswer,
} satisfies Record<string, z.ZodType>;

export type SchemaName = keyof typeof named;

export const refTo = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` });

/** The schemas as JSON Schema, each under its name, for the document's components. */
export function componentSchemas(): Record<string, object> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    uri: (id) => `#/components/schemas/${id}`,
    override: ({ jsonSchema }) => {
      // Of what is only read nothing else is to be expected.
      delete jsonSchema.readOnly;
    },
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema]),
  );
}
