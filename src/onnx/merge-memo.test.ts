import { expect, it } from "vitest";
import { Tensor } from "../wire/tensor.ts";
import { MergeMemo } from "./merge-memo.ts";

it("gives the last tensor's map again for the same name, and no other tensor's", () => {
  const memo = new MergeMemo();
  const [a, b] = [1, 2].map((value) => new Tensor("float32", Float32Array.of(value), [1, 1])) as [
    Tensor,
    Tensor,
  ];
  const asked = memo.named("x", a);
  expect(asked).toEqual({ x: a });
  expect(memo.named("x", a)).toBe(asked);
  expect(memo.named("y", a)).toEqual({ y: a });
  expect(memo.named("x", b)).toEqual({ x: b });
  const last = memo.named("x", b);
  memo.clear();
  expect(memo.named("x", b)).toEqual(last);
  expect(memo.named("x", b)).not.toBe(last);
});
