import fc from "fast-check";
import type {
  ApplicationDefinition,
  DesiredApplication,
  Json,
  JsonObject,
} from "../../src/policy/desired-state.ts";

/** Few values of each, so that two random definitions often have much in common. */

const json: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(null, true, 0, 1.5, "x", [], {}, [1, { a: 1 }], { a: 1, b: [] }, { b: [], a: 1 }),
);

const overrides = fc.record(
  {
    replicas: fc.constantFrom(1, 2, { min: 1, max: 2 }),
    maxQueueMs: fc.constantFrom(10, 50),
    userConfig: json,
    compute: fc.boolean(),
    idempotent: fc.constantFrom(true, ["a"], ["b"]),
  },
  { requiredKeys: [] },
);

/** As they come from who reads them: an entry that says nothing is none. */
const deployments = fc
  .dictionary(fc.constantFrom("m1", "m*", "Supervisor", "constructor"), overrides)
  .map((entries) =>
    Object.fromEntries(Object.entries(entries).filter(([, options]) => Object.keys(options).length > 0)),
  );

const traffic = fc.record({
  steps: fc.constantFrom([], [{ weight: 0.1, durationMs: 1000 }], [{ weight: 0.5, durationMs: 1000 }]),
  gates: fc.constantFrom(
    { maxErrorFraction: 0.05, minRequests: 20 },
    { maxErrorFraction: 0.05, minRequests: 20, maxP95Ms: 100 },
  ),
});

const definition = (name: string): fc.Arbitrary<ApplicationDefinition> =>
  fc.record(
    {
      name: fc.constant(name),
      module: fc.constantFrom("/srv/a.ts", "/srv/b.ts"),
      args: fc.constantFrom<JsonObject>({}, { a: 1 }, { a: 1, b: 2 }, { b: 2, a: 1 }),
      route: fc.constantFrom("/", "/x"),
      version: fc.constantFrom("v1", "v2", "v3"),
      traffic,
      deployments,
    },
    { requiredKeys: ["name", "module", "args", "traffic", "deployments"] },
  );

const NAMES = ["one", "two", "three"];

/** Sorted by name, each once. */
export const definitions: fc.Arbitrary<ApplicationDefinition[]> = fc
  .tuple(...NAMES.toSorted().map((name) => fc.option(definition(name), { nil: undefined })))
  .map((list) => list.filter((one) => one !== undefined));

const desired = (name: string): fc.Arbitrary<DesiredApplication> =>
  fc
    .tuple(definition(name), fc.array(definition(name), { maxLength: 3 }), fc.boolean())
    .map(([now, history, isRolledBack]) => ({
      ...now,
      ...(isRolledBack ? { rollback: { to: "previous" as const, reason: "too many errors" } } : {}),
      history,
    }));

export const desiredApplications: fc.Arbitrary<DesiredApplication[]> = fc
  .tuple(...NAMES.toSorted().map((name) => fc.option(desired(name), { nil: undefined })))
  .map((list) => list.filter((one) => one !== undefined));
