/** Invariants E1 (the value is the combiner over exactly the members that are ok), E2 (every member has a report), E3 (one end). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { NO_STATS } from "../wire/messages.ts";
import { Tensor, type TensorMap } from "../wire/tensor.ts";
import { FakeCallPort, type PlannedEnd } from "./call-port.fake.ts";
import { type Combiner, mean, vote, weightedMean } from "./combiners.ts";
import { runInContext } from "./context.ts";
import { failure, rejection, reportsOf, type Scorer, scorers, statuses } from "./ensemble.fake.ts";
import { ensemble } from "./ensemble.ts";
import type { EnsembleResult, MemberReport, MemberStatus } from "./ensemble-result.ts";
import type { Handle } from "./handle.ts";
import { createHandle } from "./handle-proxy.ts";
import { FakeContext } from "./traced-context.fake.ts";

const contextOf = (deadlineAtMs: number) => new FakeContext({ deadlineAtMs, priority: 0 });
const inMs = (ms: number) => performance.now() + ms;

describe("an ensemble whose members all answer", () => {
  it("resolves to their combination, not degraded, with a report of each in its order", async () => {
    const stats = { queueUs: 2000, runUs: 500, batchItems: 8 };
    const { all } = scorers([
      { value: 0.25, turns: 2, stats },
      { value: 0.75, stats },
    ]);
    const result = await all.score(1);
    expect(result).toMatchObject({ value: 0.5, degraded: false, confidence: 1 });
    expect(result.members.map(({ name, status, output }) => ({ name, status, output }))).toEqual([
      { name: "m0", status: "ok", output: 0.25 },
      { name: "m1", status: "ok", output: 0.75 },
    ]);
    for (const { queueMs, batchSize, latencyMs } of result.members) {
      expect({ queueMs, batchSize }).toEqual({ queueMs: 2, batchSize: 8 });
      expect(latencyMs).toBeGreaterThanOrEqual(0);
    }
  });

  it("sends each the same list of arguments, so that the wire encodes it once (D6)", async () => {
    const { all, port } = scorers([{ value: 1 }, { value: 2 }, { value: 3 }]);
    await all.score(new Tensor("float32", Float32Array.of(1), [1, 1]));
    expect(new Set(port.calls.map(({ args }) => args)).size).toBe(1);
  });

  it("waits for all of them, though its quorum is smaller", async () => {
    const { all } = scorers([{ value: 1 }, { value: 4, turns: 5 }], { quorum: 1 });
    expect(await all.score(1)).toMatchObject({ value: 2.5, degraded: false });
  });

  it("tells the version of the application in each report (D9)", async () => {
    const { all } = scorers([{ value: 1 }, { value: 2 }]);
    expect((await all.score(1)).members.map(({ version }) => version)).toEqual(["v7", "v7"]);
  });
});

/** What happens to the members, told by the plan alone: who ends before the decision, and how. */
function foretell(
  plans: readonly PlannedEnd[],
  quorum: number,
): { statuses: MemberStatus[]; rejects: boolean } {
  const order = plans
    .map((_, index) => index)
    .sort((a, b) => (plans[a]!.turns ?? 0) - (plans[b]!.turns ?? 0) || a - b);
  const told: MemberStatus[] = plans.map(() => "cancelled");
  let ok = 0;
  let left = plans.length;
  for (const index of order) {
    const { error } = plans[index]!;
    told[index] = error === undefined ? "ok" : STATUS_OF[error.code]!;
    if (error === undefined) ok += 1;
    left -= 1;
    if (ok + left < quorum) return { statuses: told, rejects: true };
  }
  return { statuses: told, rejects: false };
}

const STATUS_OF: Partial<Record<ErrorCode, MemberStatus>> = {
  DeadlineExceeded: "late",
  Overloaded: "shed",
  Cancelled: "cancelled",
  PeerClosed: "failed",
  ApplicationError: "failed",
  Unavailable: "failed",
};

const anyPlan: fc.Arbitrary<PlannedEnd> = fc.oneof(
  fc.record({ value: fc.integer({ min: -100, max: 100 }), turns: fc.nat(4) }),
  fc.record({
    error: fc
      .constantFrom(...(Object.keys(STATUS_OF) as ErrorCode[]))
      .map((code) => new TuttiError(code, code)),
    turns: fc.nat(4),
    ignoresCancel: fc.boolean(),
  }),
);

