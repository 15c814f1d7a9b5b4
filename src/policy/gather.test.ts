import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gather, quietAfterMoveMs } from "./gather.ts";

const us = fc.double({ min: 0, max: 1e7, noNaN: true });

describe("gathering the calls of a deployment on its home", () => {
  it("stays where nothing is clearly sooner", () => {
    expect(gather(900, 0, true)).toBe("home");
    expect(gather(40_000, 31_000, true)).toBe("home");
    fc.assert(
      fc.property(
        us,
        us,
        fc.boolean(),
        (home, more, mayMove) => gather(home, home + more, mayMove) === "home",
      ),
    );
  });

  it("moves the home when another lane is clearly sooner and nothing has moved just now", () => {
    expect(gather(40_000, 29_000, true)).toBe("move");
    expect(gather(1500, 100, true)).toBe("move");
  });

  it("otherwise sends single calls elsewhere, where the difference is large", () => {
    expect(gather(40_000, 29_000, false)).toBe("home");
    expect(gather(40_000, 10_000, false)).toBe("elsewhere");
    expect(gather(4500, 100, false)).toBe("elsewhere");
  });

  it("never takes the later of the two by more than the noise", () => {
    fc.assert(
      fc.property(
        us,
        us,
        (home, other) => gather(home, other, false) !== "home" || home - other <= Math.max(4000, 0.6 * home),
      ),
    );
  });

  it("lets the lanes become even before another home moves, for 20 ms at most", () => {
    expect(quietAfterMoveMs(10_000)).toBe(5);
    expect(quietAfterMoveMs(1e9)).toBe(20);
    expect(quietAfterMoveMs(-5)).toBe(0);
  });
});
