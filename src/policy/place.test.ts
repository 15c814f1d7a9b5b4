import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Lane, place, type WantedReplica } from "./place.ts";

const lane = (id: string, memoryMb = 1000, replicas: Lane["replicas"] = []): Lane => ({
  id,
  memoryMb,
  replicas,
});

function wanted(deployment: string, count: number, memoryMb = 10): WantedReplica[] {
  return Array.from({ length: count }, (_, index) => ({ key: deployment, deployment, index, memoryMb }));
}

const anyWishes = fc
  .array(fc.record({ count: fc.integer({ min: 1, max: 5 }), memoryMb: fc.integer({ min: 0, max: 60 }) }), {
    maxLength: 8,
  })
  .map((specs) => specs.flatMap(({ count, memoryMb }, at) => wanted(`d${at}`, count, memoryMb)));

const anyLanes = fc
  .array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 5 })
  .map((sizes) => sizes.map((memoryMb, at) => lane(`lane${at}`, memoryMb)));

describe("place", () => {
  it("puts the replicas of one deployment on different lanes", () => {
    const at = place(wanted("m", 2), [lane("lane0"), lane("lane1")]).map(({ lane: id }) => id);
    expect(at).toEqual(["lane0", "lane1"]);
  });

  it("spreads fifteen models with two replicas each evenly, every model on both lanes", () => {
    const models = Array.from({ length: 15 }, (_, index) => wanted(`m${index}`, 2)).flat();
    const placements = place(models, [lane("lane0"), lane("lane1")]);
    for (const id of ["lane0", "lane1"]) {
      const here = placements.filter((placement) => placement.lane === id);
      expect(new Set(here.map(({ deployment }) => deployment)).size).toBe(15);
    }
  });

  it("gives a lane a second replica of a deployment only when no lane that has room is without one", () => {
    fc.assert(
      fc.property(anyWishes, anyLanes, (wishes, lanes) => {
        const used = new Map(lanes.map(({ id }) => [id, { mb: 0, of: new Map<string, number>() }]));
        const sizeOf = (deployment: string) =>
          wishes.find((wish) => wish.deployment === deployment)!.memoryMb;
        for (const { deployment, lane: id } of place(wishes, lanes)) {
          const memoryMb = sizeOf(deployment);
          const before = used.get(id)!.of.get(deployment) ?? 0;
          for (const other of lanes) {
            const there = used.get(other.id)!;
            if (there.mb + memoryMb > other.memoryMb) continue;
            expect(there.of.get(deployment) ?? 0).toBeGreaterThanOrEqual(before);
          }
          used.get(id)!.of.set(deployment, before + 1);
          used.get(id)!.mb += memoryMb;
        }
      }),
    );
  });

  it("never exceeds a lane's memory, what is there already included", () => {
    fc.assert(
      fc.property(anyWishes, anyLanes, fc.integer({ min: 0, max: 100 }), (wishes, lanes, thereMb) => {
        const filled = lanes.map(({ id, memoryMb }) =>
          lane(id, memoryMb, [{ deployment: "old", memoryMb: thereMb }]),
        );
        const placements = place(wishes, filled);
        for (const { id, memoryMb } of filled) {
          let usedMb = 0;
          for (const placement of placements) {
            if (placement.lane === id)
              usedMb += wishes.find((wish) => wish.deployment === placement.deployment)!.memoryMb;
          }
          if (usedMb > 0) expect(usedMb + thereMb).toBeLessThanOrEqual(memoryMb);
        }
      }),
    );
  });

  it("leaves out only what fits nowhere", () => {
    const lanes = [lane("lane0", 100), lane("lane1", 100)];
    const placements = place([...wanted("big", 1, 150), ...wanted("small", 2, 50)], lanes);
    expect(placements.map(({ deployment }) => deployment)).toEqual(["small", "small"]);
  });

  it("takes the lane with fewest replicas, and the first by name of equal ones", () => {
    const busy = lane("lane0", 1000, [{ deployment: "other", memoryMb: 1 }]);
    expect(place(wanted("m", 1), [busy, lane("lane1")])[0]?.lane).toBe("lane1");
    expect(place(wanted("m", 1), [lane("laneB"), lane("laneA")])[0]?.lane).toBe("laneA");
  });

  it("sees the replicas that a lane has already", () => {
    const lanes = [
      lane("lane0", 1000, [{ deployment: "m", memoryMb: 1 }]),
      lane("lane1", 1000, [
        { deployment: "a", memoryMb: 1 },
        { deployment: "b", memoryMb: 1 },
      ]),
    ];
    expect(place(wanted("m", 1), lanes)[0]?.lane).toBe("lane1");
  });

  it("gives the same placement for the same wishes, in whatever order the lanes are told", () => {
    fc.assert(
      fc.property(anyWishes, anyLanes, (wishes, lanes) => {
        expect(place(wishes, [...lanes].reverse())).toEqual(place(wishes, lanes));
      }),
    );
  });

  it("changes nothing that it is given", () => {
    const lanes = Object.freeze([Object.freeze(lane("lane0", 1000, Object.freeze([])))]);
    expect(() => place(Object.freeze(wanted("m", 3)), lanes)).not.toThrow();
    expect(lanes[0]?.replicas).toHaveLength(0);
  });

  it("says why in one line", () => {
    const [first, second] = place(wanted("m", 2), [lane("lane0")]);
    expect(first?.reason).toBe("no replica of this deployment on lane0, which hosts 0");
    expect(second?.reason).toBe("more replicas than lanes: lane0 has the fewest of this deployment");
    for (const { reason } of place(wanted("m", 9), [lane("a"), lane("b")]))
      expect(reason).toMatch(/^[^\n]+$/);
  });
});