describe("any ensemble", () => {
  it("gives the combination of exactly the members that are ok, or says below quorum who was not (E1, E2, E3)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyPlan, { minLength: 1, maxLength: 12 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (plans, share) => {
          const quorum = Math.max(1, Math.ceil(share * plans.length));
          const seen: string[][] = [];
          const combine: Combiner<number, number> = (answers) => {
            seen.push(answers.map(({ name }) => name));
            return mean(answers);
          };
          const { all } = scorers(plans, { quorum, combine });
          const expected = foretell(plans, quorum);
          let ends = 0;
          const call = all.score(1);
          const count = () => {
            ends += 1;
          };
          call.then(count, count);
          let members: readonly MemberReport[];
          if (expected.rejects) {
            const error = await rejection(call);
            expect(error.code).toBe("BelowQuorum");
            members = reportsOf(error);
            expect(seen).toEqual([]);
          } else {
            const result: EnsembleResult<number> = await call;
            members = result.members;
            const ok = members.filter(({ status }) => status === "ok");
            expect(result.value).toBe(
              mean(ok.map(({ name, output }) => ({ name, value: output as number, weight: 1 }))),
            );
            expect(result.degraded).toBe(ok.length < members.length);
            expect(result.confidence).toBeCloseTo(ok.length / members.length, 10);
            expect(seen).toEqual([ok.map(({ name }) => name)]);
          }
          expect(members.map(({ name }) => name)).toEqual(plans.map((_, index) => `m${index}`));
          expect(statuses(members)).toEqual(expected.statuses);
          for (const { status, output } of members) expect(output === undefined).toBe(status !== "ok");
          expect(ends).toBe(1);
        },
      ),
    );
  });
});

describe("the quorum", () => {
  it("is all members by default: one failure rejects", async () => {
    const { all } = scorers([{ value: 1 }, failure("ApplicationError")]);
    expect((await rejection(all.score(1))).code).toBe("BelowQuorum");
  });

  it("as a count or a fraction lets the value be degraded", async () => {
    const plans = [{ value: 1 }, { value: 2 }, { value: 3 }, { value: 4 }, failure("PeerClosed")];
    for (const quorum of [4, 0.8]) {
      const { all } = scorers(plans, { quorum });
      const result = await all.score(1);
      expect(result).toMatchObject({ value: 2.5, degraded: true });
      expect(result.confidence).toBeCloseTo(0.8, 10);
    }
    expect((await rejection(scorers(plans, { quorum: 0.81 }).all.score(1))).code).toBe("BelowQuorum");
  });

  it("rejects as soon as it cannot be reached, and cancels the rest", async () => {
    const { all, port } = scorers([failure("PeerClosed"), {}, failure("Overloaded"), {}], { quorum: 3 });
    const error = await rejection(runInContext(contextOf(inMs(60_000)), () => all.score(1)));
    expect(statuses(reportsOf(error))).toEqual(["failed", "cancelled", "shed", "cancelled"]);
    expect(port.cancelled).toEqual(["m1", "m3"]);
  });

  it("rejects with a report of each member even where a refusal is on its way and no cancel can end it (E2)", async () => {
    // A deadline that has passed refuses all members in one tick; their ends come one after the other.
    const late: PlannedEnd = { ...failure("DeadlineExceeded"), ignoresCancel: true };
    const { all } = scorers([late, late, late, late], { quorum: 0.75 });
    const error = await rejection(all.score(1));
    expect(error.code).toBe("BelowQuorum");
    const members = reportsOf(error);
    expect(members.map(({ name }) => name)).toEqual(["m0", "m1", "m2", "m3"]);
    expect(statuses(members)).toEqual(["late", "late", "cancelled", "cancelled"]);
  });

  it("says how many answered, how many are needed, and the first that is missing, with why", async () => {
    const { all } = scorers([{ value: 1 }, failure("Overloaded", 1), failure("PeerClosed", 2)], {
      quorum: 2,
    });
    const error = await rejection(all.score(1));
    expect(error.message).toBe("1 of 3 members answered, 2 are needed; m1 shed: it was Overloaded");
    expect(error.details?.["missing"]).toEqual([
      { name: "m1", status: "shed", required: false, reason: "it was Overloaded" },
      { name: "m2", status: "failed", required: false, reason: "it was PeerClosed" },
    ]);
    expect(error.status).toBe(503);
  });
});

