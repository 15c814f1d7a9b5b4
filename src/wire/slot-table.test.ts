import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_SLOTS, SlotTable } from "./slot-table.ts";

describe("a table of slots", () => {
  it("behaves as a map whose keys it gives out itself, whatever comes and goes", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 200 }), (steps) => {
        const table = new SlotTable<number>();
        const model = new Map<number, number>();
        steps.forEach((step, index) => {
          const ids = [...model.keys()];
          if (step < 12 || ids.length === 0) {
            const id = table.add(index);
            expect(model.has(id)).toBe(false);
            model.set(id, index);
          } else {
            const id = ids[step % ids.length]!;
            table.delete(id);
            model.delete(id);
            expect(table.get(id)).toBeUndefined();
          }
          expect(table.size).toBe(model.size);
        });
        const seen = new Map<number, number>();
        table.forEach((id, value) => {
          seen.set(id, value);
        });
        expect([...seen].sort()).toEqual([...model].sort());
        for (const [id, value] of model) expect(table.get(id)).toBe(value);
      }),
    );
  });

  it("does not take a late id for the one that has its slot now", () => {
    const table = new SlotTable<string>();
    const first = table.add("first");
    table.delete(first);
    const second = table.add("second");
    expect(second).not.toBe(first);
    expect(table.get(first)).toBeUndefined();
    table.delete(first);
    expect(table.get(second)).toBe("second");
  });

  it("gives out ids of 32 bits, never 0, through every use of a slot", () => {
    const table = new SlotTable<number>();
    for (let i = 0; i < MAX_SLOTS * 2; i++) {
      const id = table.add(i);
      if (id <= 0 || id > 0xffff_ffff) throw new Error(`id ${id}`);
      expect(table.get(id)).toBe(i);
      table.delete(id);
    }
  });

  it("is full with as many values as it has slots", () => {
    const table = new SlotTable<number>();
    for (let i = 0; i < MAX_SLOTS; i++) table.add(i);
    expect(table.isFull).toBe(true);
  });
});
