import { describe, expect, it } from "vitest";
import { isSpread } from "./pack.ts";

const at = (...busy: number[]) => busy.map((busyFraction) => ({ busyFraction }));

describe("packing the calls of a class that only waits", () => {
  it("keeps them together while one event loop has time left", () => {
    expect(isSpread(at(0, 0), false)).toBe(false);
    expect(isSpread(at(0.6, 0), false)).toBe(false);
  });

  it("spreads them when it has not", () => {
    expect(isSpread(at(0.7, 0), false)).toBe(true);
  });

  it("does not go back and forth when the spread calls have made each of them less busy", () => {
    expect(isSpread(at(0.3, 0.3), true)).toBe(true);
    expect(isSpread(at(0.2, 0.2), true)).toBe(false);
  });
});
