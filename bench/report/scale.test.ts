import fc from "fast-check";
import { expect, test } from "vitest";
import { linearScale, logScale } from "./scale.ts";

test("every value has its place on the axis, larger ones further along", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 2, maxLength: 20 }),
      (values) => {
        const sorted = [...values].sort((a, b) => a - b);
        for (const scale of [logScale(values, 0, 100), linearScale(Math.max(...values), 0, 100)]) {
          const places = sorted.map((value) => scale.at(value));
          places.forEach((place, index) => {
            expect(place).toBeGreaterThanOrEqual(index === 0 ? -1e-9 : (places[index - 1] ?? 0) - 1e-9);
            expect(place).toBeLessThanOrEqual(100 + 1e-9);
          });
          expect(scale.ticks.length).toBeGreaterThanOrEqual(2);
          expect(scale.ticks.length).toBeLessThanOrEqual(14);
        }
      },
    ),
  );
});

test("a value a hair beyond a round number ends the axis there", () => {
  expect(logScale([1, 10.0005], 0, 100).at(10.0005)).toBe(100);
  expect(logScale([0.99995, 10], 0, 100).at(0.99995)).toBe(0);
});

test("labels are round numbers", () => {
  expect(logScale([3, 70], 0, 1).ticks).toEqual([2, 5, 10, 20, 50, 100]);
  expect(linearScale(430, 0, 1).ticks).toEqual([0, 100, 200, 300, 400, 500]);
});
