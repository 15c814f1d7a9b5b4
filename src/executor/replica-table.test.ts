import { describe, expect, it } from "vitest";
import { ModelLane } from "./model-lane.ts";
import { ModelReplica } from "./model-replica.ts";
import { column, FakeModelSession, valuesOf } from "./model-session.fake.ts";
import { ReplicaTable } from "./replica-table.ts";
import { incoming, RecordingSink } from "./reply-sink.fake.ts";

function tableOf(...targets: number[]) {
  const lane = new ModelLane();
  const table = new ReplicaTable(lane);
  const sessions = new Map<number, FakeModelSession>();
  for (const target of targets) {
    const session = new FakeModelSession();
    const limits = {
      index: 0,
      path: "",
      sha256: "",
      maxBatchRows: 8,
      maxOngoing: 100,
      maxQueueMs: undefined,
      gracefulShutdownMs: 1000,
      session: {},
    };
    const replica = new ModelReplica(
      { kind: "model", target, deployment: `m${target}`, ...limits },
      session,
      [],
      lane,
    );
    lane.add(replica);
    table.add(replica);
    sessions.set(target, session);
  }
  return { table, sessions, sink: new RecordingSink() };
}

describe("the replicas of an executor", () => {
  it("are called by their number", async () => {
    const { table, sessions, sink } = tableOf(7, 8);
    table.accept(incoming(1, { target: 8, args: [column(3)] }), sink);
    expect(valuesOf(await sink.valueOf(1))).toEqual([6]);
    expect(sessions.get(7)!.runs).toEqual([]);
  });

  it("that are not there any more refuse as not started, so that the caller goes elsewhere (D3)", async () => {
    const { table, sink } = tableOf(7);
    table.delete(7);
    table.accept(incoming(1, { target: 7 }), sink);
    expect(await sink.errorOf(1)).toMatchObject({ code: "Unavailable", started: "no" });
  });

  it("each take their part of a call that fans out, and each part has its own end", async () => {
    const { table, sink } = tableOf(7, 8);
    table.accept(incoming(1, { targets: [7, 99, 8], args: [column(5)] }), sink);
    expect(valuesOf(await sink.valueOf(1, 0))).toEqual([10]);
    expect((await sink.errorOf(1, 1)).code).toBe("Unavailable");
    expect(valuesOf(await sink.valueOf(1, 2))).toEqual([10]);
  });

  it("refuse new calls while they drain and finish those that they have", async () => {
    const { table, sessions, sink } = tableOf(7);
    sessions.get(7)!.hold();
    table.accept(incoming(1, { target: 7, args: [column(1)] }), sink);
    table.accept(incoming(2, { target: 7, args: [column(2)] }), sink);
    table.drain();
    table.accept(incoming(3, { target: 7, args: [column(3)] }), sink);
    expect(await sink.errorOf(3)).toMatchObject({ code: "Draining", started: "no" });
    expect(table.ongoing).toBe(2);
    sessions.get(7)!.release();
    expect(valuesOf(await sink.valueOf(1))).toEqual([2]);
    expect(valuesOf(await sink.valueOf(2))).toEqual([4]);
    await expect.poll(() => table.ongoing, { interval: 1, timeout: 10_000 }).toBe(0);
  });

  it("find a cancelled call by its id and caller alone", async () => {
    const { table, sessions, sink } = tableOf(7, 8);
    for (const session of sessions.values()) session.hold();
    table.accept(incoming(1, { target: 7, args: [column(1)] }), sink);
    table.accept(incoming(2, { target: 8, args: [column(2)] }), sink);
    table.cancel(2, sink);
    table.cancel(99, sink);
    for (const session of sessions.values()) session.release();
    expect((await sink.errorOf(2)).code).toBe("Cancelled");
    expect(valuesOf(await sink.valueOf(1))).toEqual([2]);
  });

  it("give back a call that waits to who withdraws it from its own replica", async () => {
    const { table, sessions, sink } = tableOf(7, 8);
    for (const session of sessions.values()) session.hold();
    for (const id of [1, 2]) table.accept(incoming(id, { target: 7, args: [column(id)] }), sink);
    await expect.poll(() => sessions.get(7)!.runs.length, { interval: 1, timeout: 10_000 }).toBe(1);
    table.accept(incoming(3, { target: 7, args: [column(3)] }), sink);
    table.withdraw({ id: 3, target: 8, part: 0, abort: false }, sink);
    table.withdraw({ id: 3, target: 99, part: 0, abort: false }, sink);
    table.withdraw({ id: 1, target: 7, part: 0, abort: true }, sink);
    expect(sink.replies).toHaveLength(0);
    table.withdraw({ id: 3, target: 7, part: 0, abort: false }, sink);
    expect(await sink.errorOf(3)).toMatchObject({ code: "Cancelled", started: "no" });
    for (const session of sessions.values()) session.release();
    expect(valuesOf(await sink.valueOf(1))).toEqual([2]);
  });

  it("report their load: the time to do all that waits, how much that is, and the costs that are news", async () => {
    const { table, sessions, sink } = tableOf(7, 8);
    expect(table.loadReport(0.25)).toEqual({ backlogUs: 0, queuedItems: 0, busyFraction: 0.25, costs: [] });
    sessions.get(7)!.hold();
    for (let id = 0; id < 4; id++) table.accept(incoming(id, { target: 7, args: [column(id)] }), sink);
    const report = table.loadReport(0);
    expect(report.queuedItems).toBeGreaterThanOrEqual(3);
    expect(report.backlogUs).toBeGreaterThan(0);
    sessions.get(7)!.release();
    await sink.replyTo(3);
    await expect
      .poll(() => table.loadReport(0).costs.map(({ target }) => target), { interval: 1, timeout: 10_000 })
      .toEqual([7]);
  });
});