describe("the report of a member that is missing", () => {
  it.each([
    ["DeadlineExceeded", "late"],
    ["Overloaded", "shed"],
    ["Cancelled", "cancelled"],
    ["PeerClosed", "failed"],
    ["Unavailable", "failed"],
    ["Draining", "failed"],
    ["ApplicationError", "failed"],
    ["PoisonInput", "failed"],
    ["TensorMismatch", "failed"],
  ] as const)("calls %s %s", async (code, status) => {
    const { all } = scorers([{ value: 1 }, failure(code)], { quorum: 1 });
    expect(statuses((await all.score(1)).members)).toEqual(["ok", status]);
  });

  it("calls an answer that nothing can be selected of failed", async () => {
    const { all } = scorers([{ value: 1 }, { value: { a: 1, b: 2 } }], { quorum: 1 });
    const { members, value } = await all.score(1);
    expect(statuses(members)).toEqual(["ok", "failed"]);
    expect(value).toBe(1);
  });

  it("calls an answer that the select function throws on failed", async () => {
    const select = (output: number) => {
      if (output > 1) throw new Error("too large");
      return output;
    };
    const { all } = scorers([{ value: 1 }, { value: 2 }], { select });
    const error = await rejection(all.score(1));
    expect(error.message).toContain("m1 failed: too large");
  });
});

describe("the deadline of an ensemble", () => {
  it("is the request's minus the reserve", async () => {
    const deadlineAtMs = inMs(5000);
    const { all, port } = scorers([{ value: 1 }, { value: 2 }], { reserveMs: 100 });
    await runInContext(contextOf(deadlineAtMs), () => all.score(1));
    expect(port.calls.map((call) => call.deadlineAtMs)).toEqual([deadlineAtMs - 100, deadlineAtMs - 100]);
    const byDefault = scorers([{ value: 1 }]);
    await runInContext(contextOf(deadlineAtMs), () => byDefault.all.score(1));
    expect(byDefault.port.calls[0]?.deadlineAtMs).toBe(deadlineAtMs - 25);
  });

  it("is its own when that is sooner, and never later than the request's", async () => {
    const deadlineAtMs = inMs(5000);
    const sooner = scorers([{ value: 1 }], { deadlineMs: 50 });
    await runInContext(contextOf(deadlineAtMs), () => sooner.all.score(1));
    expect(sooner.port.calls[0]!.deadlineAtMs).toBeLessThan(deadlineAtMs - 4000);
    const later = scorers([{ value: 1 }], { deadlineMs: 60_000, reserveMs: 0 });
    await runInContext(contextOf(deadlineAtMs), () => later.all.score(1));
    expect(later.port.calls[0]?.deadlineAtMs).toBe(deadlineAtMs);
  });

  it("is narrowed by with", async () => {
    const { port, all } = scorers([{ value: 1 }], { reserveMs: 0 });
    const startedAtMs = performance.now();
    await all.with({ deadlineMs: 1000 }).score(1);
    expect(port.calls[0]!.deadlineAtMs).toBeGreaterThanOrEqual(startedAtMs + 1000);
    expect(port.calls[0]!.deadlineAtMs).toBeLessThan(startedAtMs + 10_000);
  });

  it("answers with what is there when a member never does (E3)", async () => {
    const { all } = scorers([{ value: 1 }, { value: 3 }, {}], { quorum: 2, deadlineMs: 10 });
    const result = await all.score(1);
    expect(result).toMatchObject({ value: 2, degraded: true });
    expect(statuses(result.members)).toEqual(["ok", "ok", "late"]);
  });

  it("is aimed at as much sooner as members were lately ended after it", async () => {
    const clock = new ManualClock();
    const { all, port } = scorers([failure("DeadlineExceeded", 1)], { deadlineMs: 1000 }, clock);
    const endAt = async (deadlineAtMs: number, lateMs: number) => {
      const ends = rejection(all.score(1));
      expect(port.calls.at(-1)!.deadlineAtMs).toBe(deadlineAtMs);
      clock.block(deadlineAtMs + lateMs - clock.now());
      await ends;
    };
    await endAt(clock.now() + 1000, 7);
    await endAt(clock.now() + 1000 - 7, 7);
    clock.block(10_000);
    await endAt(clock.now() + 1000 - 3.5, 0);
  });

  it("rejects when too few answered by then", async () => {
    const { all } = scorers([{ value: 1 }, {}, {}], { quorum: 2, deadlineMs: 10 });
    expect((await rejection(all.score(1))).message).toMatch(
      /^1 of 3 members answered, 2 are needed; m1 late: /,
    );
  });
});

