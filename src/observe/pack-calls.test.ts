import fc from "fast-check";
import { expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../errors/codes.ts";
import type { CallSpan, CallStatus } from "./call-group.ts";
import { packCalls, unpackCalls } from "./pack-calls.ts";
import type { NamedStage, Outcome, RecordedCall, RecordedGroup } from "./recorded-call.ts";

const number = fc.double({ noNaN: true });
const code = fc.option(fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[])), { nil: undefined });

const spans: fc.Arbitrary<CallSpan> = fc.record({
  name: fc.string(),
  status: fc.constantFrom<CallStatus>("ok", "late", "failed", "shed", "cancelled"),
  code,
  latencyMs: number,
  routedMs: number,
  queueMs: number,
  runMs: number,
  batchSize: number,
  executor: fc.string(),
  attempts: number,
  laneMs: number,
  degraded: fc.boolean(),
  secondAttempt: fc.option(
    fc.record({
      why: fc.constantFrom("hedge" as const, "rescue" as const),
      first: fc.string(),
      second: fc.string(),
      decided: fc.constantFrom("first" as const, "second" as const),
      afterMs: number,
    }),
    { nil: undefined },
  ),
});
const groups: fc.Arbitrary<RecordedGroup> = fc.record({
  method: fc.string(),
  startMs: number,
  endMs: number,
  calls: fc.array(spans, { maxLength: 4 }),
});
const stages: fc.Arbitrary<NamedStage> = fc.record({ name: fc.string(), startMs: number, endMs: number });
const calls: fc.Arbitrary<RecordedCall> = fc.record({
  requestId: fc.string(),
  deployment: fc.string(),
  method: fc.string(),
  replica: fc.string(),
  application: fc.string(),
  applicationVersion: fc.string(),
  startedAtEpochMs: number,
  latencyMs: number,
  outcome: fc.constantFrom<Outcome>("ok", "degraded", "failed", "refused"),
  code,
  groups: fc.array(groups, { maxLength: 3 }),
  stages: fc.array(stages, { maxLength: 3 }),
});

it("packed calls are unpacked as they were", () => {
  fc.assert(
    fc.property(fc.array(calls, { maxLength: 5 }), (list) => {
      expect(unpackCalls(packCalls(list))).toEqual(list);
    }),
  );
});
