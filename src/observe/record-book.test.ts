import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KEPT, RecordBook } from "./record-book.ts";
import type { Outcome } from "./recorded-call.ts";

function put(
  book: RecordBook<string>,
  item: string,
  latencyMs: number,
  outcome: Outcome,
  nowMs = 0,
): boolean {
  const reasons = book.choose(latencyMs, outcome, nowMs);
  if (reasons !== 0) book.add(reasons, item, latencyMs, outcome, nowMs);
  return reasons !== 0;
}

describe("a book of records", () => {
  it("keeps the slowest, and the last that ended badly whatever they took", () => {
    const book = new RecordBook<string>(() => 0.5);
    for (let i = 0; i < 1000; i++) put(book, `r${i}`, i % 100, "ok");
    put(book, "degraded", 1, "degraded");
    put(book, "failed", 1, "failed");
    put(book, "refused", 1, "refused");
    expect(book.kept("slow", 0)).toHaveLength(16);
    expect(book.kept("slow", 0)[0]).toMatch(/99$/);
    expect([book.kept("degraded", 0), book.kept("failed", 0), book.kept("refused", 0)]).toEqual([
      ["degraded"],
      ["failed"],
      ["refused"],
    ]);
  });

  it("wants hardly any of many ordinary requests", () => {
    const book = new RecordBook<string>(() => 0.5);
    let wanted = 0;
    for (let i = 0; i < 100_000; i++) wanted += put(book, "", 5, "ok") ? 1 : 0;
    // A uniform sample of k of the first n takes about k (1 + ln (n / k)) of them on the way: 3,211 here.
    expect(wanted).toBeLessThan(5000);
  });

  it("counts a refusal neither as slow nor for the sample", () => {
    const book = new RecordBook<string>(() => 0.5);
    put(book, "refused", 1e6, "refused");
    expect(book.kept("slow", 0)).toEqual([]);
    expect(book.sample(0)).toEqual([]);
  });

  it("never holds more than its bounds, whatever comes", () => {
    const step = fc.tuple(
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      fc.constantFrom<Outcome>("ok", "degraded", "failed", "refused"),
      fc.nat(30_000),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 300, maxLength: 1500 }), (steps) => {
        const book = new RecordBook<number>(() => 0.5);
        let nowMs = 0;
        for (const [latencyMs, outcome, laterMs] of steps) {
          nowMs += laterMs;
          const reasons = book.choose(latencyMs, outcome, nowMs);
          if (reasons !== 0) book.add(reasons, 1, latencyMs, outcome, nowMs);
        }
        const kept = KEPT.map((one) => book.kept(one, nowMs).length);
        expect(kept[0]).toBeLessThanOrEqual(16 * 5);
        for (const count of kept.slice(1)) expect(count).toBeLessThanOrEqual(32);
        const sampled = book.sample(nowMs).map(({ items }) => items.length);
        expect(sampled.length).toBeLessThanOrEqual(2);
        for (const count of sampled) expect(count).toBeLessThanOrEqual(512);
      }),
      { numRuns: 20 },
    );
  });
});
