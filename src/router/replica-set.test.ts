import { describe, expect, it } from "vitest";
import { Lane } from "./lane.ts";
import { FakeLink } from "./link.fake.ts";
import { ReplicaSet } from "./replica-set.ts";
import type { DeploymentRoute } from "./snapshot.ts";

const route: DeploymentRoute = {
  name: "m",
  idempotent: ["predict"],
  waits: false,
  maxOngoing: 2,
  replicas: [
    { target: 1, executor: "x1" },
    { target: 2, executor: "x2" },
    { target: 3, executor: "x3" },
  ],
};

/** Lanes that are open, the one of that name in this very executor. */
function lanesOf(...ids: string[]) {
  const lanes = new Map(ids.map((id) => [id, new Lane(id, id === "local")]));
  for (const lane of lanes.values()) lane.open(new FakeLink());
  return { lanes, laneOf: (id: string) => lanes.get(id) };
}

const first = () => 0;

describe("a set of replicas", () => {
  it("has those whose executor is known", () => {
    const { laneOf } = lanesOf("x1", "x3");
    expect(new ReplicaSet(route, laneOf).replicas.map(({ target }) => target)).toEqual([1, 3]);
  });

  it("goes on with the counts of the set before it", () => {
    const { laneOf } = lanesOf("x1", "x2", "x3");
    const before = new ReplicaSet(route, laneOf);
    before.began(true);
    before.replicas[1]!.waitingItems = 4;
    const after = new ReplicaSet({ ...route, replicas: route.replicas.slice(1) }, laneOf, before);
    expect(after.outstanding).toBe(1);
    expect(after.replicas.map(({ target, waitingItems }) => [target, waitingItems])).toEqual([
      [2, 4],
      [3, 0],
    ]);
    before.ended();
    expect(after.outstanding).toBe(0);
  });

  it("is full with as many calls as its replicas take, or as one takes while there is none", () => {
    const { laneOf } = lanesOf("x1", "x2", "x3");
    const set = new ReplicaSet(route, laneOf);
    for (let i = 0; i < 5; i++) set.began(true);
    expect(set.isFull).toBe(false);
    set.began(true);
    expect(set.isFull).toBe(true);
    const none = new ReplicaSet({ ...route, replicas: [] }, laneOf);
    none.began(true);
    expect(none.isFull).toBe(false);
    none.began(true);
    expect(none.isFull).toBe(true);
  });

  it("knows which methods may be repeated, an HTTP route's too", () => {
    const { laneOf } = lanesOf("x1");
    const set = new ReplicaSet(route, laneOf);
    expect(
      ["predict", "http:predict", "charge", "http:charge"].map((method) => set.isIdempotent(method)),
    ).toEqual([true, true, false, false]);
    expect(new ReplicaSet({ ...route, idempotent: true }, laneOf).isIdempotent("charge")).toBe(true);
  });

  it("chooses among those whose executor is connected", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2", "x3");
    const set = new ReplicaSet(route, laneOf);
    lanes.get("x1")!.close();
    lanes.get("x3")!.close();
    expect(set.choose(undefined, 0, first)?.target).toBe(2);
    lanes.get("x2")!.close();
    expect(set.choose(undefined, 0, first)?.lane.link).toBeUndefined();
  });

  it("avoids lanes where it can, and takes one of them where it cannot", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2", "x3");
    const set = new ReplicaSet(route, laneOf);
    const avoid = new Set([lanes.get("x1")!, lanes.get("x3")!]);
    for (const random of [0, 0.4, 0.9]) expect(set.choose(avoid, 0, () => random)?.target).toBe(2);
    avoid.add(lanes.get("x2")!);
    expect(set.choose(avoid, 0, first)).toBeDefined();
  });

  it("prefers the replica in this very executor, unless that is to be avoided", () => {
    const { lanes, laneOf } = lanesOf("x1", "local");
    const replicas = [...route.replicas.slice(0, 1), { target: 9, executor: "local" }];
    const set = new ReplicaSet({ ...route, replicas }, laneOf);
    lanes.get("local")!.report({ backlogUs: 1e9, queuedItems: 99, busyFraction: 0, costs: [] }, 0);
    expect(set.choose(undefined, 0, first)?.target).toBe(9);
    expect(set.choose(new Set([lanes.get("local")!]), 0, first)?.target).toBe(1);
  });
});