describe("weights", () => {
  it("count in a weighted mean and in the confidence", async () => {
    const { all } = scorers([{ value: 1 }, { value: 4 }, failure("PeerClosed")], {
      combine: weightedMean,
      weights: { m1: 2 },
      quorum: 2,
    });
    const { value, confidence } = await all.score(1);
    expect(value).toBe(3);
    expect(confidence).toBe(0.75);
  });

  it("that leave nothing with a weight make it fail, not a value that is no number", async () => {
    const { all } = scorers([{ value: 1 }, failure("PeerClosed")], {
      combine: weightedMean,
      weights: { m0: 0 },
      quorum: 1,
    });
    expect(await rejection(all.score(1))).toMatchObject({ code: "BelowQuorum" });
  });

  it("all zero are taken as equal for the confidence", async () => {
    const { all } = scorers([{ value: 1 }, failure("PeerClosed")], { weights: { m0: 0, m1: 0 }, quorum: 1 });
    expect((await all.score(1)).confidence).toBe(0.5);
  });

  it("make a vote's confidence the share that agrees", async () => {
    interface Labeller {
      label(): Promise<string>;
    }
    const port = new FakeCallPort(({ deployment }) => ({ value: deployment === "m1" ? "dog" : "cat" }));
    const members = ["m0", "m1", "m2"].map((deployment) =>
      createHandle<Labeller>({ deployment, port, options: {} }),
    );
    const result = await ensemble(members, { combine: vote, weights: { m1: 2 } }).label();
    expect(result).toMatchObject({ value: "cat", confidence: 0.5 });
  });
});

describe("an answer that is some rows of a shared result", () => {
  const shared = {
    probability: new Tensor("float32", Float32Array.of(0.125, 0.25, 0.5, 0.75), [4, 1]),
  };
  const rowsFrom = (firstRow: number, rows: number, tensors: TensorMap = shared): PlannedEnd => ({
    rows: { tensors, firstRow, rows },
  });

  it("counts as the row alone", async () => {
    const { all } = scorers([rowsFrom(1, 1), rowsFrom(3, 1)]);
    expect(await all.score(1)).toMatchObject({ value: 0.5, members: [{ output: 0.25 }, { output: 0.75 }] });
    const named = scorers([rowsFrom(2, 1)], { select: "probability" });
    expect(await named.all.score(1)).toMatchObject({ value: 0.5 });
  });

  it("gives a select function the rows as tensors of their own", async () => {
    const select = (output: unknown) => {
      const { data, dims } = (output as TensorMap)["probability"]!;
      return Number(data[0]) + Number(data[1]) + dims[0]! * 100;
    };
    const { all } = scorers([rowsFrom(1, 2)], { select });
    expect((await all.score(1)).value).toBe(200.75);
  });

  it("fails where it is not one number and nothing says what to take", async () => {
    const two = { a: shared.probability, b: shared.probability };
    for (const plan of [rowsFrom(0, 2), rowsFrom(0, 1, two)]) {
      const { all } = scorers([{ value: 1 }, plan], { quorum: 1 });
      expect(statuses((await all.score(1)).members)).toEqual(["ok", "failed"]);
    }
  });

  it("reads numbers of other types and texts alike", async () => {
    const labels = { label: new Tensor("string", ["cat", "dog"], [2]) };
    const counts = { count: new Tensor("int64", BigInt64Array.of(3n, 5n), [2, 1]) };
    expect((await scorers([rowsFrom(1, 1, counts)]).all.score(1)).value).toBe(5);
    const combine = (answers: readonly { value: unknown }[]) => answers.length;
    const { all } = scorers([rowsFrom(1, 1, labels)], { combine });
    expect((await all.score(1)).members[0]?.output).toBe("dog");
  });
});

