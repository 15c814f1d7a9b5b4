import fc from "fast-check";
import type { NamedStage } from "./recorded-call.ts";
import type { RequestTree, TreeCall, TreeGroup } from "./request-tree.ts";

/** A call that answered in no time, unless a test says otherwise. */
export function call(name: string, fields: Partial<TreeCall> = {}): TreeCall {
  return {
    name,
    method: "predict",
    status: "ok",
    code: undefined,
    latencyMs: 0,
    routedMs: 0,
    queueMs: 0,
    runMs: 0,
    batchSize: 1,
    executor: "x1",
    attempts: 1,
    wait: undefined,
    servedAfterMs: 0,
    groups: [],
    stages: [],
    ...fields,
  };
}

/** Calls made together, which end with the last of them. */
export function group(startMs: number, calls: readonly TreeCall[], combineMs = 0): TreeGroup {
  return {
    startMs,
    endMs: startMs + Math.max(...calls.map(({ latencyMs }) => latencyMs)) + combineMs,
    calls,
  };
}

export function tree(root: TreeCall, fields: Partial<RequestTree> = {}): RequestTree {
  return {
    requestId: "req-17",
    application: "offers",
    applicationVersion: "v1",
    route: "POST /offers/:game",
    startedAtEpochMs: 0,
    latencyMs: root.latencyMs,
    outcome: "ok",
    status: 200,
    code: undefined,
    fallback: false,
    root,
    ...fields,
  };
}

const ms = (max: number) => fc.double({ min: 0, max, noNaN: true });

/** Any tree whose times are as those of real ones may be: inner ones within outer ones, measured with some noise. */
export const anyCall = (depth: number): fc.Arbitrary<TreeCall> =>
  fc
    .record({
      name: fc.constantFrom("m1", "m2", "m3", "Features", "Supervisor"),
      status: fc.constantFrom("ok", "ok", "ok", "late", "failed", "shed", "cancelled"),
      latencyMs: ms(1000),
      routedMs: ms(200),
      queueMs: ms(800),
      laneMs: ms(800),
      runMs: ms(800),
      servedAfterMs: ms(50),
      executor: fc.constantFrom("", "x1", "x2"),
      attempts: fc.integer({ min: 0, max: 3 }),
      groups: depth === 0 ? fc.constant([]) : fc.array(anyGroup(depth - 1), { maxLength: 3 }),
      stages: fc.array(anyStage, { maxLength: 2 }),
    })
    .map((fields) => call(fields.name, fields as Partial<TreeCall>));

const anyStage: fc.Arbitrary<NamedStage> = fc
  .tuple(fc.constantFrom("features", "choose"), ms(1000), ms(300))
  .map(([name, startMs, lengthMs]) => ({ name, startMs, endMs: startMs + lengthMs }));

const anyGroup = (depth: number): fc.Arbitrary<TreeGroup> =>
  fc
    .tuple(ms(1000), ms(20), fc.array(anyCall(depth), { minLength: 1, maxLength: 4 }))
    .map(([startMs, combineMs, calls]) => group(startMs, calls, combineMs));