describe("a lane", () => {
  it("has the backlog that it last told, less the time since", () => {
    const lane = new Lane("x1", false);
    lane.report({ backlogUs: 5000, queuedItems: 3, busyFraction: 0, costs: [] }, 100);
    expect(lane.backlogUs(100)).toBe(5000);
    expect(lane.backlogUs(103)).toBe(2000);
    expect(lane.backlogUs(200)).toBe(0);
  });

  it("has at least what was sent and is not answered", () => {
    const lane = new Lane("x1", false);
    lane.sent(800, 0);
    lane.sent(200, 0);
    expect(lane.backlogUs(0)).toBe(1000);
    lane.ended(800);
    expect(lane.backlogUs(0)).toBe(200);
    lane.ended(500);
    expect(lane.backlogUs(0)).toBe(0);
  });

  it("keeps the costs that it was told, until it is told others", () => {
    const lane = new Lane("x1", false);
    lane.report(
      { backlogUs: 0, queuedItems: 0, busyFraction: 0, costs: [{ target: 1, fixedUs: 10, itemUs: 1 }] },
      0,
    );
    lane.report(
      { backlogUs: 0, queuedItems: 0, busyFraction: 0, costs: [{ target: 2, fixedUs: 20, itemUs: 2 }] },
      0,
    );
    expect(lane.costOf(1)).toEqual({ fixedUs: 10, itemUs: 1 });
    expect(lane.costOf(3)).toEqual({ fixedUs: 0, itemUs: 1000 });
  });

  it("tells whoever asked for a cost before of what it was told since", () => {
    const lane = new Lane("x1", false);
    const cost = lane.costOf(1);
    const costs = [{ target: 1, fixedUs: 10, itemUs: 1 }];
    lane.report({ backlogUs: 0, queuedItems: 0, busyFraction: 0, costs }, 0);
    expect(cost).toEqual({ fixedUs: 10, itemUs: 1 });
  });

  it("has nothing to say of its load when it is gone", () => {
    const lane = new Lane("x1", false);
    lane.open(new FakeLink());
    lane.report({ backlogUs: 5000, queuedItems: 3, busyFraction: 0, costs: [] }, 0);
    lane.close();
    expect(lane.link).toBeUndefined();
    expect(lane.backlogUs(0)).toBe(0);
  });
});

describe("a set of replicas that compute", () => {
  const backlog = (backlogUs: number) => ({ backlogUs, queuedItems: 0, busyFraction: 0, costs: [] });

  it("gathers its calls on one lane, and the sets of a router are spread over the lanes", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2", "x3");
    const sets = Array.from({ length: 6 }, () => new ReplicaSet(route, laneOf));
    const homes = sets.map((set) => set.choose(undefined, 0, Math.random)!.target);
    expect(homes).toEqual([1, 2, 3, 1, 2, 3]);
    for (const set of sets) expect(set.choose(undefined, 0, Math.random)).toBe(set.home);
    expect([...lanes.values()].map((lane) => lane.homes)).toEqual([2, 2, 2]);
  });

  it("moves one home at a time off a lane that has clearly more to do", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2");
    const moves = { nextAtMs: 0 };
    const both = { ...route, replicas: route.replicas.slice(0, 2) };
    const sets = Array.from({ length: 4 }, () => new ReplicaSet(both, laneOf, undefined, moves));
    lanes.get("x1")!.report(backlog(40_000), 0);
    lanes.get("x2")!.report(backlog(28_000), 0);
    expect(sets.map((set) => set.choose(undefined, 0, first)!.target)).toEqual([2, 2, 1, 2]);
    expect([lanes.get("x1")!.homes, lanes.get("x2")!.homes]).toEqual([1, 3]);
    expect(sets[2]!.choose(undefined, 10, first)!.target).toBe(2);
  });

  it("keeps its home through a new snapshot, and finds another when that is gone", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2", "x3");
    const before = new ReplicaSet(route, laneOf);
    expect(before.home?.target).toBe(1);
    expect(new ReplicaSet(route, laneOf, before).home).toBe(before.home);
    for (const lane of lanes.values()) lane.homes = lane.id === "x2" ? 5 : 0;
    expect(new ReplicaSet({ ...route, replicas: route.replicas.slice(1) }, laneOf, before).home?.target).toBe(
      3,
    );
  });
});

