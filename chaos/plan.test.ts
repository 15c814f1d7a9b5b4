import { describe, expect, it } from "vitest";
import { FAULTS, planCampaign } from "./plan.ts";

const named = (seed: number, only?: readonly string[]) =>
  planCampaign({ seed, quick: true, only }).map(({ system, phases }) => ({
    system,
    phases: phases.map(({ fault, seed: own, holdMs }) => `${fault.name}/${own}/${holdMs}`),
  }));

describe("the plan of a campaign", () => {
  it("has every fault once, in the system that it is for, with a name of its own", () => {
    const plans = planCampaign({ seed: 1, quick: true, only: undefined });
    const phases = plans.flatMap(({ phases }) => phases);
    expect(phases.map(({ fault }) => fault.name).sort()).toEqual(FAULTS.map(({ name }) => name).sort());
    expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
    for (const { system, phases: own } of plans)
      for (const { fault } of own) expect(fault.system).toBe(system);
  });

  it("is the same for the same seed, and another for another", () => {
    expect(named(7)).toEqual(named(7));
    expect(named(7)).not.toEqual(named(8));
  });

  it("has the random faults last", () => {
    for (const seed of [1, 2, 3]) {
      const [embedded] = planCampaign({ seed, quick: false, only: undefined });
      expect(embedded?.phases.at(-1)?.fault.name).toBe("random");
    }
  });

  it("has only what is asked for", () => {
    expect(named(1, ["clock-jumps"])).toMatchObject([{ system: "jumping" }]);
  });
});
