import { describe, expect, it } from "vitest";
import { describePath, describeRequest, describeTree } from "./describe-request.ts";
import type { LongWait } from "./recorded-call.ts";
import { call, group, tree } from "./request-tree.fake.ts";
import { UsualTimes } from "./usual-times.ts";

const nameOf = (id: string) => (id === "x1" ? "lane 1" : id);
const wait: LongWait = {
  requestId: "req-17",
  deployment: "m07",
  startedAtEpochMs: 0,
  queueMs: 1290,
  heldMs: 0,
  ended: "expired",
  behind: [{ deployment: "m03", runs: 27, largestBatch: 48, ms: 1280 }],
};
const hedged = { why: "hedge", first: "x1", second: "x2", afterMs: 35, decided: "second" } as const;
const request = (m07: Parameters<typeof call>[1], fields: Parameters<typeof tree>[1] = {}) => {
  const together = group(10, [call("m01", { latencyMs: 10, queueMs: 4, runMs: 5 }), call("m07", { ...m07 })]);
  return tree(call("Supervisor", { latencyMs: together.endMs + 2, groups: [together] }), fields);
};
const line = (m07: Parameters<typeof call>[1], fields: Parameters<typeof tree>[1] = {}) =>
  describeRequest(request(m07, fields), new UsualTimes(), nameOf);

describe("the line for a request", () => {
  it("says which member was late, where and behind what it waited, and what it would have been without it", () => {
    expect(line({ latencyMs: 1300, status: "late", wait }, { outcome: "degraded" })).toBe(
      "offers v1 req-17 1,312 ms degraded: m07 late (queued 1,290 ms on lane 1 behind m03 batches of 48); without m07 22 ms",
    );
  });

  it("says of a slow stage what it usually takes", () => {
    const ordinary = { latencyMs: 8, queueMs: 0.4, runMs: 6 };
    const usual = new UsualTimes();
    for (let i = 0; i < 3; i++) usual.add(request(ordinary));
    const slow = request({ latencyMs: 36, queueMs: 30, runMs: 5 });
    expect(describeRequest(slow, usual, nameOf)).toBe(
      "offers v1 req-17 48 ms ok: m07 queued 30 ms on lane 1 (usually 0.4 ms); without m07 22 ms",
    );
  });

  it.each([
    [{ latencyMs: 40, runMs: 38, batchSize: 16 }, "m07 ran 38 ms on lane 1 in a batch of 16"],
    [{ latencyMs: 40, routedMs: 35, attempts: 2 }, "m07 was sent only after 35 ms, 2 attempts"],
    [
      { latencyMs: 40, routedMs: 35, attempts: 2, secondAttempt: hedged },
      "m07 was hedged to x2 when lane 1 had not answered for 35 ms",
    ],
    [
      { latencyMs: 40, routedMs: 35, attempts: 2, secondAttempt: { ...hedged, why: "rescue" as const } },
      "m07 was rescued to x2 when lane 1 was silent for 35 ms",
    ],
    [
      { latencyMs: 40, runMs: 38, attempts: 2, secondAttempt: { ...hedged, decided: "first" as const } },
      "m07 ran 38 ms on lane 1, hedged to x2 after 35 ms, but lane 1 was first",
    ],
    [{ latencyMs: 40, queueMs: 38, laneMs: 0.2 }, "m07 queued 38 ms on lane 1, which was free"],
    [{ latencyMs: 40, runMs: 1 }, "39 ms on the way to m07 and back"],
    [
      { latencyMs: 40, runMs: 1, queueMs: 39, wait: { ...wait, queueMs: 39, heldMs: 38 } },
      "m07 waited 38 ms in its queue while lane 1 was free",
    ],
    [{ latencyMs: 40, status: "late" as const }, "m07 did not answer for 40 ms on lane 1"],
  ])("names the stage: %j", (m07, expected) => {
    expect(line(m07)).toContain(`: ${expected}; without`);
  });

  it("says how the request failed, and why each missing member did not answer", () => {
    const failed = { latencyMs: 3, status: "failed" as const, code: "ApplicationError" as const };
    expect(line(failed, { outcome: "failed", status: 503, code: "BelowQuorum" })).toBe(
      "offers v1 req-17 22 ms failed 503 BelowQuorum: m07 failed (3 ms on lane 1, ApplicationError)",
    );
    expect(line(failed, { outcome: "degraded", code: "BelowQuorum", fallback: true })).toContain(
      "degraded BelowQuorum, fallback served: m07 failed",
    );
  });

  it("tells what the edge alone knows", () => {
    const edge = tree(call("edge", { latencyMs: 0.4, runMs: 0.4, executor: "" }), {
      applicationVersion: "",
      outcome: "refused",
      status: 503,
      code: "Overloaded",
    });
    expect(describeRequest(edge, new UsualTimes(), nameOf)).toBe(
      "offers req-17 0.4 ms refused 503 Overloaded: 0.4 ms in the edge",
    );
  });
});

describe("the details of a request", () => {
  it("are its critical path on one line", () => {
    const { root } = request({ latencyMs: 36, queueMs: 30, runMs: 5 });
    expect(describePath(root)).toBe(
      "Supervisor run 10 ms, m07 wire 1 ms, m07 queue 30 ms, m07 run 5 ms, Supervisor run 2 ms",
    );
  });

  it("say of a call that it was asked twice, and that it is degraded itself", () => {
    const twice = request({ latencyMs: 36, runMs: 36, attempts: 2, secondAttempt: hedged, degraded: true });
    expect(describeTree(twice, nameOf)).toContain(
      "  * m07.predict 36 ms: run 36 ms (lane 1, 2 attempts, hedged to x2 when lane 1 had not answered for 35 ms, degraded)",
    );
  });

  it("are a line for each call, those marked that were waited for longest", () => {
    const slow = request({ latencyMs: 36, queueMs: 30, runMs: 5, attempts: 2, batchSize: 8 });
    expect(describeTree(slow, nameOf)).toEqual([
      "* Supervisor.predict 48 ms: run 48 ms (lane 1)",
      "  - m01.predict 10 ms: wire 1 ms, queue 4 ms, run 5 ms (lane 1)",
      "  * m07.predict 36 ms: wire 1 ms, queue 30 ms, run 5 ms (lane 1, batch of 8, 2 attempts)",
    ]);
  });
});
