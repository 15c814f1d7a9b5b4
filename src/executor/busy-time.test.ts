import { describe, expect, it } from "vitest";
import { BusyTime } from "./busy-time.ts";

describe("busy time", () => {
  it("adds up what has ended and what is under way", () => {
    const busy = new BusyTime();
    expect(busy.totalMs(5)).toBe(0);
    busy.begin(10);
    expect(busy.totalMs(12)).toBe(2);
    busy.end(14);
    expect(busy.totalMs(20)).toBe(4);
    busy.begin(30);
    expect(busy.totalMs(31)).toBe(5);
  });

  it("counts work that is begun twice, or ended twice, once", () => {
    const busy = new BusyTime();
    busy.begin(0);
    busy.begin(3);
    busy.end(4);
    busy.end(9);
    expect(busy.totalMs(10)).toBe(4);
  });
});
