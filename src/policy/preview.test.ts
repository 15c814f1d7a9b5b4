import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { definitions } from "../../test/policy/definitions.ts";
import { type ApplicationDefinition, DEFAULT_TRAFFIC, type DesiredApplication } from "./desired-state.ts";
import { type Change, preview } from "./preview.ts";

/** The changes done by hand, one after the other, by somebody who knows nothing of the two states. */
function applied(before: readonly ApplicationDefinition[], changes: readonly Change[]): unknown[] {
  const there = new Map<string, Record<string, unknown>>(
    structuredClone(before).map((one) => [one.name, { ...one }]),
  );
  const set = (at: Record<string, unknown>, key: string, value: unknown) => {
    if (value === undefined) delete at[key];
    else at[key] = value;
  };
  for (const change of changes) {
    const at = there.get(change.application) ?? {};
    if (change.kind === "added") there.set(change.application, { ...change.definition });
    else if (change.kind === "removed") there.delete(change.application);
    else if (change.kind === "version") {
      for (const key of ["module", "args", "version"] as const) set(at, key, change.to[key]);
    } else if (change.kind === "option") {
      const deployments = at["deployments"] as Record<string, Record<string, unknown>>;
      const options = Object.hasOwn(deployments, change.deployment) ? deployments[change.deployment]! : {};
      set(options, change.option, change.to);
      set(deployments, change.deployment, Object.keys(options).length === 0 ? undefined : options);
    } else if (change.kind !== "retried") set(at, change.kind, change.to);
  }
  return [...there.values()].toSorted((a, b) => (String(a["name"]) < String(b["name"]) ? -1 : 1));
}

const offers: ApplicationDefinition = {
  name: "offers",
  module: "/srv/app.ts",
  args: {},
  version: "v1",
  traffic: DEFAULT_TRAFFIC,
  deployments: { "m*": { replicas: 2 } },
};

describe("a preview", () => {
  it("is empty exactly when the two are equal (P1)", () => {
    fc.assert(
      fc.property(definitions, definitions, (before, after) => {
        expect(preview(before, before)).toEqual([]);
        const areEqual = JSON.stringify(canonical(before)) === JSON.stringify(canonical(after));
        expect(preview(before, after).length === 0).toBe(areEqual);
      }),
      { numRuns: 1000 },
    );
  });

  it("applied to what is there gives what is wanted (P2)", () => {
    fc.assert(
      fc.property(definitions, definitions, (before, after) => {
        expect(applied(before, preview(before, after))).toEqual(after);
      }),
      { numRuns: 1000 },
    );
  });

  it("says of each option whether replicas are made anew for it", () => {
    const after = { ...offers, deployments: { "m*": { replicas: 4, compute: true } } };
    expect(preview([offers], [after])).toEqual([
      {
        kind: "option",
        application: "offers",
        deployment: "m*",
        option: "replicas",
        from: 2,
        to: 4,
        effect: "inPlace",
      },
      {
        kind: "option",
        application: "offers",
        deployment: "m*",
        option: "compute",
        from: undefined,
        to: true,
        effect: "restart",
      },
    ]);
  });

  it("says that what was rolled back is tried again, if anything of it has changed", () => {
    const rolledBack: DesiredApplication = {
      ...offers,
      history: [],
      rollback: { to: "previous", reason: "too many errors" },
    };
    expect(preview([rolledBack], [offers])).toEqual([]);
    expect(preview([rolledBack], [{ ...offers, version: "v2" }])).toEqual([
      expect.objectContaining({ kind: "version" }),
      { kind: "retried", application: "offers", reason: "too many errors" },
    ]);
  });
});

/** With the keys of all objects in order. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, inner]) => [key, canonical(inner)]);
}
