import { describe, expect, it } from "vitest";
import { leadMs, learnLate, noLead } from "./deadline-lead.ts";

const FOR_LONG = 60_000;

describe("how long before a deadline it is acted upon", () => {
  it("is not at all before anything was late, nor where everything is on time", () => {
    const lead = noLead();
    expect(leadMs(lead, FOR_LONG, 5)).toBe(0);
    learnLate(lead, -3, 5);
    learnLate(lead, 0, 6);
    expect(leadMs(lead, FOR_LONG, 7)).toBe(0);
  });

  it("is as long as the latest was late, which is forgotten by half in ten seconds", () => {
    const lead = noLead();
    learnLate(lead, 12, 1000);
    learnLate(lead, 1, 1000);
    expect(leadMs(lead, FOR_LONG, 1000)).toBe(12);
    expect(leadMs(lead, FOR_LONG, 11_000)).toBeCloseTo(6);
    learnLate(lead, 2, 21_000);
    expect(leadMs(lead, FOR_LONG, 21_000)).toBeCloseTo(3);
    learnLate(lead, 9, 21_000);
    expect(leadMs(lead, FOR_LONG, 21_000)).toBe(9);
  });

  it("is 20 ms at most, a fiftieth of the time that is left, and never less than nothing", () => {
    const lead = noLead();
    learnLate(lead, 400, 0);
    expect(leadMs(lead, Number.POSITIVE_INFINITY, 0)).toBe(20);
    expect(leadMs(lead, 1475, 0)).toBe(20);
    expect(leadMs(lead, 100, 0)).toBe(2);
    expect(leadMs(lead, -50, 0)).toBe(0);
  });

  it("does not grow when the clock is set back", () => {
    const lead = noLead();
    learnLate(lead, 10, 5000);
    expect(leadMs(lead, FOR_LONG, 0)).toBe(10);
  });
});
