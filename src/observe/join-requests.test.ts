import { describe, expect, it } from "vitest";
import type { CallSpan } from "./call-group.ts";
import { joinRequests } from "./join-requests.ts";
import type { LongWait, RecordedCall, RecordedRequest } from "./recorded-call.ts";

const span = (name: string, fields: Partial<CallSpan> = {}): CallSpan => ({
  name,
  status: "ok",
  code: undefined,
  latencyMs: 10,
  routedMs: 0,
  queueMs: 0,
  runMs: 5,
  batchSize: 1,
  executor: "x3",
  attempts: 1,
  ...fields,
});

const served = (deployment: string, method: string, fields: Partial<RecordedCall> = {}): RecordedCall => ({
  requestId: "r-1",
  deployment,
  method,
  replica: `${deployment}#0`,
  application: "offers",
  applicationVersion: "v1",
  startedAtEpochMs: 1000,
  latencyMs: 20,
  outcome: "ok",
  code: undefined,
  groups: [],
  stages: [],
  ...fields,
});

const atEdge = (fields: Partial<RecordedRequest> = {}): RecordedRequest => ({
  requestId: "r-1",
  application: "offers",
  route: "POST /offers/:game",
  startedAtEpochMs: 998,
  latencyMs: 25,
  readMs: 1,
  outcome: "ok",
  status: 200,
  code: undefined,
  fallback: false,
  ...fields,
});

const wait = (deployment: string, fields: Partial<LongWait> = {}): LongWait => ({
  requestId: "r-1",
  deployment,
  startedAtEpochMs: 1003,
  queueMs: 8,
  heldMs: 0,
  ended: "ran",
  behind: [],
  ...fields,
});

const isHttp = ({ method }: RecordedCall) => method.startsWith("http:");
const join = (requests: RecordedRequest[], calls: RecordedCall[], waits: LongWait[] = []) =>
  joinRequests({ requests, calls, waits }, isHttp);

const supervisor = served("Supervisor", "http:offer", {
  groups: [{ method: "predict", startMs: 2, endMs: 12, calls: [span("m1"), span("m2")] }],
});

describe("what was recorded of one request", () => {
  it("becomes one tree: edge, the call that it made, and what that called", () => {
    const [tree, ...others] = join([atEdge()], [supervisor], [wait("m2")]);
    expect(others).toEqual([]);
    expect(tree).toMatchObject({ route: "POST /offers/:game", latencyMs: 25, applicationVersion: "v1" });
    const [inner] = tree!.root.groups[0]!.calls;
    expect(tree!.root.groups[0]).toMatchObject({ startMs: 1, endMs: 25 });
    expect(inner).toMatchObject({ name: "Supervisor", latencyMs: 24, servedAfterMs: 4 });
    expect(inner!.groups[0]!.calls.map(({ name, wait: w }) => [name, w?.queueMs])).toEqual([
      ["m1", undefined],
      ["m2", 8],
    ]);
  });

  it("has the calls of a class that another class called, served elsewhere, in their place", () => {
    const outer = served("Gateway", "http:ask", {
      groups: [{ method: "score", startMs: 3, endMs: 13, calls: [span("Scorer")] }],
    });
    const inner = served("Scorer", "score", {
      startedAtEpochMs: 1004,
      latencyMs: 8,
      groups: [{ method: "predict", startMs: 1, endMs: 7, calls: [span("m1", { latencyMs: 6 })] }],
    });
    const [tree, ...others] = join([], [inner, outer]);
    expect(others).toEqual([]);
    const scorer = tree!.root.groups[0]!.calls[0]!;
    expect(scorer).toMatchObject({ name: "Scorer", servedAfterMs: 2 });
    expect(scorer.groups[0]!.calls[0]).toMatchObject({ name: "m1" });
  });

  it("is told apart from another request of the same id by when it was", () => {
    const later = served("Supervisor", "http:offer", { startedAtEpochMs: 9000, applicationVersion: "v2" });
    const trees = join([atEdge({ startedAtEpochMs: 8999 }), atEdge()], [supervisor, later]);
    expect(trees.map(({ applicationVersion }) => applicationVersion)).toEqual(["v2", "v1"]);
    const [tree] = join([atEdge({ startedAtEpochMs: 5000 })], [], [wait("m1")]);
    expect(tree!.root.groups[0]!.calls[0]).toMatchObject({ name: "offers", groups: [] });
  });

  it("shows the attempt that was answered of a call that was made twice", () => {
    const first = served("Supervisor", "http:offer", { startedAtEpochMs: 1000, outcome: "failed" });
    const second = served("Supervisor", "http:offer", { startedAtEpochMs: 1010, latencyMs: 5 });
    const [tree] = join([atEdge()], [second, first]);
    expect(tree!.root.groups[0]!.calls[0]).toMatchObject({ servedAfterMs: 19 });
  });

  it("is told by what there is: the edge alone, or the call alone", () => {
    const [alone] = join([atEdge({ outcome: "refused", status: 503, code: "Overloaded" })], []);
    expect(alone).toMatchObject({ outcome: "refused", status: 503, applicationVersion: "" });
    expect(alone!.root.groups[0]!.calls).toMatchObject([{ name: "offers", status: "failed", latencyMs: 24 }]);
    const [unread] = join([atEdge({ outcome: "failed", status: 499, readMs: 25 })], []);
    expect(unread!.root.groups).toEqual([]);
    const [call] = join([], [supervisor]);
    expect(call).toMatchObject({ route: "Supervisor.http:offer", latencyMs: 20, status: undefined });
  });
});
