import { describe, expect, it } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallSpan } from "./call-group.ts";
import { CallRecorder, type EndedCall } from "./call-recorder.ts";

const span: CallSpan = {
  name: "m1",
  status: "ok",
  code: undefined,
  latencyMs: 3,
  routedMs: 0,
  queueMs: 1,
  laneMs: 0.5,
  runMs: 1,
  batchSize: 1,
  executor: "x1",
  attempts: 1,
  secondAttempt: undefined,
  degraded: false,
};

const ended = (requestId: string, fields: Partial<EndedCall> = {}): EndedCall => ({
  requestId,
  replica: "Supervisor#0",
  application: "offers",
  applicationVersion: "v1",
  degraded: false,
  startedAtMs: 100,
  groups: [{ method: "predict", startedAtMs: 102, endedAtMs: 105, calls: [span] }],
  namedStages: [{ name: "features", startMs: 100, endMs: 101 }],
  ...fields,
});

const recorded = (recorder: CallRecorder) => recorder.kept(110);

describe("the recorder of calls", () => {
  it("keeps a call with what it called, from its own start", () => {
    const recorder = new CallRecorder();
    recorder.bookFor("Supervisor", "http:offer", true).note(ended("r-1"), undefined, 110);
    expect(recorded(recorder)).toEqual([
      {
        requestId: "r-1",
        deployment: "Supervisor",
        method: "http:offer",
        replica: "Supervisor#0",
        application: "offers",
        applicationVersion: "v1",
        startedAtEpochMs: performance.timeOrigin + 100,
        latencyMs: 10,
        outcome: "ok",
        code: undefined,
        groups: [{ method: "predict", startMs: 2, endMs: 5, calls: [span] }],
        stages: [{ name: "features", startMs: 0, endMs: 1 }],
      },
    ]);
  });

  it("keeps nothing of what was answered", () => {
    const recorder = new CallRecorder();
    const member = { ...span, output: "secret", version: "v1" };
    const groups = [{ method: "predict", startedAtMs: 102, endedAtMs: 105, calls: [member] }];
    recorder.bookFor("Supervisor", "offer", true).note(ended("r-1", { groups }), undefined, 110);
    expect(JSON.stringify(recorded(recorder))).not.toContain("secret");
  });

  it("tells what failed from what the caller did wrong, and a call given up is a failure", () => {
    const recorder = new CallRecorder();
    const book = recorder.bookFor("Supervisor", "http:offer", true);
    book.note(ended("bug"), new TuttiError("ApplicationError", ""), 110);
    book.note(ended("gone"), new TuttiError("Cancelled", ""), 110);
    book.note(ended("bad"), new TuttiError("InvalidArgument", ""), 110);
    book.note(ended("not-found"), new TuttiError("HttpError", "", { status: 404 }), 110);
    book.note(ended("less", { degraded: true }), undefined, 110);
    const outcomes = Object.fromEntries(
      recorded(recorder).map(({ requestId, outcome }) => [requestId, outcome]),
    );
    expect(outcomes).toEqual({
      bug: "failed",
      gone: "failed",
      bad: "ok",
      "not-found": "ok",
      less: "degraded",
    });
  });

  it("leaves calls that called nobody to their caller, who knows as much of them", () => {
    const recorder = new CallRecorder();
    const leaf = { groups: [], namedStages: [] };
    recorder.bookFor("Features", "get", false).note(ended("leaf", leaf), undefined, 110);
    recorder.bookFor("Web", "http:fetch", true).note(ended("root", leaf), undefined, 110);
    expect(recorded(recorder).map(({ requestId }) => requestId)).toEqual(["root"]);
  });

  it("has no more books than it may, however many methods there are", () => {
    const recorder = new CallRecorder();
    for (let i = 0; i < 500; i++) {
      const book = recorder.bookFor("Supervisor", `method${i}`, true);
      for (let call = 0; call < 10; call++) book.note(ended(`r-${i}-${call}`), undefined, 110);
    }
    expect(recorded(recorder).length).toBeLessThanOrEqual(64 * 10 + 128);
  });

  it("counts every call of a method, kept or not, by how it ended and how long it took", () => {
    const recorder = new CallRecorder();
    const inner = recorder.bookFor("Scorer", "score", false);
    const nothingMade = { groups: [], namedStages: [] };
    inner.note(ended("r-1", nothingMade), undefined, 103);
    inner.note(ended("r-2", nothingMade), new TuttiError("Internal", "a bug"), 104);
    // The caller's own mistake is no failure of the method.
    inner.note(ended("r-3", nothingMade), new TuttiError("InvalidArgument", "not a number"), 105);
    const [counts] = recorder.counts();
    expect(counts).toMatchObject({ deployment: "Scorer", method: "score", ok: 2, failed: 1 });
    expect(counts?.latency.sumMs).toBe(12);
    expect(recorded(recorder)).toEqual([]);
  });
});
