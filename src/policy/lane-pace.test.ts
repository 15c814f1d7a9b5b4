import { expect, test } from "vitest";
import { learnPace, steadyPace } from "./lane-pace.ts";

const learnAll = (runs: readonly (readonly [model: number, ratio: number])[]) => {
  const pace = steadyPace();
  return runs.map(([model, ratio]) => learnPace(pace, model, 1000 * ratio, 1000));
};

test("five runs in a row of several models, all far too slow, are a lane that is slower by the least of them", () => {
  expect(
    learnAll([
      [1, 10],
      [2, 12],
      [3, 9],
      [1, 11],
      [2, 30],
    ]),
  ).toEqual([undefined, undefined, undefined, undefined, 9]);
});

test("a lane that is quick again is found out in the same way", () => {
  expect(
    learnAll([
      [1, 0.1],
      [2, 0.12],
      [3, 0.05],
      [4, 0.1],
      [5, 0.1],
    ]).at(-1),
  ).toBe(0.12);
});

test("one run as predicted, or one on the other side, begins the count anew", () => {
  const slow = [1, 2, 3, 4].map((model) => [model, 10] as const);
  expect(learnAll([...slow, [5, 1.5], ...slow]).every((factor) => factor === undefined)).toBe(true);
  expect(learnAll([...slow, [5, 0.2], ...slow]).every((factor) => factor === undefined)).toBe(true);
});

test("a model that alone takes longer says nothing of its lane, until another does too", () => {
  const alone = Array.from({ length: 20 }, () => [1, 10] as const);
  expect(learnAll(alone).every((factor) => factor === undefined)).toBe(true);
  expect(learnAll([...alone, [2, 8]]).at(-1)).toBe(8);
});

test("differences of microseconds are no change", () => {
  const pace = steadyPace();
  for (const model of [1, 2, 3, 4, 5, 6]) expect(learnPace(pace, model, 100, 10)).toBeUndefined();
});

test("what was found out is not found out again: the count begins anew", () => {
  const slow = [1, 2, 3, 4, 5, 6].map((model) => [model, 10] as const);
  expect(learnAll(slow)).toEqual([undefined, undefined, undefined, undefined, 10, undefined]);
});