describe("a set of replicas that only wait for others", () => {
  const waiting = { ...route, waits: true };

  const busy = (busyFraction: number) => ({ backlogUs: 0, queuedItems: 0, busyFraction, costs: [] });
  const call = (set: ReplicaSet, nowMs: number) => {
    const replica = set.choose(undefined, nowMs, Math.random)!;
    replica.waitingItems += 1;
    replica.lane.sent(1000, nowMs);
    return replica.target;
  };

  /** What has run for a while is compiled. */
  const warm = (lane: Lane) => {
    for (let i = 0; i < 5_000; i++) lane.answered(0);
  };

  it("sends their calls to the first, while that has time left (D6)", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2", "x3");
    const set = new ReplicaSet({ ...waiting, maxOngoing: 64 }, laneOf);
    lanes.get("x1")!.report(busy(0.6), 0);
    expect(new Set(Array.from({ length: 40 }, () => call(set, 1)))).toEqual(new Set([1]));
  });

  it("spreads them when it is busy, and packs them again when all together are not", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2", "x3");
    const set = new ReplicaSet({ ...waiting, maxOngoing: 64 }, laneOf);
    lanes.get("x1")!.report(busy(0.8), 0);
    // It may be busy with compiling, which another would have to do as well.
    expect([call(set, 1), call(set, 1)]).toEqual([1, 1]);
    warm(lanes.get("x1")!);
    expect(new Set(Array.from({ length: 40 }, () => call(set, 1))).size).toBe(3);
    for (const id of ["x1", "x2", "x3"]) lanes.get(id)!.report(busy(0.1), 2);
    expect(new Set(Array.from({ length: 5 }, () => call(set, 3)))).toEqual(new Set([1]));
  });

  it("asks others when the first has nearly as many calls as it takes", () => {
    const { laneOf } = lanesOf("x1", "x2", "x3");
    const set = new ReplicaSet({ ...waiting, maxOngoing: 20 }, laneOf);
    const targets = Array.from({ length: 30 }, () => call(set, 0));
    expect(targets.slice(0, 18)).toEqual(new Array(18).fill(1));
    expect(new Set(targets.slice(18)).size).toBeGreaterThan(1);
    expect(targets.filter((target) => target === 1).length).toBeLessThan(20);
  });

  it("goes on asking the first when it was silent, has been asked whether it is there, and says so", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2");
    const set = new ReplicaSet({ ...waiting, maxOngoing: 64 }, laneOf);
    const x1 = lanes.get("x1")!;
    const link = new FakeLink();
    x1.open(link);
    for (const lane of lanes.values()) warm(lane);
    x1.heard(0);
    expect(call(set, 0)).toBe(1);
    expect([call(set, 60), link.asked]).toEqual([1, 0]);
    expect([call(set, 61), link.asked]).toEqual([1, 1]);
    x1.report(busy(0), 120);
    expect([call(set, 180), link.asked]).toEqual([1, 1]);
  });

  it("asks others when the first has calls, has been silent, and does not answer", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2");
    const set = new ReplicaSet({ ...waiting, maxOngoing: 64 }, laneOf);
    expect(call(set, 0)).toBe(1);
    expect(call(set, 9)).toBe(1);
    // Code that ran little may be compiling.
    expect(call(set, 110)).toBe(1);
    for (const lane of lanes.values()) warm(lane);
    lanes.get("x1")!.heard(110);
    expect(call(set, 171)).toBe(1);
    expect(call(set, 230)).toBe(1);
    expect(call(set, 231)).toBe(2);
    lanes.get("x1")!.report(busy(0), 232);
    expect(call(set, 233)).toBe(1);
  });

  it("does not leave one for a pause where the other would have to compile everything", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2");
    const set = new ReplicaSet({ ...waiting, maxOngoing: 64 }, laneOf);
    warm(lanes.get("x1")!);
    lanes.get("x1")!.heard(0);
    expect([0, 61, 251, 400, 500].map((atMs) => call(set, atMs))).toEqual([1, 1, 1, 1, 1]);
    expect(call(set, 501)).toBe(2);
  });

  it("asks others from the beginning when the first has been silent for long", () => {
    const { laneOf } = lanesOf("x1", "x2");
    const set = new ReplicaSet({ ...waiting, maxOngoing: 64 }, laneOf);
    expect(call(set, 0)).toBe(1);
    expect(call(set, 251)).toBe(1);
    expect(call(set, 500)).toBe(1);
    expect(call(set, 501)).toBe(2);
  });

  it("does not follow to a replica whose executor went away, nor on a second attempt", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2", "x3");
    const set = new ReplicaSet(waiting, laneOf);
    const leader = set.choose(undefined, 0, first)!;
    expect(set.choose(new Set([leader.lane]), 0, first)).not.toBe(leader);
    lanes.get(leader.lane.id)!.close();
    expect(set.choose(undefined, 0, first)).not.toBe(leader);
  });
});

describe("whether there is another replica", () => {
  it("counts neither the lane itself, nor those avoided, nor those that are not connected", () => {
    const { lanes, laneOf } = lanesOf("x1", "x2", "x3");
    const set = new ReplicaSet(route, laneOf);
    const [x1, x2, x3] = ["x1", "x2", "x3"].map((id) => lanes.get(id)!) as [Lane, Lane, Lane];
    expect(set.hasOther(x1, undefined)).toBe(true);
    expect(set.hasOther(x1, new Set([x2]))).toBe(true);
    x3.close();
    expect(set.hasOther(x1, new Set([x2]))).toBe(false);
  });
});
