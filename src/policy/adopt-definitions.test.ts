import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { definitions, desiredApplications } from "../../test/policy/definitions.ts";
import { adoptDefinitions, definitionOf } from "./adopt-definitions.ts";
import { type ApplicationDefinition, DEFAULT_TRAFFIC, MAX_HISTORY } from "./desired-state.ts";
import { isSameDefinition, isSameVersion, preview } from "./preview.ts";

const version = (version: string, replicas = 1): ApplicationDefinition => ({
  name: "offers",
  module: "/srv/app.ts",
  args: {},
  version,
  traffic: DEFAULT_TRAFFIC,
  deployments: { "*": { replicas } },
});

const versionsOf = (past: readonly ApplicationDefinition[] | undefined) =>
  past?.map(({ version }) => version);

describe("definitions that are adopted", () => {
  it("are those that are wanted, no more and no less", () => {
    fc.assert(
      fc.property(desiredApplications, definitions, (before, wanted) => {
        const after = adoptDefinitions(before, wanted);
        expect(preview(after.map(definitionOf), wanted)).toEqual([]);
      }),
    );
  });

  it("stay as they are when nothing of them has changed, rolled back or not (AD1)", () => {
    fc.assert(
      fc.property(desiredApplications, (before) => {
        expect(adoptDefinitions(before, before.map(definitionOf))).toEqual(before);
      }),
    );
  });

  it("are tried when anything has changed (AD2), with what was there before as the latest of the past (AD3)", () => {
    fc.assert(
      fc.property(desiredApplications, definitions, (before, wanted) => {
        for (const one of adoptDefinitions(before, wanted)) {
          const old = before.find(({ name }) => name === one.name);
          if (old === undefined) expect(one.history).toEqual([]);
          else if (!isSameDefinition(old, one)) {
            expect(one.rollback).toBeUndefined();
            const isKept = old.rollback === undefined && !isSameVersion(old, one);
            if (isKept) expect(one.history[0]).toEqual(definitionOf(old));
            for (const past of one.history) expect(isSameVersion(past, one)).toBe(false);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("remember each version once, the latest first, and so many", () => {
    let there = adoptDefinitions([], [version("v0")]);
    for (let i = 1; i < 15; i++) there = adoptDefinitions(there, [version(`v${i}`)]);
    expect(there[0]?.history).toHaveLength(MAX_HISTORY);
    there = adoptDefinitions(there, [version("v13")]);
    expect(versionsOf(there[0]?.history)).toEqual([14, 12, 11, 10, 9, 8, 7, 6, 5, 4].map((i) => `v${i}`));
  });

  it("remember what had other options for which replicas are made anew: it is another version", () => {
    const first = adoptDefinitions([], [version("v1")]);
    const compute = { ...version("v1"), deployments: { "*": { replicas: 1, compute: true } } };
    const second = adoptDefinitions(first, [compute]);
    expect(second[0]?.history).toEqual([version("v1")]);
    expect(adoptDefinitions(second, [version("v1", 3)])[0]?.history).toEqual([compute]);
  });

  it("do not remember what only other options had, nor what was rolled back", () => {
    const first = adoptDefinitions([], [version("v1")]);
    expect(adoptDefinitions(first, [version("v1", 3)])[0]?.history).toEqual([]);
    const second = adoptDefinitions(first, [version("v2")]);
    const rolledBack = second.map((one) => ({
      ...one,
      rollback: { to: "previous" as const, reason: "slow" },
    }));
    const third = adoptDefinitions(rolledBack, [version("v3")]);
    expect(versionsOf(third[0]?.history)).toEqual(["v1"]);
    expect(third[0]?.rollback).toBeUndefined();
  });
});
