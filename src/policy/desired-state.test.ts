import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ApplicationDefinition,
  DEFAULT_TRAFFIC,
  matchesPattern,
  overridesFor,
  unmatchedOverrides,
  wantedDefinition,
} from "./desired-state.ts";

const definition = (version: string): ApplicationDefinition => ({
  name: "offers",
  module: "/srv/offers/app.ts",
  args: {},
  version,
  traffic: DEFAULT_TRAFFIC,
  deployments: {},
});

describe("a pattern", () => {
  it("matches as a regular expression does in which * is .* and all else is itself", () => {
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", ".", "*"), maxLength: 6 });
    const name = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
    fc.assert(
      fc.property(pattern, name, (pattern, name) => {
        const expression = pattern.replaceAll(".", "\\.").replaceAll("*", ".*");
        expect(matchesPattern(pattern, name)).toBe(new RegExp(`^${expression}$`).test(name));
      }),
    );
  });

  it("does not let a prefix and a suffix share characters", () => {
    expect(matchesPattern("aba*ba", "aba")).toBe(false);
  });
});

describe("the options for a deployment", () => {
  const deployments = {
    m01: { replicas: 3 },
    "m*": { replicas: 2, maxQueueMs: 50 },
    "*": { maxQueueMs: 10, gracefulShutdownMs: 1000 },
  };

  it("are those of every entry that matches, the more exact over the less, its own name over all", () => {
    const first = { replicas: 3, maxQueueMs: 50, gracefulShutdownMs: 1000 };
    expect(overridesFor({ deployments }, "m01")).toEqual(first);
    expect(overridesFor({ deployments }, "m02")).toEqual({ ...first, replicas: 2 });
    expect(overridesFor({ deployments }, "Supervisor")).toEqual(deployments["*"]);
  });

  it("do not depend on the order in which they are written", () => {
    const pattern = fc.stringMatching(/^[ab*]{1,4}$/);
    const entries = fc.uniqueArray(fc.tuple(pattern, fc.record({ replicas: fc.integer() })), {
      selector: ([key]) => key,
    });
    fc.assert(
      fc.property(entries, fc.stringMatching(/^[ab]{1,4}$/), (entries, name) => {
        const written = overridesFor({ deployments: Object.fromEntries(entries) }, name);
        expect(overridesFor({ deployments: Object.fromEntries(entries.toReversed()) }, name)).toEqual(
          written,
        );
      }),
    );
  });

  it("are none for a name that every object has", () => {
    expect(overridesFor({ deployments: {} }, "constructor")).toEqual({});
  });

  it("that match nothing are known by their names", () => {
    expect(unmatchedOverrides({ deployments: { ...deployments, m99: {} } }, ["m01", "Supervisor"])).toEqual([
      "m99",
    ]);
  });
});

describe("what is to run", () => {
  const history = [definition("v2"), definition("v1")];

  it("is the definition", () => {
    expect(wantedDefinition({ ...definition("v3"), history })).toEqual(definition("v3"));
  });

  it("is, after a rollback, the latest one before, or that of the version named", () => {
    const rolledBack = (to: "previous" | { version: string }) =>
      wantedDefinition({ ...definition("v3"), history, rollback: { to, reason: "too many errors" } });
    expect(rolledBack("previous")).toEqual(definition("v2"));
    expect(rolledBack({ version: "v1" })).toEqual(definition("v1"));
    expect(rolledBack({ version: "v0" })).toBeUndefined();
  });
});
