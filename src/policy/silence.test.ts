import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeSilence } from "./silence.ts";

describe("judgeSilence", () => {
  it.each([
    ["within what its work explains", { silentMs: 350, explainedMs: 100, askedForMs: undefined }, "wait"],
    ["beyond it", { silentMs: 351, explainedMs: 100, askedForMs: undefined }, "ask"],
    ["beyond it, and asked just now", { silentMs: 380, explainedMs: 100, askedForMs: 29 }, "wait"],
    [
      "beyond it, and asked without an answer",
      { silentMs: 401, explainedMs: 100, askedForMs: 50 },
      "stalled",
    ],
    ["with nothing that explains it", { silentMs: 51, explainedMs: 0, askedForMs: undefined }, "ask"],
  ] as const)("of a lane that is silent %s", (_, silence, verdict) => {
    expect(judgeSilence(silence, 100)).toBe(verdict);
  });

  it("never calls an executor stalled that was not asked, or whose work explains its silence", () => {
    const ms = fc.double({ min: 0, max: 1e5, noNaN: true });
    fc.assert(
      fc.property(
        ms,
        ms,
        fc.option(ms, { nil: undefined }),
        ms,
        (silentMs, explainedMs, askedForMs, stallMs) => {
          if (judgeSilence({ silentMs, explainedMs, askedForMs }, stallMs) !== "stalled") return;
          expect(askedForMs).toBeGreaterThanOrEqual(stallMs / 2);
          expect(silentMs).toBeGreaterThan(explainedMs);
        },
      ),
    );
  });
});
