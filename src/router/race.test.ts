/** Invariant D1 for a call of which two attempts are out. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../errors/codes.ts";
import { type Started, TuttiError } from "../errors/tutti-error.ts";
import { type CallOutcome, NO_STATS } from "../wire/messages.ts";
import { Race } from "./race.ts";

/** A race whose attempts the test ends. */
function race() {
  const ends: CallOutcome[] = [];
  const seen = { lost: 0, suspected: 0, aborted: 0, moved: 0, wasted: 0 };
  const note = (what: keyof typeof seen) => () => {
    seen[what] += 1;
  };
  const made = new Race(
    { why: "hedge", executor: "x1", sentAtMs: 100 },
    { executor: "x2", sentAtMs: 112, lose: note("lost"), suspect: note("suspected"), cancel: () => {} },
    {
      onEnd: (outcome) => ends.push(outcome),
      abortFirst: note("aborted"),
      onMoved: note("moved"),
      onWasted: note("wasted"),
    },
  );
  const end = (which: "first" | "second", outcome: CallOutcome) => {
    if (which === "second") made.secondEnded(outcome, NO_STATS, undefined);
    else if (!outcome.ok) made.firstFailed(outcome.error, NO_STATS, undefined);
    else if (made.firstAnswered()) ends.push(outcome);
  };
  return { end, ends, seen, made };
}

const anyOutcome: fc.Arbitrary<CallOutcome> = fc.oneof(
  fc.constant<CallOutcome>({ ok: true, value: 1 }),
  fc
    .tuple(
      fc.constantFrom<ErrorCode>("Cancelled", "PeerClosed", "Internal", "DeadlineExceeded"),
      fc.constantFrom<Started>("no", "maybe", "yes"),
    )
    .map(([code, started]): CallOutcome => ({ ok: false, error: new TuttiError(code, code, { started }) })),
);
const errorOf = (outcome: CallOutcome) => (outcome.ok ? undefined : outcome.error);
const isGivenBack = (outcome: CallOutcome) =>
  !outcome.ok && outcome.error.code === "Cancelled" && outcome.error.started === "no";

describe("two attempts at one call", () => {
  it("end it exactly once, with the first success or the last failure, whatever comes in whatever order (D1)", () => {
    fc.assert(
      fc.property(anyOutcome, anyOutcome, fc.boolean(), (first, second, isFirstFirst) => {
        const { end, ends, seen } = race();
        const order = isFirstFirst
          ? ([
              ["first", first],
              ["second", second],
            ] as const)
          : ([
              ["second", second],
              ["first", first],
            ] as const);
        for (const [which, outcome] of order) end(which, outcome);
        const success = order.find(([, outcome]) => outcome.ok);
        // A first attempt that was given back is no failure: then the second's is the call's.
        const failure = isGivenBack(first) ? second : order[1][1];
        expect(ends).toEqual([success === undefined ? failure : success[1]]);
        if (success === undefined) expect(errorOf(ends[0]!)).toBe(errorOf(failure));
        // It cannot have been made once only and twice at once.
        expect(seen.moved + seen.wasted).toBeLessThanOrEqual(1 + (isGivenBack(first) && !second.ok ? 1 : 0));
        if (first.ok && second.ok) expect(seen).toMatchObject({ wasted: 1, moved: 0 });
        if (isGivenBack(first) && second.ok) expect(seen).toMatchObject({ wasted: 0, moved: 1 });
      }),
    );
  });

  it("has the other one given up by who answers, and only while that is out", () => {
    const firstWins = race();
    firstWins.end("first", { ok: true, value: 1 });
    expect(firstWins.seen).toMatchObject({ lost: 1, aborted: 0 });
    const secondWins = race();
    secondWins.end("second", { ok: true, value: 1 });
    expect(secondWins.seen).toMatchObject({ lost: 0, aborted: 1 });
    const alone = race();
    alone.end("first", { ok: false, error: new TuttiError("Cancelled", "", { started: "no" }) });
    alone.end("second", { ok: true, value: 1 });
    expect(alone.seen).toMatchObject({ lost: 0, aborted: 0, moved: 1 });
  });

  it("puts the second under suspicion when the first took its executor along (D10)", () => {
    const { end, seen } = race();
    end("first", { ok: false, error: new TuttiError("PeerClosed", "", { started: "maybe" }) });
    expect(seen.suspected).toBe(1);
  });

  it("tells of the one that decided where the other went, and after how long", () => {
    const place = { executor: "x1", target: 3, attempts: 1, sentAtMs: 0 };
    const { made } = race();
    expect(made.placeOf("first", place)).toEqual({
      ...place,
      attempts: 2,
      secondAttempt: { why: "hedge", first: "x1", second: "x2", afterMs: 12, decided: "first" },
    });
    expect(made.placeOf("first", undefined)).toBeUndefined();
  });
});
