import fc from "fast-check";
import { expect, it } from "vitest";
import { holdMsOf, learnWait, noHold } from "./call-hold.ts";

const after = (waits: readonly number[], underWay = 100) => {
  const hold = noHold();
  for (const waitMs of waits) learnWait(hold, waitMs);
  return holdMsOf(hold, underWay);
};

it("holds nothing where calls hardly wait, or nothing is known", () => {
  expect(after([])).toBe(0);
  expect(after(Array(50).fill(4))).toBe(0);
});

it.each([
  [7, 1],
  [19, 3],
  [500, 4],
])("where calls wait for %d ms, for %d ms", (waitMs, heldMs) => {
  expect(after(Array(50).fill(waitMs))).toBe(heldMs);
});

it("forgets a queue within a few replies", () => {
  expect(after([...Array(50).fill(40), ...Array(12).fill(1)])).toBe(0);
});

it("H1: none that would have little company", () => {
  expect(after(Array(50).fill(19), 19)).toBe(0);
  expect(after(Array(50).fill(19), 20)).toBe(3);
});

it("H1: never for longer than a fifth of the longest wait", () => {
  const waits = fc.array(fc.double({ min: 0, max: 1e5, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(waits, (ms) => {
      expect(after(ms)).toBeLessThanOrEqual(Math.max(...ms) / 5);
    }),
  );
});