describe("a combiner that throws", () => {
  it("rejects the call with what it threw", async () => {
    const combine = () => {
      throw new TuttiError("InvalidArgument", "cannot combine these");
    };
    await expect(scorers([{ value: 1 }], { combine }).all.score(1)).rejects.toThrow("cannot combine these");
  });
});

describe("a signal given to an ensemble", () => {
  it("cancels every member when it aborts", async () => {
    const controller = new AbortController();
    const { all, port } = scorers([{}, {}]);
    const call = all.with({ signal: controller.signal }).score(1);
    controller.abort();
    expect(statuses(reportsOf(await rejection(call)))).toEqual(["cancelled", "cancelled"]);
    expect(port.cancelled).toEqual(["m0", "m1"]);
  });

  it("that has aborted before has no member called", async () => {
    const { all, port } = scorers([{}, {}]);
    const error = await rejection(all.with({ signal: AbortSignal.abort() }).score(1));
    expect(error.code).toBe("Cancelled");
    expect(statuses(reportsOf(error))).toEqual(["cancelled", "cancelled"]);
    expect(port.calls).toEqual([]);
  });

  it("does nothing once the call has ended", async () => {
    const controller = new AbortController();
    const { all, port } = scorers([{ value: 1 }]);
    await all.with({ signal: controller.signal }).score(1);
    controller.abort();
    expect(port.cancelled).toEqual([]);
  });
});

describe("the context of the caller", () => {
  it("is marked degraded when a member is missing, and only then", async () => {
    const whole = contextOf(inMs(1000));
    await runInContext(whole, () => scorers([{ value: 1 }]).all.score(1));
    expect(whole.degraded).toBe(false);
    const partial = contextOf(inMs(1000));
    await runInContext(partial, () =>
      scorers([{ value: 1 }, failure("Overloaded")], { quorum: 1 }).all.score(1),
    );
    expect(partial.degraded).toBe(true);
  });

  it("is marked degraded when a member that answered is degraded itself, as is the answer", async () => {
    const served = contextOf(inMs(1000));
    const less = { value: 2, stats: { ...NO_STATS, degraded: true } };
    const { degraded, members } = await runInContext(served, () =>
      scorers([{ value: 1 }, less]).all.score(1),
    );
    expect([degraded, served.degraded]).toEqual([true, true]);
    expect(members.map((member) => member.degraded)).toEqual([false, true]);
  });

  it("gives the members its request id and priority", async () => {
    const { all, port } = scorers([{ value: 1 }, { value: 1 }]);
    await runInContext(contextOf(inMs(1000)), () => all.score(1));
    expect(port.calls.map(({ requestId, priority }) => ({ requestId, priority }))).toEqual([
      { requestId: "r-1", priority: 0 },
      { requestId: "r-1", priority: 0 },
    ]);
  });
});

describe("ensemble", () => {
  it("refuses members that are no handles, by their index", () => {
    const { members } = scorers([{ value: 1 }]);
    const wrong = [members[0]!, {}] as Handle<Scorer>[];
    expect(() => ensemble<Scorer, number, number>(wrong, { combine: mean })).toThrow(
      "ensemble: member 1 is not a handle",
    );
  });

  it("refuses members with call options of their own, which it could not keep", () => {
    const { members } = scorers([{ value: 1 }, { value: 2 }]);
    const hurried = [members[0]!, members[1]!.with({ deadlineMs: 5 })];
    expect(() => ensemble<Scorer, number, number>(hurried, { combine: mean })).toThrow(
      "ensemble: give call options to the ensemble, not to its member m1",
    );
  });

  it("refuses to be without members", () => {
    expect(() => ensemble<Scorer, number, number>([], { combine: mean })).toThrow(
      "ensemble: there are no members",
    );
  });

  it("is no promise and refuses the lifecycle hooks", async () => {
    const { all, port } = scorers([{ value: 1 }]);
    expect(await all).toBe(all);
    const hooks = all as unknown as Record<string, () => void>;
    expect(() => hooks["checkHealth"]!()).toThrow("not through an ensemble");
    expect(port.calls).toHaveLength(0);
  });

  it("refuses unknown call options", () => {
    expect(() => scorers([{ value: 1 }]).all.with({ timeoutMs: 5 } as object)).toThrow(
      "with: unknown option timeoutMs",
    );
  });
});
