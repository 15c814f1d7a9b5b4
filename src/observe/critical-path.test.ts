import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { criticalPath, type PathStage, type StageKind } from "./critical-path.ts";
import { anyCall, call, group } from "./request-tree.fake.ts";
import { partsOf } from "./request-tree.ts";

const stage = (kind: StageKind, name: string, ms: number, named?: string): PathStage => ({
  kind,
  name,
  stage: named,
  ms,
});
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe("the parts of a call", () => {
  it("add up to its latency, whatever the two sides of it measured", () => {
    fc.assert(
      fc.property(anyCall(1), (any) => {
        const parts = Object.values(partsOf(any));
        expect(sum(parts)).toBeCloseTo(any.latencyMs, 6);
        for (const part of parts) expect(part).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe("the critical path", () => {
  it("adds up to the latency, of whatever tree", () => {
    fc.assert(
      fc.property(anyCall(3), (root) => {
        const path = criticalPath(root);
        expect(sum(path.map(({ ms }) => ms))).toBeCloseTo(root.latencyMs, 6);
        for (const { ms } of path) expect(ms).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  it("goes through the member that an ensemble waited for, by the stages of its life", () => {
    const members = [
      call("m1", { latencyMs: 4, queueMs: 1, runMs: 2 }),
      call("m2", { latencyMs: 40, routedMs: 2, queueMs: 30, runMs: 5 }),
    ];
    const root = call("Supervisor", { latencyMs: 50, groups: [group(6, members, 1)] });
    expect(criticalPath(root)).toEqual([
      stage("run", "Supervisor", 6),
      stage("router", "m2", 2),
      stage("wire", "m2", 3),
      stage("queue", "m2", 30),
      stage("run", "m2", 5),
      stage("run", "Supervisor", 4),
    ]);
  });

  it("leaves out calls beside it, of which nothing waited", () => {
    const beside = group(0, [call("log", { latencyMs: 20, runMs: 20 })]);
    const first = group(0, [call("m1", { latencyMs: 10, runMs: 10 })]);
    const second = group(12, [call("m2", { latencyMs: 30, runMs: 30 })]);
    const root = call("Supervisor", { latencyMs: 42, groups: [beside, first, second] });
    expect(criticalPath(root).map(({ name, ms }) => [name, ms])).toEqual([
      ["m1", 10],
      ["Supervisor", 2],
      ["m2", 30],
    ]);
  });

  it("does not go through a member that was given up, which held nobody up", () => {
    const members = [
      call("m1", { latencyMs: 8, runMs: 8 }),
      call("m2", { latencyMs: 9, status: "cancelled" }),
    ];
    const root = call("Supervisor", { latencyMs: 9, groups: [group(0, members)] });
    expect(criticalPath(root).map(({ name }) => name)).toEqual(["m1", "Supervisor"]);
  });

  it("goes into calls that were served elsewhere, and counts the way there to the wire", () => {
    const inner = call("Supervisor", {
      latencyMs: 20,
      servedAfterMs: 2,
      groups: [group(3, [call("m1", { latencyMs: 10, runMs: 9 })])],
    });
    const root = call("edge", { latencyMs: 21, groups: [group(1, [inner])] });
    expect(criticalPath(root).map(({ kind, name, ms }) => `${kind} ${name} ${ms}`)).toEqual([
      "edge edge 1",
      "wire Supervisor 2",
      "run Supervisor 3",
      "wire m1 1",
      "run m1 9",
      "run Supervisor 5",
    ]);
  });

  it("is cut where the caller gave up", () => {
    const inner = call("Supervisor", {
      latencyMs: 15,
      status: "late",
      groups: [group(5, [call("m1", { latencyMs: 90, runMs: 80 })])],
    });
    const root = call("edge", { latencyMs: 15, groups: [group(0, [inner])] });
    expect(criticalPath(root).map(({ name, ms }) => [name, ms])).toEqual([
      ["Supervisor", 5],
      ["m1", 10],
    ]);
  });

  it("says of a call without an answer that it had none", () => {
    const lost = call("m1", { latencyMs: 100, status: "late" });
    const root = call("Supervisor", { latencyMs: 100, groups: [group(0, [lost])] });
    expect(criticalPath(root)).toEqual([stage("unanswered", "m1", 100)]);
  });

  it("tells what the lane knows of a call that waited in vain", () => {
    const wait = {
      requestId: "r",
      deployment: "m1",
      startedAtEpochMs: 0,
      queueMs: 90,
      heldMs: 10,
      ended: "expired" as const,
      behind: [],
    };
    const lost = call("m1", { latencyMs: 100, status: "late", wait });
    const root = call("Supervisor", { latencyMs: 100, groups: [group(0, [lost])] });
    expect(criticalPath(root)).toEqual([
      stage("unanswered", "m1", 10),
      stage("queue", "m1", 80),
      stage("batch wait", "m1", 10),
    ]);
  });

  it("shows work on features as such: calls to a class of that name, and stages of that name", () => {
    const features = call("Features", { latencyMs: 5, runMs: 5 });
    const root = call("Supervisor", {
      latencyMs: 20,
      groups: [group(1, [features])],
      stages: [{ name: "features", startMs: 0, endMs: 8 }],
    });
    expect(criticalPath(root)).toEqual([
      stage("features", "Supervisor", 1, "features"),
      stage("features", "Features", 5),
      stage("features", "Supervisor", 2, "features"),
      stage("run", "Supervisor", 12),
    ]);
  });
});
