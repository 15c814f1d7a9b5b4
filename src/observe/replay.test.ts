import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { latencyWithout, latencyWithReplica, replay } from "./replay.ts";
import { anyCall, call, group } from "./request-tree.fake.ts";

const ensemble = (...members: Parameters<typeof call>[]) => {
  const calls = members.map(([name, fields]) => call(name, fields));
  const together = group(5, calls, 1);
  return call("Supervisor", { latencyMs: together.endMs + 4, groups: [together] });
};

describe("a replay", () => {
  it("without a change takes as long as it did", () => {
    fc.assert(
      fc.property(anyCall(3), (root) => {
        expect(replay(root, ({ latencyMs }) => latencyMs)).toBeCloseTo(root.latencyMs, 6);
      }),
    );
  });

  it("with calls that are quicker takes no longer, and is never negative", () => {
    fc.assert(
      fc.property(anyCall(3), (root) => {
        const latencyMs = replay(root, (inner) => inner.latencyMs / 2);
        expect(latencyMs).toBeLessThanOrEqual(root.latencyMs + 1e-6);
        expect(latencyMs).toBeGreaterThanOrEqual(-1e-6);
      }),
    );
  });

  it("has what waited for a group wait for its new end, and what ran beside it go on", () => {
    const first = group(0, [call("m1", { latencyMs: 20 })]);
    const beside = group(0, [call("m2", { latencyMs: 25 })]);
    const after = group(30, [call("m3", { latencyMs: 10 })]);
    const root = call("Supervisor", { latencyMs: 45, groups: [first, beside, after] });
    const half = (name: string) =>
      replay(root, (one) => (one.name === name ? one.latencyMs / 2 : one.latencyMs));
    expect(half("m1")).toBe(45);
    expect(half("m2")).toBe(40);
    expect(half("m3")).toBe(40);
  });
});

describe("a request without a member", () => {
  it("waits for the slowest of the others", () => {
    const root = ensemble(["m1", { latencyMs: 10 }], ["m2", { latencyMs: 40, executor: "x2" }]);
    expect(root.latencyMs).toBe(50);
    expect(latencyWithout(root, "m2")).toBe(20);
    expect(latencyWithout(root, "m1")).toBe(50);
    expect(latencyWithout(root, "m9")).toBe(50);
  });

  it("waits less for those that the member kept waiting on their lane, and no less for others", () => {
    const runsFirst = { latencyMs: 30, runMs: 30 };
    const waitsForIt = { latencyMs: 38, queueMs: 30, runMs: 8 };
    expect(latencyWithout(ensemble(["m1", runsFirst], ["m2", waitsForIt]), "m1")).toBe(18);
    const onOtherLane = { ...waitsForIt, executor: "x2" };
    expect(latencyWithout(ensemble(["m1", runsFirst], ["m2", onOtherLane]), "m1")).toBe(48);
  });

  it("is sent by a router that keeps the lanes level", () => {
    const onX1 = [4, 8, 12, 16].map((latencyMs) => ({ latencyMs, queueMs: latencyMs - 4, runMs: 4 }));
    const [a, b, c, d] = onX1;
    const onX2 = { executor: "x2", runMs: 4 };
    const root = ensemble(
      ["m1", a],
      ["m2", b],
      ["m3", c],
      ["m4", d],
      ["m5", { ...onX2, latencyMs: 4 }],
      ["m6", { ...onX2, latencyMs: 8, queueMs: 4 }],
      ["m7", { ...onX2, latencyMs: 42, queueMs: 38 }],
    );
    expect(root.latencyMs).toBe(52);
    // Four there and two here become three and three.
    expect(latencyWithout(root, "m7")).toBe(22);
    // What does not run on a lane stays where it is.
    const classes = ensemble(
      ["c1", { latencyMs: 16 }],
      ["c2", { latencyMs: 4, executor: "x2" }],
      ["m7", onX2],
    );
    expect(latencyWithout(classes, "m7")).toBe(classes.latencyMs);
  });

  it("does not wait for members that were given up anyway", () => {
    const root = ensemble(["m1", { latencyMs: 10 }], ["m2", { latencyMs: 10, status: "cancelled" }]);
    expect(latencyWithout(root, "m2")).toBe(root.latencyMs);
  });

  it("is without its calls wherever they are made", () => {
    const inner = call("Supervisor", {
      latencyMs: 40,
      groups: [group(0, [call("m1", { latencyMs: 10 }), call("m2", { latencyMs: 40 })])],
    });
    const root = call("edge", { latencyMs: 41, groups: [group(1, [inner])] });
    expect(latencyWithout(root, "m2")).toBe(11);
  });
});

describe("a request with one more replica of a member", () => {
  it("waits for it no longer than members on other executors waited", () => {
    const root = ensemble(
      ["m1", { latencyMs: 40, queueMs: 30, runMs: 5 }],
      ["m2", { latencyMs: 9, queueMs: 2, runMs: 5, executor: "x2" }],
      ["m3", { latencyMs: 11, queueMs: 4, runMs: 5, executor: "x2" }],
    );
    expect(latencyWithReplica(root, "m1", 1)).toBe(root.latencyMs - 27);
  });

  it("waits as long as ever for what was not its lane's work", () => {
    const own = { latencyMs: 40, queueMs: 30, runMs: 5, laneMs: 2 };
    expect(latencyWithReplica(ensemble(["m1", own]), "m1", 1)).toBe(49);
    const beside = ensemble(["m1", own], ["m2", { latencyMs: 9, queueMs: 2, runMs: 5, executor: "x2" }]);
    expect(latencyWithReplica(beside, "m1", 1)).toBe(50);
    expect(latencyWithReplica(ensemble(["m1", { ...own, laneMs: 0 }]), "m1", 1)).toBe(50);
  });

  it("waits a share of what it waited where there is no other executor to compare with", () => {
    const root = ensemble(["m1", { latencyMs: 40, queueMs: 30, runMs: 5 }]);
    expect(latencyWithReplica(root, "m1", 1)).toBe(root.latencyMs - 15);
    expect(latencyWithReplica(root, "m1", 2)).toBe(root.latencyMs - 10);
  });

  it("never waits longer", () => {
    fc.assert(
      fc.property(anyCall(3), fc.constantFrom("m1", "m2", "Features"), (root, name) => {
        expect(latencyWithReplica(root, name, 1)).toBeLessThanOrEqual(root.latencyMs + 1e-6);
      }),
    );
  });
});
