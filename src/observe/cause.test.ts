import { describe, expect, it } from "vitest";
import { causeOf } from "./cause.ts";
import type { StageKind } from "./critical-path.ts";
import { call, group, tree } from "./request-tree.fake.ts";
import type { RequestTree } from "./request-tree.ts";
import { UsualTimes } from "./usual-times.ts";

function usualTimes(trees: readonly RequestTree[]): UsualTimes {
  const usual = new UsualTimes();
  for (const one of trees) usual.add(one);
  return usual;
}

const members = (m2: Parameters<typeof call>[1] = {}) => [
  call("m1", { latencyMs: 6, queueMs: 1, runMs: 4 }),
  call("m2", { latencyMs: 5, queueMs: 1, runMs: 3, ...m2 }),
];
const request = (m2: Parameters<typeof call>[1] = {}) => {
  const together = group(1, members(m2));
  return tree(call("Supervisor", { latencyMs: together.endMs + 1, groups: [together] }));
};

describe("the cause of a slow request", () => {
  it("is the stage of the critical path that took longest", () => {
    expect(causeOf(request({ latencyMs: 35, queueMs: 31 }))).toMatchObject({
      kind: "stage",
      stage: { kind: "queue" },
      name: "m2",
      ms: 31,
    });
  });

  it("is not what always takes long, but what took longer than usual", () => {
    const slowModel = { runMs: 50, latencyMs: 60, queueMs: 5 };
    const usual = usualTimes([1, 2, 3].map(() => request(slowModel)));
    const slow = request({ ...slowModel, latencyMs: 105, queueMs: 47 });
    expect(causeOf(slow)).toMatchObject({ stage: { kind: "run" }, name: "m2" });
    expect(causeOf(slow, usual)).toMatchObject({ stage: { kind: "queue" }, name: "m2", ms: 47, usualMs: 5 });
  });

  it("is what takes long, usual or not, of a request that took about as long as usual", () => {
    const slowModel = { runMs: 5, latencyMs: 60, queueMs: 50 };
    const usual = usualTimes([1, 2, 3].map(() => request(slowModel)));
    const alsoSlow = request({ ...slowModel, latencyMs: 66 });
    expect(causeOf(alsoSlow, usual)).toMatchObject({ stage: { kind: "queue" }, name: "m2", usualMs: 50 });
  });

  it("knows what is usual of members that are not on the usual critical path", () => {
    const usual = usualTimes([request(), request()]);
    const usualMs = (kind: StageKind, name: string) => usual.of({ kind, name, stage: undefined, ms: 0 });
    expect([usualMs("queue", "m1"), usualMs("queue", "m2"), usualMs("run", "m2")]).toEqual([1, 1, 3]);
    expect([usualMs("run", "Supervisor"), usualMs("run", "m9")]).toEqual([2, 0]);
  });

  it("is a stage of the request that was slow even when a member is missing for another reason", () => {
    const shed = tree(
      call("Supervisor", {
        latencyMs: 40,
        groups: [
          group(0, [call("m1", { latencyMs: 40, runMs: 39 }), call("m2", { latencyMs: 1, status: "shed" })]),
        ],
      }),
    );
    expect(causeOf(shed)).toMatchObject({ kind: "stage", name: "m1" });
  });
});

describe("the cause of a request that lacks something", () => {
  it("is the missing member that was waited for longest, with the number of the others", () => {
    const together = group(0, [
      call("m1", { latencyMs: 3 }),
      call("m2", { latencyMs: 900, status: "late" }),
      call("m3", { latencyMs: 2, status: "failed", code: "ApplicationError" }),
      call("m4", { latencyMs: 900, status: "cancelled" }),
    ]);
    const root = call("Supervisor", { latencyMs: 901, groups: [together] });
    expect(causeOf(tree(root, { outcome: "degraded" }))).toMatchObject({
      kind: "missing",
      name: "m2",
      status: "late",
      others: 1,
    });
  });

  it("is the innermost call that failed, not those that failed with it", () => {
    const model = call("m1", { latencyMs: 4, status: "failed", code: "ModelInvalid" });
    const inner = call("Scorer", { latencyMs: 5, status: "failed", groups: [group(0, [model])] });
    const root = call("Supervisor", { latencyMs: 6, groups: [group(0, [inner])] });
    expect(causeOf(tree(root, { outcome: "failed" }))).toMatchObject({ name: "m1", others: 0 });
  });

  it("is a stage where no call is missing: the code itself failed", () => {
    const root = call("Supervisor", { latencyMs: 6, runMs: 6 });
    expect(causeOf(tree(root, { outcome: "failed" }))).toMatchObject({ kind: "stage", name: "Supervisor" });
  });
});
