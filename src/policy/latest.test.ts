import fc from "fast-check";
import { expect, it } from "vitest";
import { Latest } from "./latest.ts";

it("the latest are the last so many, newest first, whatever came before", () => {
  fc.assert(
    fc.property(fc.array(fc.nat()), fc.integer({ min: 1, max: 9 }), (items, capacity) => {
      const latest = new Latest<number>(capacity);
      for (const item of items) latest.add(item);
      expect(latest.items()).toEqual(items.slice(-capacity).reverse());
    }),
  );
});
